"""A page as elements and text."""

from __future__ import annotations

import html.parser

VOID = {"meta", "link", "img", "input", "br", "wbr", "hr"}


class Parsed(html.parser.HTMLParser):
    """A page as elements and text; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        self.tags = [tag for tag, _ in self.elements]
        self.ids, self.links = self.attributes("id"), self.attributes("href")
        self.rows = [attributes for _, attributes in self.elements if "data-row" in attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Gather what a reader sees."""
        if self._open[-1:] not in (["script"], ["style"]):
            self.text += data

    def attributes(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]
