"""The site that `asv publish` writes, in a real browser: it draws the exported series.

asv's pages load jQuery, flot and Bootstrap from public hosts. Where those cannot be reached, ``HARNESS_ASV_LIBRARIES`` may name a folder that
holds the same files; otherwise the test is skipped and says so.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import threading
import typing
import urllib.parse
from pathlib import Path

import pytest

from tests.report.test_browser import QUIET, find_browser

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route

    from tests.exporters.conftest import Project

pytestmark = pytest.mark.browser

NAME = "harness.probe.short.good.error_rate"
VARIABLE = "HARNESS_ASV_LIBRARIES"


class Silent(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Drop the line."""


@pytest.fixture(scope="module")
def site(project: Project) -> Iterator[str]:
    """Publish the project and serve its pages on this machine."""
    done = project.asv("publish")
    assert done.returncode == 0, done.stderr
    pages = project.folder / "html"
    if os.environ.get(VARIABLE):  # other builds of the libraries have other checksums
        index = pages / "index.html"
        index.write_text(re.sub(r' integrity="[^"]*"', "", index.read_text()))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=str(pages))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    """Open a page in headless Chromium, or skip loudly."""
    api = pytest.importorskip("playwright.sync_api", reason="BROWSER TESTS DID NOT RUN: install playwright")
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET))
        except api.Error as error:
            pytest.skip(f"BROWSER TESTS DID NOT RUN: no Chromium starts ({error})")
        yield browser.new_page()
        browser.close()


def _from_folder(folder: Path, route: Route) -> None:
    path = folder / Path(urllib.parse.urlparse(route.request.url).path).name
    if not path.is_file():
        route.abort()
        return
    kind = "text/css" if path.suffix == ".css" else "text/javascript"
    route.fulfill(body=path.read_text(), content_type=kind, headers={"Access-Control-Allow-Origin": "*"})


def test_the_published_site_draws_the_series(site: str, page: Page) -> None:
    """The graph page of the exported benchmark has its name, its two commits as points, and a drawn curve."""
    missing: list[str] = []
    page.on("requestfailed", lambda request: missing.append(request.url))
    folder = os.environ.get(VARIABLE)
    if folder:
        page.route(re.compile(r"^https://"), functools.partial(_from_folder, Path(folder)))
    page.goto(f"{site}#{NAME}")
    if any(url.endswith(".js") for url in missing):
        pytest.skip(
            f"ASV'S PAGES DID NOT RUN: {missing[0]} cannot be loaded; {VARIABLE} may name a folder of its files"
        )
    page.wait_for_selector("#main-graph canvas.flot-overlay")
    assert NAME in page.inner_text("#title")
    drawn = page.evaluate(
        "() => $('#main-graph').data('plot').getData().map(series => series.data.map(point => point[1]))"
    )
    assert [round(value, 12) for series in drawn for value in series if value is not None] == [0.09, 0.39]
