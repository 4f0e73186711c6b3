"""The engine's hosts of other languages, and the plugin as `pulumi plugin install` would leave it."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

from workbench import ROOT

from scaletozero.engine.find import VERSION as VERSION_OF_ENGINE
from scaletozero.engine.find import cache_folder, find_engine
from scaletozero.engine.go_build import GoModule, Say, build, one_at_a_time
from scaletozero.plugin import NAME, VERSION

YAML_HOST = GoModule(
    "github.com/pulumi/pulumi-yaml",
    "v1.25.0",
    {"pulumi-language-yaml": "cmd/pulumi-language-yaml"},
    minutes=3,
)


def find_yaml_host(say: Say = lambda line: None) -> Path:
    """The folder of the program that runs YAML programs: beside the engine or on PATH, else built.

    Raises:
        RuntimeError: it could not be built.
    """
    (name,) = YAML_HOST.programs
    beside = Path(find_engine().command).with_name(name)
    if beside.is_file():
        return beside.parent
    if found := shutil.which(name):
        return Path(found).parent
    target = cache_folder() / "languages" / f"{YAML_HOST.path.replace('/', '-')}-{YAML_HOST.version}"
    build(YAML_HOST, target, say)
    return target


def build_typescript_types(source: Path) -> Path:
    """The program that writes the TypeScript types of a schema, built from the engine's own generator.

    The engine itself asks a language host for them, whose module is not published.

    Args:
        source: its Go source, which imports the engine's module.
    """
    folder = cache_folder() / "languages" / f"typescript-types-{VERSION_OF_ENGINE}"
    program = folder / "typescript_types"
    with one_at_a_time(folder.with_name(f"{folder.name}.lock"), lambda line: None, program.name):
        folder.mkdir(parents=True, exist_ok=True)
        main = folder / "main.go"
        if not program.is_file() or main.read_bytes() != source.read_bytes():
            main.write_bytes(source.read_bytes())
            (folder / "go.mod").unlink(missing_ok=True)
            generator = f"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs@v{VERSION_OF_ENGINE}"
            for arguments in (
                ("mod", "init", "scaletozero.build"),
                ("get", generator),
                ("build", "-o", program.name, "."),
            ):
                subprocess.run(["go", *arguments], cwd=folder, check=True, capture_output=True)
    return program


def install_plugin(home: Path) -> None:
    """Put the project's own plugin where the engine of that PULUMI_HOME looks for it."""
    folder = home / "plugins" / f"resource-{NAME}-v{VERSION}"
    folder.mkdir(parents=True)
    plugin = folder / f"pulumi-resource-{NAME}"
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u "{ROOT / "components"}" "$@"\n')
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
