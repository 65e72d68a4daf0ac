"""A headless Chromium for the tests of pages, and a page that notes what it said and asked for."""

from __future__ import annotations

import os
import shutil
import typing

if typing.TYPE_CHECKING:
    from playwright.sync_api import Page

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)


def find_browser() -> str | None:
    """Return a Chromium: the one ``HARNESS_CHROMIUM`` names, one on PATH, or None for playwright's own."""
    named = os.environ.get("HARNESS_CHROMIUM")
    return named or next((path for name in CANDIDATES if (path := shutil.which(name))), None)


class Watched:
    """An open page, with what its console said and what it asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.said, self.asked = page, list[str](), list[str]()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(address)

    def remote(self) -> list[str]:
        """Return the requests beyond the file itself."""
        return [url for url in self.asked if not url.startswith(("file:", "data:"))]
