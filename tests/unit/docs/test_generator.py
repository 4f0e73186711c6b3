"""The reference is what the code says, and says all of it."""

import re
from typing import Annotated, Literal, NotRequired, TypedDict

import pulumi
import pytest
from generator.commands import command_pages, command_tree
from generator.docstrings import attributes
from generator.fields import block_of, type_of, unit_of
from generator.markdown import table
from generator.pages import args_of, component_pages, environment_pages, reference_pages, settings_of
from generator.repository import with_pages
from generator.rules import Rule, group_rules, rules_of
from pydantic import AfterValidator, BaseModel, Field, model_validator
from workbench import ROOT

from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.args.scaling import WindowArgs
from scaletozero.endpoints.kinds import KINDS
from scaletozero.plugin import COMPONENTS
from scaletozero.settings.scaling import Scaling
from scaletozero.settings.schedules import Window
from scaletozero.settings.serverless import ServerlessEndpointSettings

LIMIT = 7


def few(value: int) -> int:
    if value > LIMIT:
        fix = f"write {min(value, LIMIT)}"
        reject(f"must be at most {LIMIT}", "the service would refuse it", fix)
    return value


def whole(limit: int):
    def check(value: str) -> str:
        rule = f"must have {limit} letters"
        if len(value) != limit:
            reject(rule)
        return value

    return check


class Group(Settings):
    """A group.

    Attributes:
        count: how many; `letters`: what they are called.
        kind: of what.
    """

    count: Annotated[Int, AfterValidator(few)] = 3
    letters: Annotated[Text, AfterValidator(whole(2))]
    kind: Literal["one", "other"] | None = None
    idle_seconds: Annotated[float, Field(gt=0, le=60)] = 5

    @model_validator(mode="after")
    def _agrees(self) -> "Group":
        if self.count > len(self.letters):
            reject(f"must be at most `letters`, {len(self.letters)}", at="count")
        return self


def test_a_rule_is_read_with_the_constants_of_its_module() -> None:
    assert rules_of(few) == (Rule("must be at most 7", "the service would refuse it"),)
    assert rules_of(whole(2)) == (Rule("must have 2 letters"),)


def test_a_rule_between_settings_names_its_field_and_not_the_value_of_the_other() -> None:
    assert group_rules(Group) == (Rule("must be at most `letters`", path="count"),)


def test_a_field_has_its_type_unit_default_rule_and_meaning() -> None:
    count, letters, kind, idle = block_of(Group).fields
    assert (count.type.text, count.default, count.rules) == (
        "integer",
        "`3`",
        ("must be at most 7; the service would refuse it",),
    )
    assert (count.description, letters.description) == ("How many", "What they are called.")
    assert letters.required
    assert not count.required
    assert (kind.type.text, kind.default) == ("one of `one`, `other`", "")
    assert (idle.unit, idle.default, idle.rules) == ("seconds", "`5.0`", ("must be more than 0", "must be at most 60"))


def test_what_programs_give_has_the_type_that_they_give() -> None:
    fields = {field.name: field for field in block_of(Window, WindowArgs).fields}
    assert fields["start"].type.text == "string"  # minutes of the day once it is read
    assert fields["days"].default == '`["mon", "tue", "wed", "thu", "fri", "sat", "sun"]`'


def test_an_argument_that_takes_an_output_says_so() -> None:
    class Model(Settings):
        bucket: Text

    class Args(TypedDict):
        bucket: NotRequired[pulumi.Input[str]]
        """Where."""

    (field,) = block_of(Model, Args).fields
    assert field.output
    assert field.type.text == "string"
    assert field.description == "Where."


@pytest.mark.parametrize(
    "annotation, text",
    [
        (dict[str, tuple[int, ...]], "map of string to list of integer"),
        (str | None, "string"),
        (Annotated[float, Field(ge=0)], "number"),
        (tuple[Scaling, ...], "list of Scaling"),
    ],
)
def test_types_are_words(annotation: object, text: str) -> None:
    assert type_of(annotation).text == text


def test_only_numbers_have_units() -> None:
    assert unit_of("memory_mb", type_of(int)) == "MB"
    assert unit_of("days", type_of(list[str])) == ""
    assert unit_of("cap_usd_per_hour", type_of(float)) == "USD an hour"


def test_a_docstring_entry_may_be_about_two_attributes() -> None:
    assert attributes(Group)["count"] == "how many"


def test_a_table_leaves_out_what_is_empty_and_escapes_its_own_signs() -> None:
    assert table(("a", "b", "c"), [("1|2", "", "3")]) == "| a | c |\n| --- | --- |\n| 1\\|2 | 3 |\n"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference_pages()


def test_each_component_has_a_page_with_every_argument(pages: dict[str, str]) -> None:
    assert len(component_pages()) == len(COMPONENTS)
    for component in COMPONENTS:
        page = pages[f"components/{component.__name__.lower()}.md"]
        for argument in args_of(component).__annotations__:
            # The former name of a setting is no setting of its own.
            assert f"| `{argument}` |" in page, (component, argument)


def test_a_link_to_a_section_of_the_page_bears_its_title(pages: dict[str, str]) -> None:
    links = 0
    for path, page in pages.items():
        titles = {match[2]: match[1] for match in re.finditer(r"^#+ (.+?) \{ #([\w-]+) \}$", page, re.MULTILINE)}
        for shown, anchor in re.findall(r"\[(\w+)\]\(#([\w-]+)\)", page):
            assert titles[anchor] in (shown, f"{shown}: {anchor}"), (path, shown, anchor)
            links += 1
    assert links > 50


def test_each_component_validates_its_arguments_by_settings_that_are_found() -> None:
    assert all(issubclass(model, BaseModel) for component in COMPONENTS for model in settings_of(component))


def test_each_kind_of_endpoint_has_a_page_with_every_setting() -> None:
    found = environment_pages()
    for name, kind in KINDS.items():
        for setting in kind.settings.model_fields:
            assert f"| `{setting}` |" in found[f"endpoints-{name}.md"]


def test_each_command_has_a_page_with_every_option() -> None:
    found = command_pages()
    for name, command in command_tree().items():
        for parameter in command.params:
            shown = parameter.name.upper() if parameter.param_type_name == "argument" else parameter.opts[0]
            assert f"`{shown}`" in found[f"{name}.md"]


def test_no_argument_and_no_setting_of_an_environment_is_left_without_a_meaning(pages: dict[str, str]) -> None:
    assert "| Meaning |" in pages["components/serverlessendpoint.md"]
    for component in COMPONENTS:
        for model in settings_of(component):
            silent = [field.name for field in block_of(model, args_of(component)).fields if not field.description]
            assert silent == [], component
    for kind in KINDS.values():
        assert [field.name for field in block_of(kind.settings).fields if not field.description] == []


def test_the_limits_of_the_service_are_on_the_page() -> None:
    memory = next(field for field in block_of(ServerlessEndpointSettings).fields if field.name == "memory_mb")
    assert memory.rules == (
        "must be one of 1024, 2048, 3072, 4096, 5120, 6144; SageMaker would refuse the configuration",
    )
    assert "idle_seconds" in block_of(Scaling).refused
    assert block_of(Scaling).rules


def test_a_link_to_a_file_of_the_repository_leads_to_its_page() -> None:
    text, pages = with_pages("[a](../examples/gpu.py) [b](gpu.md#top) [c](../nowhere.py)", "guide.md", ROOT / "docs")
    assert text == "[a](files/examples/gpu.py.md) [b](gpu.md#top) [c](../nowhere.py)"
    assert pages == {"files/examples/gpu.py.md": ROOT / "examples" / "gpu.py"}
