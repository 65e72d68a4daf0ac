"""Hostile text shows as it is and does nothing: in Markdown as a renderer reads it, in commands as GitHub's runner parses them."""

from __future__ import annotations

import html.parser
import re
import typing
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.export import escaping

HOSTILE = (
    "a|b\n| c | d |", "`rm -rf`", "</code></details><script>alert(1)</script>", "@octocat @org/team", "see #1, GH-2 and o/r#3",
    "<!-- -->", "&lt;b&gt; &amp;amp;", "**bold** _it_ ~~x~~ [a](javascript:b) ![i](http://x)", ":tada: :+1:", "https://evil.example www.x.org",
    "\\| \\` \\\\", "\x1b[31mred\x1b[0m\x00\x7f", "a\u202eb\u2028c\u200bd\ufeff", "$x^2$ $$y$$", "::error::x", "- [ ] x\r\n# h\r> q", "お zoë 🎉", "",
    " lead and trail ", "\ud800", "| --- |", "x" * 500,
)  # fmt: skip
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# html-pipeline's filters, which GitHub runs over the text of rendered pages outside code and links
REFERENCES = (
    re.compile(r"(?:^|\W)@[a-z0-9]", re.IGNORECASE), re.compile(r"#\d"), re.compile(r"\bGH-\d", re.IGNORECASE),
    re.compile(r":[\w+-]+:"), re.compile(r"https?://"), re.compile(r"www\."),
)  # fmt: skip


class Rendered(html.parser.HTMLParser):
    """The cells of a rendered page, its tags, and its text outside code."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.loose = ""
        self.feed(MARKDOWN.render(source))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag, which has no attributes of a scenario's making; a cell begins with no text."""
        assert {name for name, _ in attrs} <= {"href"}
        self.tags.append(tag)
        self.open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag, which must be that one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data
        if "code" not in self.open:
            self.loose += data

    def handle_comment(self, data: str) -> None:
        """Refuse comments: they would hide what follows."""
        raise AssertionError(data)


def hostile(function: typing.Callable[..., None]) -> typing.Callable[..., None]:
    """Try a test with any text, and always with the hostile ones."""
    tried = given(st.text() | st.lists(st.sampled_from(HOSTILE)).map("".join))(function)
    for text in HOSTILE:
        tried = example(text)(tried)
    return tried


def in_cell(escaped: str) -> Rendered:
    """Render a table of one row whose middle cell is given."""
    return Rendered(f"| a | b | c |\n| --- | --- | --- |\n| 1 | {escaped} | 2 |\n")


@hostile
def test_prose_shows_as_it_is_and_refers_to_nothing(text: str) -> None:
    """A cell holds the flattened text, no tag comes of it, and no filter of GitHub finds a reference in it."""
    page = in_cell(escaping.prose(text))
    assert page.cells == ["a", "b", "c", "1", page.cells[4], "2"]
    assert page.cells[4].replace("\u200b", "") == escaping.flat(text)
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [found for found in REFERENCES if found.search(page.loose)] == []


@hostile
def test_code_copies_exactly(text: str) -> None:
    """What stands in a code font is the flattened text, sign by sign."""
    page = in_cell(escaping.code(text))
    assert page.cells[4] == escaping.flat(text, 200)
    assert page.tags.count("code") == 1
    assert page.loose.split() == ["a", "b", "c", "1", "2"]


@hostile
def test_flat_text_is_one_line_that_utf8_can_hold(text: str) -> None:
    """No line ends, no control signs, no lone surrogates, no longer than asked; flattening again changes nothing."""
    flat = escaping.flat(text, 50)
    assert len(flat) <= 50
    assert len(flat.splitlines()) <= 1
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(sign) for sign in flat}
    assert escaping.flat(flat, 50) == flat
    flat.encode()


def test_what_is_hidden_is_shown_as_such() -> None:
    """Escape characters and marks that turn the reading direction become U+FFFD; words in other scripts stay."""
    assert escaping.flat("\x1b[31mred\u202eder") == "\ufffd[31mred\ufffdder"
    assert escaping.flat("お\n\tま  zoë") == "お ま zoë"


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Parse a workflow command as the runner does (actions/runner, ActionCommand.cs)."""
    assert line.startswith("::")
    end = line.index("::", 2)
    name, _, listed = line[2:end].partition(" ")
    properties = dict(pair.split("=", 1) for pair in listed.split(",") if pair)

    def unescaped(text: str, pairs: dict[str, str]) -> str:
        for escaped, sign in pairs.items():
            text = text.replace(escaped, sign)
        return text

    data = {"%0D": "\r", "%0A": "\n", "%25": "%"}
    within = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    return (
        name,
        {key: unescaped(value, within) for key, value in properties.items()},
        unescaped(line[end + 2 :], data),
    )


@given(st.text(), st.text())
@example("a:b,c%3A", "::error::x\r\n%0A")
def test_commands_come_back_as_they_were_meant(title: str, message: str) -> None:
    """A title and a message of any text are one command that the runner reads back."""
    line = f"::error title={escaping.command_property(title)}::{escaping.command_data(message)}"
    assert "\n" not in line
    assert "\r" not in line
    assert parsed(line) == ("error", {"title": title}, message)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ci.example/run/7?a=b", "[report](https://ci.example/run/7?a=b)"),
        ("https://ci.example/a_(b)", "[report](https://ci.example/a_%28b%29)"),
        ("javascript:alert(1)", "report: <code>javascript&#58;alert(1)</code>"),
        ("https://x/ onclick", "report: <code>https&#58;//x/ onclick</code>"),
        ("", ""),
    ],
)
def test_links_lead_to_pages_only(address: str, shown: str) -> None:
    """An address that is no page's is shown, not linked."""
    assert escaping.link("report", address) == shown
