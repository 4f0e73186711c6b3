"""The part of `up` that `--adopt` adds: finds what exists already, and has the state hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pulumi import automation as auto

from scaletozero.cli.engine import color
from scaletozero.cli.output import say
from scaletozero.environment.adoption import (
    Existing,
    PlannedCreate,
    PlannedCreates,
    find_existing,
    require_adoptable,
    wait_until_updatable,
    with_adopted,
)
from scaletozero.environment.stack import EnvironmentStack


class Adoption:
    """What one `up` takes over.

    Attributes:
        planned: listens to the preview.
        found: what exists under the name of something planned, and may be adopted; known after `find`.
    """

    def __init__(self, deployment: EnvironmentStack, region: str) -> None:
        self._deployment, self._region = deployment, region
        self.planned = PlannedCreates()
        self.found: list[tuple[PlannedCreate, Existing]] = []

    def find(self, changes: Mapping[str, int]) -> dict[str, int]:
        """The preview's changes, with what is adopted in the place of what would have been created.

        Raises:
            FindingsError: what exists is not this stack's, or cannot be adopted.
        """
        found = find_existing(self.planned.found, self._deployment.client, self._region)
        state = {resource["urn"] for resource in self._deployment.resources()}
        require_adoptable(found, state, self._deployment.name)
        self.found = found
        for planned, _ in found:
            say(f"to adopt: {planned.shown}")
        after = {**changes, "create": changes.get("create", 0) - len(found), "adopt": len(found)}
        return {what: count for what, count in after.items() if count}

    def take_over(self, stack: auto.Stack, on_output: Callable[[str], object]) -> None:
        """Has the state hold what was found, below the components that declare it. Changes nothing at AWS.

        Raises:
            FindingsError: an endpoint cannot be updated.
        """
        if not self.found:
            return
        wait_until_updatable(self.found, self._deployment.client, self._region, say)
        exported = stack.export_stack()
        deployment, adopted = with_adopted(exported.deployment or {}, self.found)
        stack.import_stack(auto.Deployment(exported.version, deployment))
        stack.refresh(target=adopted, on_output=on_output, color=color())
