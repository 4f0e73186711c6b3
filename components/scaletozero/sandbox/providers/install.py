"""Puts the plugins where the engine looks for plugins."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import sys
from pathlib import Path

import scaletozero


def install_plugins(pulumi_home: Path) -> Path:
    """Write the plugin for the installed `pulumi-aws` under `pulumi_home`; the folder that holds it.

    An unmodified engine whose PULUMI_HOME it is then starts this interpreter instead of downloading the real provider.
    """
    version = importlib.metadata.version("pulumi-aws")
    folder = pulumi_home / "plugins" / f"resource-aws-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    code = Path(scaletozero.__file__).parents[1]
    program = folder / "pulumi-resource-aws"
    draft = folder / f".pulumi-resource-aws.{os.getpid()}"
    draft.write_text(
        "#!/bin/sh\n"
        f'PYTHONPATH={shlex.quote(str(code))}"${{PYTHONPATH:+:$PYTHONPATH}}" \\\n'
        f'exec {shlex.quote(sys.executable)} -u -m scaletozero.sandbox.providers.aws "$@"\n'
    )
    draft.chmod(0o755)
    draft.replace(program)
    return folder
