"""Installs the plugins where the engine looks for them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shlex
import sys
from pathlib import Path

PLUGINS = ("aws", "kubernetes")
"""The packages that the sandbox has a provider for, in the module of the same name."""


def install_plugins(pulumi_home: Path) -> Path:
    """Writes a plugin for each installed package of PLUGINS under `pulumi_home`. Returns the plugins' folder.

    An unmodified engine with this PULUMI_HOME then starts this interpreter instead of downloading the real provider.
    """
    plugins = pulumi_home / "plugins"
    for name in PLUGINS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            _install(plugins, name, importlib.metadata.version(f"pulumi-{name}"))
    return plugins


def _install(plugins: Path, name: str, version: str) -> None:
    folder = plugins / f"resource-{name}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    code = Path(__file__).resolve().parents[3]
    program = folder / f"pulumi-resource-{name}"
    draft = folder / f".{program.name}.{os.getpid()}"
    draft.write_text(
        "#!/bin/sh\n"
        f'PYTHONPATH={shlex.quote(str(code))}"${{PYTHONPATH:+:$PYTHONPATH}}" \\\n'
        f'exec {shlex.quote(sys.executable)} -u -m scaletozero.sandbox.providers.{name} "$@"\n'
    )
    draft.chmod(0o755)
    draft.replace(program)
