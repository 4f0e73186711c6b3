"""Text that others wrote stays text in a comment, as a renderer of Markdown reads it."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from scaletozero.cli.markdown import block, code, fitting, items, prose, table


class Rendered(HTMLParser):
    """What a reader sees: the elements, and the text inside and outside of code."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.comments: list[str] = []
        self.code = self.text = ""
        self._depth = 0
        self.feed(MarkdownIt("commonmark").enable("table").render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._depth += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.code += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


# What means something to Markdown, HTML, GitHub or GitLab, and what does not.
WILD = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="`|\\<>*_[]()!@#$~&:/-+=.'\" \n\tab1", max_size=40),
    st.sampled_from(
        [
            "@everyone", "#12", "!3", "<!-- scaletozero preview: x -->", "</code><script>", "[a](https://x.invalid)",
            "https://x.invalid", "www.x.invalid", "| a | b |", "\\|", "`` ` ``", "```\n", "/close", "&#64;all", "GH-1",
            "a@b.invalid", "deadbeefcafe", "--> <b>", "\u202ereversed", "\x1b[31mred", "*a*", "__b__", "$x^2$",
        ]
    ),
)  # fmt: skip


@given(WILD)
def test_code_shows_the_text_and_nothing_else(text: str) -> None:
    seen = Rendered(table(["a", "b"], [[code(text), "end"]], most=10_000))
    assert [tag for tag in seen.tags if tag not in ("table", "thead", "tbody", "tr", "th", "td", "code")] == []
    assert seen.tags.count("td") == 2
    assert seen.comments == []
    assert "end" in seen.text
    if seen.code:
        assert seen.code == " ".join(seen.code.split())


@pytest.mark.parametrize("text", ["a|b", "`a`", "a\\|b", "``a`` | b", "<b>", "@all", "&amp;", "a\\"])
def test_code_is_the_text_to_the_letter(text: str) -> None:
    assert Rendered(table(["a"], [[code(text)]], most=1000)).code == text


@given(WILD)
def test_prose_mentions_nobody_and_leads_nowhere(text: str) -> None:
    seen = Rendered(f"- {prose(text)}")
    assert set(seen.tags) <= {"ul", "li", "code"}
    assert seen.comments == []
    assert not any(each in seen.text for each in ("@", "#", "://", "www.", "<", "&", "~", "*", "_", "[", "]"))


def test_prose_keeps_words_and_what_was_set_as_code() -> None:
    said = "lower `scaling.max` (got cap_usd_per_month=5, not 1,024); see https://x.invalid/a."
    assert prose(said) == ("lower `scaling.max` (got `cap_usd_per_month=5`, not 1,024); see `https://x.invalid/a`.")


@given(st.text(alphabet="`~a\n\r ", max_size=60))
def test_a_block_cannot_be_closed_from_inside(text: str) -> None:
    seen = Rendered(f"{block(text, 1000)}\n\nend")
    assert set(seen.tags) == {"pre", "code", "p"}
    assert seen.text.strip() == "end"


def test_what_is_too_long_is_shortened_and_counted() -> None:
    assert len(code("x" * 10_000)) < 400
    assert "And 97 more." in items(range(100), lambda n: f"{n:02}", 15)
    assert table(["a"], [["x"]] * 1500, most=600).endswith("And 1,400 more.")
    made: list[str] = []
    assert fitting(["aa", "bb", "cc", "dd"], lambda each: made.append(each) or each, 6) == (["aa", "bb"], 2)
    assert made == ["aa", "bb", "cc"]  # what cannot fit is not made
    assert block("x" * 100, 10) == f"```text\n{'x' * 10}\n…\n```"


def test_nothing_is_a_dash() -> None:
    assert code(" \n") == "-"
