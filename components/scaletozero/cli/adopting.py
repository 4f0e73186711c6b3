"""`up --adopt`: finds resources that exist already and imports them into the state."""

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
    """The resources that one `up` adopts.

    Attributes:
        planned: collects the resources that the preview would create.
        found: existing resources with the names of planned ones, which may be adopted; known after `find`.
    """

    def __init__(self, deployment: EnvironmentStack, region: str) -> None:
        self._deployment, self._region = deployment, region
        self.planned = PlannedCreates()
        self.found: list[tuple[PlannedCreate, Existing]] = []

    def find(self, changes: Mapping[str, int]) -> dict[str, int]:
        """The preview's changes, with resources to adopt instead of resources to create.

        Raises:
            FindingsError: a resource exists that is not this stack's, or that cannot be adopted.
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
        """Imports the resources into the state, below the components that declare them. Changes nothing in AWS.

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
