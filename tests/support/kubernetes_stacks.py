"""Stacks of Kubernetes objects on the unmodified engine, with the sandbox's plugin."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation.errors import CommandError

from scaletozero.engine.find import find_engine
from scaletozero.sandbox.inline import inline
from scaletozero.sandbox.providers.install import install_plugins


@dataclass
class KubernetesStack:
    """One stack and its program, which reads `settings`.

    Attributes:
        folder: of its own.
        place: the environment that names the cluster, or the folder for manifests.
    """

    folder: Path
    place: dict[str, str]
    program: Callable[[dict[str, Any]], Any]
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def stack(self) -> auto.Stack:
        home, work, backend = (self.folder / name for name in ("home", "work", "backend"))
        for path in (work, backend):
            path.mkdir(exist_ok=True)
        install_plugins(home)
        environment = {
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(home),
            "KUBECONFIG": "",
            "SCALETOZERO_MANIFESTS": "",
            **self.place,
        }
        options = auto.LocalWorkspaceOptions(
            work_dir=str(work), pulumi_home=str(home), env_vars=environment, pulumi_command=find_engine()
        )
        program = inline(lambda: self.program(self.settings))
        return auto.create_or_select_stack("dev", "sandbox", program=program, opts=options)

    def up(self, **options: Any) -> auto.UpResult:
        return self.stack.up(show_secrets=False, **options)

    def resources(self) -> dict[str, dict[str, Any]]:
        """Each resource's name -> its entry in the state."""
        entries = (self.stack.export_stack().deployment or {}).get("resources", [])
        return {entry["urn"].split("::")[-1]: entry for entry in entries}

    def stored(self) -> str:
        """The state as it is stored, secrets encrypted."""
        return "".join(path.read_text() for path in (self.folder / "backend").glob(".pulumi/stacks/**/*.json"))


def changed(result: auto.UpResult | auto.PreviewResult | auto.DestroyResult) -> dict[str, int]:
    """What was, or would be, done, and to how many resources; the stack itself counts as one when it is new."""
    counted = result.change_summary if isinstance(result, auto.PreviewResult) else result.summary.resource_changes
    found = {str(getattr(kind, "value", kind)): count for kind, count in (counted or {}).items() if count}
    found.pop("same", None)
    return found


def refusal(act: Callable[[], Any]) -> str:
    """The engine's words when `act` fails; fails itself when it does not."""
    try:
        act()
    except CommandError as error:
        return str(error)
    raise AssertionError("it was not refused")
