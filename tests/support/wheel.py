"""The distribution as an organisation installs it: its wheel, in environments that know nothing of this repository."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def build_wheel(into: Path) -> Path:
    """The wheel of this working tree, in the folder `into`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it.

    Attributes:
        folder: the environment.
    """

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def command(self) -> str:
        return str(self.folder / "bin" / "scaletozero")


def install(wheel: Path, folder: Path, *extras: str) -> Installed:
    """A fresh environment with the wheel and its extras, at the versions of the lock.

    uv where it installs from this machine's index, pip (which may be configured for another one) where it does not.
    """
    venv.create(folder, with_pip=True)
    found = Installed(folder)
    wanted = [f"{wheel}[{','.join(extras)}]" if extras else str(wheel)]
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--python", found.python]
    pins = folder / "pins.txt"
    pins.write_text(versions())
    if subprocess.run([*uv, "-c", str(pins), *wanted], capture_output=True, check=False).returncode:
        subprocess.run([found.python, "-m", "pip", "install", "-q", "-c", str(pins), *wanted], check=True)
    return found


def versions() -> str:
    """The lock without its hashes, which pip does not take for constraints on a wheel that has none."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return "\n".join(line.rstrip(" \\") for line in lines if line[:1].isalnum())
