"""The committed gallery: small, complete, and written by this project."""

from __future__ import annotations

import gzip
import re
import urllib.parse
from pathlib import Path

from harness.report import index_page, linking

GALLERY = Path(__file__).parents[2] / "reports" / "reference"
MOST_BYTES = 5_000_000


def test_it_is_small_and_every_page_is_ours() -> None:
    """All of it is below 5 MB and each page below 2 MB; the five kinds are there."""
    files = [path for path in GALLERY.rglob("*") if path.is_file()]
    shown = [*GALLERY.glob("*.html"), *GALLERY.glob("*/*.html")]  # deeper ones are other pages' sources
    pages = {path: linking.known(path) for path in shown}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert max(path.stat().st_size for path in pages) < 2_000_000
    assert {known.kind for known in pages.values() if known} == {"report", "compare", "history", "ledger", "index"}  # fmt: skip
    assert None not in pages.values()


def test_the_index_lists_what_is_there_and_its_links_lead_to_it() -> None:
    """The committed index has a link to every job and page below it, and none leads nowhere."""
    index = index_page.collect(GALLERY)
    page = (GALLERY / "index.html").read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r'href="(\./[^"]+)"', page)}
    assert links == {row.link for row in index.rows} | {other.link for other in index.pages}
    assert all((GALLERY / urllib.parse.unquote(link)).is_file() for link in links)
    assert not [left for left in index.left if left.damaged]


def test_no_link_of_any_page_leads_out_of_it() -> None:
    """Every page's links to other files lead to files of the gallery: it can be copied anywhere."""
    for page in GALLERY.rglob("*.html"):
        links = re.findall(r'<a [^>]*href="(?!data:)([^"#]+)', page.read_text(encoding="utf-8"))
        for link in set(links):
            target = (page.parent / urllib.parse.unquote(link)).resolve()
            assert target.is_file(), (page, link)
            assert target.is_relative_to(GALLERY.resolve()), (page, link)


def test_one_gate_caught_its_fault() -> None:
    """A stored gate ended with exit code 1."""
    gates = [row for row in index_page.collect(GALLERY).rows if row.gate]
    assert [row.headline.tone for row in gates] == ["bad"]


def test_nothing_in_it_names_a_folder_of_the_machine_that_wrote_it() -> None:
    """Paths are those of a checkout: nobody's home, temporary folder or workplace is published."""
    for path in GALLERY.rglob("*"):
        if path.suffix in {".html", ".json", ".gz"}:
            content = path.read_bytes()
            text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
            paths = re.findall(r"(?<![\w./<-])/(?:home|root|tmp|work|Users)/[\w./-]+", text)
            assert not paths, (path, paths[:3])
