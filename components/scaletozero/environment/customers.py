"""Changes the customers of an environment's gateway in its settings file, and reads back what was written."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model_packaging.files import read_text, replace_text
from model_packaging.findings import refuse
from scaletozero.environment.project import Project
from scaletozero.environment.read import KEY
from scaletozero.environment.yaml_edit import edited
from scaletozero.environment.yaml_file import LARGEST, parse_yaml
from scaletozero.sandbox.state import locked, private_folder
from scaletozero.settings.gateway import Customer

Decide = Callable[[Mapping[str, Customer]], Mapping[str, Any]]
"""From the customers as they are, which fields of one change to what; None removes a field."""


def change_customer(project: Project, environment: str, name: str, decide: Decide) -> Customer:
    """Changes a customer, or adds it.

    Returns:
        The customer as it is read back from the file.

    Raises:
        FindingsError: the environment would be invalid, or the file cannot be changed; it is as it was.
    """
    path = project.settings_file(environment).resolve()
    with locked(private_folder(project.local)):  # so that of two commands at once both count
        changes = decide(_customers(project, environment))
        key = f"{project.name}:{KEY}"
        text = edited(read_text(path, LARGEST), path.name, ("config", key, "gateway", "customers", name), changes)
        config = parse_yaml(text, path.name)["config"]
        asked = project.environment(environment, with_artifacts=False, config=config)
        _replace(path, text)
        found = _customers(project, environment).get(name)
    assert asked.gateway
    if found is None or found != asked.gateway.customers[name]:
        then = "another program has written it at the same time"
        raise refuse(str(path), "must have what was written", "something else", then, "look at it, and try again")
    return found


def remove_customer(project: Project, environment: str, name: str) -> None:
    """Removes a customer from the settings file; nothing changes where it is not in it. Raises as `change_customer`."""
    path = project.settings_file(environment).resolve()
    with locked(private_folder(project.local)):
        if name not in _customers(project, environment):
            return
        where = ("config", f"{project.name}:{KEY}", "gateway", "customers")
        text = edited(read_text(path, LARGEST), path.name, where, {name: None})
        project.environment(environment, with_artifacts=False, config=parse_yaml(text, path.name)["config"])
        _replace(path, text)
        left = name in _customers(project, environment)
    if left:
        then = "another program has written it at the same time"
        raise refuse(str(path), "must not have the customer any more", name, then, "look at it, and try again")


def _customers(project: Project, environment: str) -> Mapping[str, Customer]:
    gateway = project.environment(environment, with_artifacts=False).gateway
    return gateway.customers if gateway else {}


def _replace(path: Path, text: str) -> None:
    """Writes the file with the permissions that it has."""
    try:
        replace_text(path, text, stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        then = "nothing was changed"
        raise refuse(str(path), "must be a file that can be written", error.strerror or str(error), then) from None
