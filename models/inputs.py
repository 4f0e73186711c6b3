"""Real inputs for the example models whose packages have none: `python models/inputs.py` writes artifacts/inputs/*.npy.

magika reads the first and the last bytes of a file; these files are installed on every machine that can package it.
The OCR models read pictures of text: capitals and digits drawn here, because no package has pictures.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[1] / "artifacts" / "inputs"

ENDS, BLOCK, PADDING = (
    1024,
    4096,
    256,
)  # as magika's config.min.json says: beg_size, end_size; block_size; padding_token
KINDS = 12  # files of one suffix at most, so that Python sources are not nearly all of it
FILES = 240

GLYPHS = (  # 5 columns a character, the lowest bit on top
    ("A", "7E1111117E"), ("B", "7F49494936"), ("C", "3E41414122"), ("D", "7F4141221C"), ("E", "7F49494941"),
    ("F", "7F09090901"), ("G", "3E4149497A"), ("H", "7F0808087F"), ("I", "00417F4100"), ("J", "2040413F01"),
    ("K", "7F08142241"), ("L", "7F40404040"), ("M", "7F020C027F"), ("N", "7F0408107F"), ("O", "3E4141413E"),
    ("P", "7F09090906"), ("Q", "3E4151215E"), ("R", "7F09192946"), ("S", "4649494931"), ("T", "01017F0101"),
    ("U", "3F4040403F"), ("V", "1F2040201F"), ("W", "3F4038403F"), ("X", "6314081463"), ("Y", "0708700807"),
    ("Z", "6151494543"), ("0", "3E5149453E"), ("1", "00427F4000"), ("2", "4261514946"), ("3", "2141454B31"),
    ("4", "1814127F10"), ("5", "2745454539"), ("6", "3C4A494930"), ("7", "0171090503"), ("8", "3649494936"),
    ("9", "064949291E"), (" ", "0000000000"),
)  # fmt: skip
WORDS = tuple(
    """STATION HARBOUR BRIDGE WINTER GARDEN MARKET TICKET PLATFORM RIVER CASTLE MUSEUM LIBRARY OFFICE PARCEL INVOICE
    NUMBER STREET FLOOR ROOM DOOR EXIT ENTRY NORTH SOUTH EAST WEST MONDAY FRIDAY MARCH JUNE 1984 2026 4711 90210 16 377
    58 250 7 33""".split()  # noqa: SIM905 - a page of quotation marks is no easier to read
)


def features(content: bytes) -> NDArray[np.int32]:
    """The input of magika for a file, int32 of shape (2048,): the first and last 1024 bytes without the white space
    around them, padded with 256.
    """
    first, last = content[:BLOCK].lstrip()[:ENDS], content[-BLOCK:].rstrip()[-ENDS:]
    row = np.full(2 * ENDS, PADDING, np.int32)
    row[: len(first)] = list(first)
    row[2 * ENDS - len(last) :] = list(last)
    return row


def installed_files() -> Iterator[bytes]:
    """Files of this environment and of Python itself, of many kinds, in the same order every time."""
    roots = [Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")]
    seen: dict[str, int] = {}
    for root in roots:
        for path in sorted(root.glob("*/**/*")):
            kind = path.suffix.lower()
            if kind in (".pyc", "") or seen.get(kind, 0) >= KINDS or not path.is_file() or path.stat().st_size < 64:
                continue
            seen[kind] = seen.get(kind, 0) + 1
            with path.open("rb") as file:
                head = file.read(BLOCK)
                file.seek(max(0, path.stat().st_size - BLOCK))
                yield head if path.stat().st_size <= BLOCK else head + file.read()


def drawn(text: str, height: int, width: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draws a line of `text`, dark on light or light on dark, with noise; of shape (height, width)."""
    glyphs = dict(GLYPHS)
    columns: list[int] = []
    for character in text:
        columns += [*bytes.fromhex(glyphs[character]), 0]
    dots = np.array([[column >> row & 1 for column in columns] for row in range(7)], np.float64)
    scale = min(int(height * 0.8 / 7), (width - 4) // len(columns))
    line = dots.repeat(scale, axis=0).repeat(scale, axis=1)
    top = int(random.integers(0, height - line.shape[0] + 1))
    left = int(random.integers(0, width - line.shape[1] + 1))
    paper, ink = (random.uniform(170, 255), random.uniform(0, 80))[:: random.choice([1, 1, 1, -1])]
    picture = np.full((height, width), paper)
    area = picture[top : top + line.shape[0], left : left + line.shape[1]]
    area += line * (ink - paper)
    picture += random.normal(0, random.uniform(1, 12), picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def normalised(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The input of the OCR models: three equal channels from -1 to 1, of shape (3, height, width)."""
    return np.repeat(((picture / 255 - 0.5) / 0.5).astype(np.float32)[None], 3, axis=0)


def lines(count: int, height: int, width: int, seed: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """`count` texts of one to three words and their pictures, the same for the same seed."""
    random = np.random.default_rng(seed)
    while count:
        text = " ".join(random.choice(WORDS, int(random.integers(1, 4)), replace=False))
        if len(text) * 6 * int(height * 0.6 / 7) <= width - 4:  # cropped like by a detector: the text fills the picture
            yield text, drawn(text, height, width, random)
            count -= 1


def magika(files: int = FILES) -> NDArray[np.int32]:
    """The inputs of magika for different files, int32 of shape (files, 2048)."""
    rows: dict[str, NDArray[np.int32]] = {}
    for content in installed_files():
        row = features(content)
        rows.setdefault(hashlib.sha256(row.tobytes()).hexdigest(), row)
        if len(rows) == files:
            break
    # In the order of their digests, so that files of one kind, which are in the same folders, are not all in one half.
    return np.stack([rows[digest] for digest in sorted(rows)])


def orientation(count: int = 96) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Lines for the orientation model, with their classes: every second pair is upside down."""
    pictures, labels = [], []
    for index, (_, picture) in enumerate(lines(count, 48, 192, seed=3)):
        turned = index % 4 >= 2
        pictures.append(normalised(np.ascontiguousarray(picture[::-1, ::-1]) if turned else picture))
        labels.append("180" if turned else "0")
    return np.stack(pictures), np.array(labels)


def write(folder: Path = FOLDER) -> None:
    """Writes every model's inputs to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "magika.npy", magika(), allow_pickle=False)
    pictures, labels = orientation()
    np.savez(folder / "orientation.npz", x=pictures, labels=labels)
    np.save(folder / "lines.npy", np.stack([normalised(each) for _, each in lines(64, 48, 320, seed=5)]))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
