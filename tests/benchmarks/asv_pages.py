"""The site that `asv publish` writes, served to a real browser on a machine that reaches no public host.

asv's pages load jQuery, flot and Bootstrap from public hosts. `libraries` puts the same files into a folder: ``HARNESS_ASV_LIBRARIES`` names
one, else npm's registry has them; with neither, the pages load them from where asv says, and a test that cannot is skipped and says so.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import subprocess
import tarfile
import threading
import typing
import urllib.parse
from pathlib import Path

import pytest

from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route

VARIABLE = "HARNESS_ASV_LIBRARIES"
NPM = {
    "jquery@3.3.1": {"jquery-3.3.1.min.js": "dist/jquery.min.js"},
    "flot@0.8.3": {
        f"jquery.flot{part}.min.js": f"jquery.flot{part}.js"
        for part in ("", ".time", ".selection", ".categories")
    },
    "flot-orderbars@1.0.0": {"jquery.flot.orderBars.js": "js/jquery.flot.orderBars.js"},
    "stupid-table-plugin@1.1.3": {"stupidtable.min.js": "stupidtable.min.js"},
    "blueimp-md5@2.19.0": {"md5.min.js": "js/md5.min.js"},
    "bootstrap@3.1.1": {
        "bootstrap.min.js": "dist/js/bootstrap.min.js",
        "bootstrap.min.css": "dist/css/bootstrap.min.css",
    },
}
"""Packages of npm, and which of their files stands for which file that asv's page asks for."""


class Silent(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Drop the line."""


def libraries(folder: Path) -> Path | None:
    """Return a folder with the pages' libraries: the one that is named, or `folder`, filled from npm; None if neither can be had."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = [npm, "pack", "--silent", "--pack-destination", str(folder), *NPM]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=TIME_LIMIT)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    for package, files in NPM.items():
        with tarfile.open(folder / f"{package.replace('@', '-')}.tgz") as archive:
            for name, member in files.items():
                found = archive.extractfile(f"package/{member}")
                assert found is not None
                (folder / name).write_bytes(found.read())
    return folder


@contextlib.contextmanager
def served(pages: Path, local: Path | None) -> Iterator[str]:
    """Serve pages on this machine; with libraries of our own, without asv's checksums of the public ones."""
    if local:
        index = pages / "index.html"
        index.write_text(re.sub(r' integrity="[^"]*"', "", index.read_text()))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=str(pages))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def series(page: Page, address: str, local: Path | None) -> list[list[float]]:
    """Open a benchmark's graph and return what it draws: the values of each curve."""
    missing: list[str] = []
    page.on("requestfailed", lambda request: missing.append(request.url))
    if local:
        page.route(re.compile(r"^https://"), functools.partial(_from_folder, local))
    page.goto(address)
    if any(url.endswith(".js") for url in missing):
        pytest.skip(
            f"ASV'S PAGES DID NOT RUN: {missing[0]} cannot be loaded, nor npm's copy; {VARIABLE} may name a folder of its files"
        )
    page.wait_for_selector("#main-graph canvas.flot-overlay")
    drawn = page.evaluate(
        "() => $('#main-graph').data('plot').getData().map(series => series.data.map(point => point[1]))"
    )
    return [[round(value, 12) for value in curve if value is not None] for curve in drawn]


def _from_folder(folder: Path, route: Route) -> None:
    path = folder / Path(urllib.parse.urlparse(route.request.url).path).name
    if not path.is_file():
        route.abort()
        return
    kind = "text/css" if path.suffix == ".css" else "text/javascript"
    route.fulfill(body=path.read_text(), content_type=kind, headers={"Access-Control-Allow-Origin": "*"})
