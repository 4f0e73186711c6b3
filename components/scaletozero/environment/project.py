"""The project on disk: its folder, its environments, and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.validation import nearest, show
from scaletozero.cold_start.remembered import file_of, read_starts
from scaletozero.environment.read import KEY, read_environment
from scaletozero.environment.secure import replaced, undecrypted
from scaletozero.environment.settings import Environment
from scaletozero.environment.yaml_file import read_yaml


@dataclass(frozen=True)
class Project:
    """A folder with a `Pulumi.yaml`.

    Attributes:
        root: the folder.
        name: the project's name, the namespace of its configuration.
        program: the folder of its program.
        stacks: the folder of its stacks' settings files.
    """

    root: Path
    name: str
    program: Path
    stacks: Path

    @property
    def local(self) -> Path:
        """The folder for the project's state on this machine."""
        return self.root / ".scaletozero"

    def environments(self) -> list[str]:
        """The names of the environments that have a settings file."""
        return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in self.stacks.glob("Pulumi.?*.yaml"))

    def settings_file(self, environment: str) -> Path:
        """The settings file of an environment.

        Raises:
            FindingsError: there is none.
        """
        path = self.stacks / f"Pulumi.{environment}.yaml"
        known = self.environments()
        if environment not in known:
            guess = nearest(environment, known)
            raise refuse(
                "environment",
                f"must be one of {', '.join(known)}" if known else f"needs a settings file in {self.stacks}",
                environment,
                "there is nothing to deploy",
                f"write `{guess}`, or add {path.name}" if guess else f"add {path.name}",
            )
        return path

    def configuration(self, environment: str) -> dict[str, Any]:
        """The `config` of an environment's settings file.

        Raises:
            FindingsError: the file is missing, or is not a YAML mapping.
        """
        path = self.settings_file(environment)
        content = read_yaml(path)
        config = content.get("config") or {}
        if not isinstance(config, dict):
            raise refuse(f"{path.name}: config", "must be a mapping", config)
        return config

    def environment(
        self,
        name: str,
        *,
        with_artifacts: bool = True,
        on_sandbox: bool = False,
        gated: bool = True,
        config: dict[str, Any] | None = None,
    ) -> Environment:
        """A validated environment with complete artifacts.

        Args:
            name: the environment.
            with_artifacts: whether to check the artifacts, and the cluster of endpoints on Kubernetes.
            on_sandbox: whether it runs in the sandbox, regardless of its settings.
            gated: see `read_environment`.
            config: the `config` that its settings file is to have. Default: what it has.

        Raises:
            FindingsError: with everything that is wrong.
        """
        path, config = self.settings_file(name), self.configuration(name) if config is None else config
        key = f"{self.name}:{KEY}"
        if key not in config:
            guess = nearest(key, config)
            fix = f"write `{key}` instead of `{guess}`" if guess else f"add `{key}:`"
            raise refuse(f"{path.name}: config", f"needs `{key}`", "none", "there is nothing to deploy", fix)
        written = config[key]
        if isinstance(written, dict):
            in_sandbox = on_sandbox or "sandbox" in written
            written = replaced(written)[0] if in_sandbox else undecrypted(written, KEY)
        if not with_artifacts:
            return read_environment(written, None, on_sandbox=on_sandbox)
        starts = read_starts(self.starts_file(name))
        return read_environment(written, self.root, on_sandbox=on_sandbox, gated=gated, starts=starts)

    def starts_file(self, environment: str) -> Path:
        """The file of an environment's measured starts, beside its settings; it need not exist."""
        return file_of(self.stacks, environment)


def find_project(start: Path | None = None) -> Project:
    """Finds the project of a folder: the folder itself or its nearest parent with a `Pulumi.yaml`.

    Raises:
        FindingsError: there is none, or it cannot be read.
    """
    try:
        start = (start or Path.cwd()).resolve()
    except OSError as error:
        fix = "change to a folder that exists"
        raise refuse("the working folder", "must exist", error.strerror or str(error), fix=fix) from None
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            content = read_yaml(folder / "Pulumi.yaml")
            if not isinstance(content.get("name"), str):
                raise refuse(f"{folder / 'Pulumi.yaml'}: name", "is required", "none", fix="add `name: ...`")
            return _project(folder, content)
    raise refuse(
        str(start),
        "must be inside a project, a folder with a Pulumi.yaml",
        consequence="there is nothing to deploy",
        fix="change to the project's folder",
    )


def _project(folder: Path, content: dict[str, Any]) -> Project:
    where = folder / "Pulumi.yaml"
    runtime = content.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    findings: list[Finding] = []
    if language != "python":
        then = "this command runs the program itself, in Python"
        fix = "write `runtime: python`, or run a program in another language with `pulumi`"
        findings.append(Finding(f"{where}: runtime", "must be python", show(language), then, fix))
    paths = {"main": ".", "stackConfigDir": "."}
    for key, default in paths.items():
        value = content.get(key, default)
        if not isinstance(value, str) or "\0" in value or Path(value).is_absolute():
            rule = "must be a path relative to this file"
            findings.append(Finding(f"{where}: {key}", rule, show(value), "the engine would refuse it"))
        else:
            paths[key] = value or default
    if findings:
        raise FindingsError(findings)
    return Project(folder, content["name"], folder / paths["main"], folder / paths["stackConfigDir"])


def require_program(project: Project) -> None:
    """Refuses a project whose program is missing: a folder with a `__main__.py`, or one file.

    Raises:
        FindingsError: there is none.
    """
    program = project.program
    if program.is_file() or (program / "__main__.py").is_file():
        return
    got = "a folder without one" if program.is_dir() else "nothing there"
    raise refuse(f"{project.root / 'Pulumi.yaml'}: main", f"must lead to a __main__.py, in {program}", got)
