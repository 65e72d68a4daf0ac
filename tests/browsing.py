"""A headless Chromium for tests, and pages in it that are watched."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing
from pathlib import Path

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
PICTURES = "HARNESS_PICTURES"
"""Environment variable: folder that pictures of pages are kept in; they go to a temporary one without it."""


def find_browser() -> str | None:
    """Return a Chromium: the one ``HARNESS_CHROMIUM`` names, one on PATH, or None for playwright's own."""
    named = os.environ.get("HARNESS_CHROMIUM")
    return named or next((path for name in CANDIDATES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Start headless Chromium, or skip loudly."""
    api = pytest.importorskip("playwright.sync_api", reason="BROWSER TESTS DID NOT RUN: install playwright")
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET))
        except api.Error as error:
            pytest.skip(
                f"BROWSER TESTS DID NOT RUN: no Chromium starts; type: playwright install chromium ({error})"
            )
        yield browser
        browser.close()


def picture_folder(temporary: Path) -> Path:
    """Return where pictures go: the folder that ``HARNESS_PICTURES`` names, or a temporary one."""
    folder = Path(os.environ.get(PICTURES, temporary))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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
