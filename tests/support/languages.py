"""The engine's hosts of other languages, and the plugin as `pulumi plugin install` would leave it."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from pulumi import automation as auto
from workbench import IMAGE, ROOT

from model_packaging.files import cache_folder
from scaletozero.engine.find import VERSION as VERSION_OF_ENGINE
from scaletozero.engine.find import find_engine
from scaletozero.engine.go_build import GoModule, Say, build, one_at_a_time
from scaletozero.plugin import NAME, VERSION
from scaletozero.sandbox import daemon
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.providers.install import install_plugins

REGION = "us-east-1"

YAML_HOST = GoModule(
    "github.com/pulumi/pulumi-yaml",
    "v1.25.0",
    {"pulumi-language-yaml": "cmd/pulumi-language-yaml"},
    minutes=3,
)


NODE_HOST = GoModule(
    "github.com/pulumi/pulumi/sdk/v3",
    # The last release whose module has the host; a later engine runs programs with it.
    "v3.68.0",
    {"pulumi-language-nodejs": "nodejs/cmd/pulumi-language-nodejs"},
    minutes=2,
)


def find_host(module: GoModule, say: Say = lambda line: None) -> Path:
    """The folder of the program that runs programs in a language: beside the engine or on PATH, else built.

    Raises:
        RuntimeError: it could not be built.
    """
    (name,) = module.programs
    beside = Path(find_engine().command).with_name(name)
    if beside.is_file():
        return beside.parent
    if found := shutil.which(name):
        return Path(found).parent
    target = cache_folder() / "languages" / f"{module.path.replace('/', '-')}-{module.version}"
    build(module, target, say)
    return target


def stack_in(work: Path, host: Path, artifact: Path, sandbox: daemon.Sandbox, folder: Path) -> auto.Stack:
    """The stack of an example in another language, against an embedded AWS.

    Args:
        work: the example.
        host: the folder of its language's host.
        artifact: the model that it serves.
        sandbox: the embedded AWS.
        folder: where the engine keeps its state and its plugins.
    """
    home, backend = folder / "home", folder / "backend"
    backend.mkdir()
    install_plugins(home)
    install_plugin(home)
    variables = sandbox_environment(backend, sandbox, folder / "manifests")
    options = auto.LocalWorkspaceOptions(
        pulumi_home=str(home),
        pulumi_command=find_engine(),
        env_vars={**variables, "KUBECONFIG": "", "PATH": os.pathsep.join([str(host), os.environ["PATH"]])},
    )
    stack = auto.create_or_select_stack("dev", work_dir=str(work), opts=options)
    values = {"aws:region": REGION, "artifact": str(artifact), "image": IMAGE, "region": REGION}
    stack.set_all_config({key: auto.ConfigValue(value) for key, value in values.items()})
    return stack


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
