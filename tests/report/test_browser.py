"""The report in a real browser: nothing loaded, filter, folds and sorting, readable without scripts."""

from __future__ import annotations

import typing

import pytest

from harness.report import equivalence_page
from tests import browsing
from tests.browsing import Watched
from tests.report.test_equivalence_page import beside, variant

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start headless Chromium, or skip loudly."""
    with browsing.started() as found:
        yield found


@pytest.fixture(scope="module")
def address(page: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the report to a file and return its address."""
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Watched]:
    """Open the report in a wide window."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Watched(page, address)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_it_opens_quietly_and_fits(
    browser: Browser, address: str, width: int, scheme: typing.Literal["light", "dark"], tmp_path: Path
) -> None:
    """At three widths, in both themes: no error, no request, no sideways scrolling; a picture is made."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched = Watched(page, address)
    picture = browsing.picture_folder(tmp_path) / f"report-{width}-{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    assert watched.said == []
    assert watched.remote() == []
    assert overflow <= 0
    assert picture.stat().st_size > 50_000


def test_the_filter_keeps_matching_rows_and_unfolds_them(opened: Watched) -> None:
    """Typing hides rows that do not match, opens folds with rows that do, and clearing brings all back."""
    rows = opened.page.locator("[data-row]")
    before = rows.count()
    opened.page.fill("#filter", "spectrum_1")
    visible = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(visible) < before
    assert all("spectrum_1" in (row.text_content() or "") for row in visible)
    assert opened.page.locator("#matches").text_content() == f"{len(visible)} of {before} rows"
    opened.page.fill("#filter", "")
    assert opened.page.locator("[data-row][hidden]").count() == 0
    assert opened.page.locator("#fine details.passed[open]").count() == 0


def test_a_count_filters_to_its_verdict(opened: Watched) -> None:
    """Pressing a verdict's count shows that verdict only; pressing it again shows all."""
    chip = opened.page.locator(".tally li[data-group=identity][data-verdict=REGRESSED] button")
    chip.click()
    words = {
        row.get_attribute("data-verdict") for row in opened.page.locator("[data-row]:not([hidden])").all()
    }
    assert words == {"REGRESSED"}
    assert chip.get_attribute("aria-pressed") == "true"
    chip.click()
    assert opened.page.locator("[data-row][hidden]").count() == 0


def test_folds_open_all_at_once_and_for_a_link_into_them(opened: Watched) -> None:
    """What passed is folded; one button opens everything, and a deep link opens those around it."""
    hidden = opened.page.locator("#kmnist_svd_logreg--o-ma-k8--published--test_accuracy")
    assert not hidden.is_visible()
    opened.page.evaluate("location.hash = 'kmnist_svd_logreg--o-ma-k8--published--test_accuracy'")
    hidden.wait_for(state="visible", timeout=60_000)
    opened.page.click("#unfold")
    assert opened.page.locator("details:not([open])").count() == 0


def test_columns_sort_by_number(opened: Watched) -> None:
    """A numeric column sorts by value, units included, and says so to assistive technology."""
    table = opened.page.locator("table.identities").first
    opened.page.click("#unfold")
    head = table.locator("thead th:nth-child(3)")
    head.locator("button").click()
    errors = [float(t.replace("−", "-")) for t in table.locator("tbody td:nth-child(3)").all_text_contents()]
    assert errors == sorted(errors)
    assert len(errors) > 4
    assert head.get_attribute("aria-sort") == "ascending"


def test_commands_can_be_copied(browser: Browser, address: str) -> None:
    """The button beside a command puts exactly the command on the clipboard."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(address)
    page.locator("#repeat .copy").first.click()
    page.locator("#repeat .copy", has_text="Copied").first.wait_for(timeout=60_000)
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert copied == "harness run kmnist_svd_logreg tinyconvnet_svd --tier short --seeds 5"


def test_it_prints_dark_on_white(browser: Browser, address: str) -> None:
    """On paper the dark theme is not used, and the tools are gone."""
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    tools = page.locator(".tools").is_visible()
    page.close()
    assert paper == "rgb(255, 255, 255)"
    assert ink == "rgb(29, 33, 37)"
    assert not tools


def test_it_reads_without_scripts(browser: Browser, address: str) -> None:
    """Without scripts everything is there, folds still open, and nothing dead is offered."""
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    text = page.locator("main").inner_text()
    offered = page.locator("button:visible, input:visible").count()
    fold = page.locator("#fine details.passed").first
    fold.locator("summary").click()
    opened = fold.locator("li").first.is_visible()
    page.close()
    assert "1 identity is violated" in text
    assert "98.71%" in text
    assert offered == 0
    assert opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_two_jobs_side_by_side_fit_and_load_nothing(
    browser: Browser, width: int, scheme: typing.Literal["light", "dark"], tmp_path: Path
) -> None:
    """The page of a comparison on a phone and on a desk, light and dark: no error, no request, no sideways scrolling."""
    path = tmp_path / "compare.html"
    path.write_text(
        equivalence_page.render(beside(variant(), left_out=("other data",)), (tmp_path, tmp_path)),
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched = Watched(page, path.as_uri())
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    assert (watched.said, watched.asked, overflow) == ([], [path.as_uri()], 0)
