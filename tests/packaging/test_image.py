"""The serving image, without building it: what it copies is enough, what it installs is pinned and small."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from model_packaging import Artifact

ROOT = Path(__file__).parents[2]
SERVING = ROOT / "model_packaging" / "serving"
INSTALLED = {"numpy", "onnxruntime", "tokenizers"}
LARGEST_MB = 200


def pinned(path: Path) -> dict[str, list[str]]:
    """name==version -> its hashes, for the interpreter of the image."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if start := re.match(r"([a-z0-9_.-]+==[^ ]+)( ; python_full_version (<|>=) '3.12')?", line, re.IGNORECASE):
            current = start[1] if start[3] != ">=" else ""
        elif current and (hashed := re.match(r" +--hash=(sha256:[0-9a-f]{64})", line)):
            found.setdefault(current, []).append(hashed[1])
    return found


def test_its_libraries_are_those_of_the_lock() -> None:
    ours, lock = pinned(SERVING / "requirements.txt"), pinned(ROOT / "requirements.lock")
    assert {name.partition("==")[0] for name in ours} == INSTALLED
    assert ours == {name: hashes for name, hashes in lock.items() if name.partition("==")[0] in INSTALLED}


def test_its_libraries_are_small() -> None:
    total = sum(
        Path(str(file.locate())).stat().st_size
        for name in INSTALLED
        for file in importlib.metadata.distribution(name).files or ()
        if Path(str(file.locate())).is_file()
    )
    assert total < LARGEST_MB * 1e6


def test_what_it_copies_is_enough_to_serve(unpacked: Path, packaged: Artifact, tmp_path: Path) -> None:
    dockerfile = (SERVING / "Dockerfile").read_text(encoding="utf-8")
    for source, target in re.findall(r"^COPY (\S+) /opt/scaletozero/(\S+)$", dockerfile, re.MULTILINE):
        into = tmp_path / target
        for path in SERVING.parent.glob(source):
            where = into / path.name if target.endswith("/") else into
            where.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, where)
    entry = re.search(r"^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)
    assert entry
    command = [sys.executable, *json.loads(entry[1])[1:], "check"]
    environment = {"PYTHONPATH": str(tmp_path), "SM_MODEL_DIR": str(unpacked), "SCALETOZERO_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ready"
    assert packaged.manifest.recipe


def test_it_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", (SERVING / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert users
    assert int(users[-1]) > 0
