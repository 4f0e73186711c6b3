"""The compiled kernels of an endpoint on a volume: who writes them, and who only reads them.

They are code, which a replica runs. Written by a Job once for each image and artifact, no replica can change them for
another.
"""

from __future__ import annotations

import hashlib
from typing import Any

VOLUME = "/compiled"
"""Where the volume is, for the Job and for what copies from it."""

KEPT = "/cache/compiled"
"""Where vLLM keeps and looks for its kernels, which are found again only at the same path."""


def key_of(image: str, digest: str) -> str:
    """Compiled kernels fit one image and one model only.

    Args:
        image: the serving image.
        digest: digest of the artifact.
    """
    return hashlib.sha256(f"{image}\0{digest}".encode()).hexdigest()[:16]


def copy_program(source: str, target: str) -> str:
    """Copies the kernels to a replica's own folder. Without any, the replica compiles them for itself."""
    return (
        "import os, shutil\n"
        f"if os.path.isdir({source!r}):\n"
        f"    shutil.copytree({source!r}, {target!r}, dirs_exist_ok=True)\n"
    )


def fill_program(source: str, target: str, port: int, seconds: int) -> str:
    """Starts the engine that its arguments name, and keeps what that has compiled once it responds.

    The folder appears only when it is complete: a replica that starts meanwhile finds nothing, or everything.
    """
    return (
        "import glob, os, shutil, subprocess, sys, time, urllib.request as u\n"
        f"source, target, end = {source!r}, {target!r}, time.time() + {seconds}\n"
        "if os.path.isdir(target):\n"
        "    sys.exit(0)\n"
        "engine = subprocess.Popen(sys.argv[1:])\n"
        "ready = False\n"
        "while not ready and engine.poll() is None and time.time() < end:\n"
        "    time.sleep(1)\n"
        "    try:\n"
        f"        ready = u.urlopen('http://127.0.0.1:{port}/health', timeout=5).status == 200\n"
        "    except OSError:\n"
        "        pass\n"
        "engine.terminate()\n"
        "engine.wait()\n"
        "if not ready:\n"
        "    sys.exit('the engine did not respond: nothing is kept')\n"
        "for left in glob.glob(target + '.part*'):\n"
        "    shutil.rmtree(left)\n"
        "part = target + '.part' + os.uname().nodename\n"
        "shutil.copytree(source, part)\n"
        "os.rename(part, target)\n"
    )


def volume(name: str, *, read_only: bool) -> dict[str, Any]:
    """The volume of a pod that has the endpoint's claim."""
    return {"name": "compiled", "persistentVolumeClaim": {"claimName": name, "readOnly": read_only}}
