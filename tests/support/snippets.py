"""The fenced blocks of the README and the guides, by what they are."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.commands import COMMAND, command_tree
from workbench import ROOT

LANGUAGES = ("python", "yaml", "typescript", "json", "dockerfile", "sh", "console", "text")
"""`sh` has a command on each line; `console` has them behind `$`, with their output; `text` is output or a drawing."""

NOT_RUN = "Not run by the tests: "
"""What the title of a block begins with that is not run, followed by the reason; readers see it."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]*)"')


@dataclass(frozen=True)
class Snippet:
    """One block: where it stands, its language, its title, its text."""

    path: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def reason(self) -> str:
        """Why it is not run; empty where it is."""
        return self.title.removeprefix(NOT_RUN) if self.title.startswith(NOT_RUN) else ""

    @property
    def is_a_test(self) -> bool:
        """Whether it is a test of the reader's, which the engine's tests run."""
        return self.language == "python" and "def test_" in self.text

    def commands(self) -> list[str]:
        """The command lines of a block of shell, continued lines joined, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def documents() -> list[Path]:
    """The README, what contributors read, and every page of the documentation that is written by hand."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippets_of(path: Path) -> Iterator[Snippet]:
    """The blocks of one document."""
    text = path.read_text()
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].partition(" ")
        title = _TITLE.search(rest)
        line = text.count("\n", 0, match.start()) + 1
        yield Snippet(path, line, language, title[1] if title else "", match["text"])


def all_snippets() -> list[Snippet]:
    """The blocks of all documents."""
    return [each for path in documents() for each in snippets_of(path)]


def commands(line: str) -> list[list[str]]:
    """The commands of a line, without comments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters = "#"
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;<>()"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def accept(words: list[str]) -> None:
    """Holds a command to what it is called with: the project's own, and the targets of its Makefile."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        unknown = {word for word in words[1:] if "=" not in word} - set(targets)
        # pytest writes what an assertion compared in its own modules only, and this is none.
        assert not unknown, f"the Makefile has no {', '.join(sorted(unknown))}"
    if words[0] == COMMAND:
        command = command_tree()[words[1]]
        # Raises for an option that there is not, a value of the wrong type, an argument too few or too many.
        command.make_context(words[1], words[2:])
