"""Index, ledger and history in a real browser: quiet, fitting, filtered, linked, and readable without scripts."""

from __future__ import annotations

import collections
import re
import typing

import pytest

from harness.report import history_page, index_page, job_index, ledger
from tests import browsing
from tests.browsing import Watched
from tests.report.test_gallery import GALLERY
from tests.report.test_history_page import track
from tests.report.test_job_index import HOSTILE, make, put
from tests.report.test_ledger import SCENARIOS, job, runs
from tests.report.test_ledger_page import FINDINGS

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
CUT_OFF = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.ariaLabel)"
"""Tables wider than the page gives them: a reader would have to scroll sideways."""
VERDICTS = ("PASS", "REGRESSED", "INCONCLUSIVE", "PASS", "NO_BASELINE", "PASS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start headless Chromium, or skip loudly."""
    with browsing.started() as found:
        yield found


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of jobs, one of them hostile and one damaged, with a ledger, a history and an index over all."""
    folder = tmp_path_factory.mktemp("reports")
    for day, verdict in enumerate(VERDICTS, start=1):
        put(folder / f"job{day}", make(day, verdict, scenario=f"probe{day % 2}"))
    put(folder / "hostile", make(9, scenario=HOSTILE, command=HOSTILE * 20, commit=HOSTILE))
    (folder / "torn").mkdir()
    (folder / "torn" / "run.json").write_text("{")
    index_page.write(folder)
    jobs = [job(runs(5, accuracy=0.5))]
    written = ledger.as_page(ledger.collect(jobs, SCENARIOS), FINDINGS, jobs, SCENARIOS, "index.html")
    (folder / "ledger.html").write_text(written, encoding="utf-8")
    found = [
        track({"train.seconds": [1.0] * 5 + [2.0] * 5 + [1.5] * 5}),
        track({HOSTILE: [1.0, 2.0]}, HOSTILE),
    ]
    (folder / "history.html").write_text(history_page.render(found, ("*",), "index.html"), encoding="utf-8")
    index_page.write(folder)
    return folder


PAGES = ("index.html", "ledger.html", "history.html")


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """Open a wide window."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_open_quietly_and_fit(
    browser: Browser, shelf: Path, name: str, scheme: typing.Literal["light", "dark"], tmp_path: Path
) -> None:
    """On a phone, a desk and a wide screen: no error, no request but the file, no sideways scrolling, of a table neither; a picture is made."""
    page = browser.new_page(color_scheme=scheme)
    watched = Watched(page, (shelf / name).as_uri())
    for width in (390, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        picture = browsing.picture_folder(tmp_path) / f"{name.removesuffix('.html')}-{width}-{scheme}.png"
        page.screenshot(path=picture, full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        assert page.evaluate(CUT_OFF) == [], width
        assert picture.stat().st_size > 10_000
    page.close()
    assert (watched.said, watched.asked) == ([], [(shelf / name).as_uri()])


@pytest.mark.parametrize(
    "path", sorted(GALLERY.rglob("*.html")), ids=lambda path: str(path.relative_to(GALLERY))
)
def test_pages_of_real_jobs_are_whole(browser: Browser, path: Path) -> None:
    """No table of the gallery, whose values nobody chose, is cut off at its side on a desk, and nothing is said or asked for."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    watched = Watched(page, path.as_uri())
    cut_off = page.evaluate(CUT_OFF)
    page.close()
    assert cut_off == []
    assert (watched.said, watched.asked) == ([], [path.as_uri()])


def test_an_index_without_jobs_opens_quietly(browser: Browser, tmp_path: Path) -> None:
    """Where there is nothing to filter the page's script still runs to its end."""
    index_page.write(tmp_path)
    page = browser.new_page()
    watched = Watched(page, (tmp_path / "index.html").as_uri())
    page.close()
    assert (watched.said, watched.asked) == ([], [(tmp_path / "index.html").as_uri()])


@pytest.mark.parametrize("name", PAGES)
def test_they_read_without_scripts_and_link_to_one_another(browser: Browser, shelf: Path, name: str) -> None:
    """Without scripts nothing dead is offered, folds open, and links between the pages lead to files that are there."""
    page = browser.new_page(java_script_enabled=False)
    page.goto((shelf / name).as_uri())
    offered = page.locator("button:visible, input:visible, select:visible").count()
    assert offered == 0
    folds = page.locator("main details > summary")
    if folds.count():
        before = page.locator("main details[open]").count()
        folds.first.click()
        assert abs(page.locator("main details[open]").count() - before) == 1
    addresses = [link.get_attribute("href") or "" for link in page.locator("a[href]").all()]
    page.close()
    files = [address.partition("#")[0] for address in addresses if not address.startswith("#")]
    assert (name == "index.html") == ("index.html" not in files)
    assert files
    for address in set(files):
        page = browser.new_page()
        answered = page.goto(f"{shelf.as_uri()}/{address.removeprefix('./')}")
        page.close()
        assert answered is not None
        assert answered.ok, address


def test_the_index_counts_its_jobs_and_filters_to_an_outcome(window: Page, shelf: Path) -> None:
    """Counts equal the stored jobs; pressing one shows those jobs only, and pressing it again shows all."""
    window.goto((shelf / "index.html").as_uri())
    found = job_index.collect(shelf)
    counted = collections.Counter(index_page.SIGNS[row.headline.tone].word for row in found.rows)
    shown = {
        item.get_attribute("data-verdict"): int(item.get_attribute("data-count") or 0)
        for item in window.locator(".tally li[data-verdict]").all()
    }
    assert shown == dict(counted)
    assert window.locator("[data-row]").count() == len(found.rows) == 7
    window.locator(".tally li[data-verdict=worse] button").click()
    assert window.locator("[data-row]:visible").count() == 1
    assert window.locator("#matches").text_content() == "1 of 7 rows"
    window.locator(".tally li[data-verdict=worse] button").click()
    assert window.locator("[data-row]:visible").count() == 7


def test_the_index_narrows_to_a_scenario_and_sorts_by_day(window: Page, shelf: Path) -> None:
    """A scenario's choice and a text narrow together; a column of days sorts as days do."""
    window.goto((shelf / "index.html").as_uri())
    window.locator("select[data-facet=scenario]").select_option(label="probe1")
    assert window.locator("[data-row]:visible").count() == 3
    window.fill("#filter", "job3")
    assert window.locator("[data-row]:visible").count() == 1
    window.fill("#filter", "")
    window.locator("select[data-facet=scenario]").select_option(label="all")
    window.locator("th.of-when button").click()
    days = [cell.get_attribute("data-sort") or "" for cell in window.locator("tbody th").all()]
    assert days == sorted(days)
    assert len(days) == 7


def test_hostile_names_are_text_and_their_links_work(window: Page, shelf: Path) -> None:
    """A hostile scenario is read as it is written, and no script of it ran."""
    watched = Watched(window, (shelf / "index.html").as_uri())
    row = window.locator("[data-row]", has_text="hostile")
    assert HOSTILE in (row.text_content() or "")
    assert row.locator("script").count() == 0
    assert watched.said == []
    row.locator("a").first.click()
    assert window.url.startswith((shelf / "hostile" / "index.html").as_uri())


def test_the_ledger_counts_equal_its_rows_and_filter_to_them(window: Page, shelf: Path) -> None:
    """For every verdict the count on top is the number of rows with it; pressing it shows those and hides empty parts."""
    window.goto((shelf / "ledger.html").as_uri())
    for item in window.locator(".tally li[data-verdict]").all():
        verdict, count = item.get_attribute("data-verdict"), int(item.get_attribute("data-count") or 0)
        assert window.locator(f"tr[data-row][data-verdict={verdict}]").count() == count, verdict
    window.locator(".tally li[data-verdict=BELOW] button").click()
    assert window.locator("tr[data-row]:visible").count() == 1
    assert not window.locator("#audit").is_visible()
    window.locator(".tally li[data-verdict=BELOW] button").click()
    window.locator("select[data-facet=sort]").select_option(label="unreadable prints")
    shown = {row.get_attribute("id") for row in window.locator("tr[data-row]:visible").all()}
    assert shown == {"probe--default--Table-1--loss-curve"}
    window.locator("select[data-facet=sort]").select_option(label="all")
    assert window.locator("#audit").is_visible()


def test_a_link_to_an_expectation_opens_the_fold_it_lies_in(window: Page, shelf: Path) -> None:
    """The address of a value that is not judged shows it at once."""
    target = "probe--default--Table-1--loss-curve"
    window.goto(f"{(shelf / 'ledger.html').as_uri()}#{target}")
    window.locator(f"[id='{target}']").wait_for(state="visible", timeout=2000)
    assert re.search(r"NOT_JUDGED", window.locator(f"[id='{target}']").text_content() or "")


@pytest.mark.parametrize("name", PAGES)
def test_they_print_dark_on_white_with_every_fold_open(browser: Browser, shelf: Path, name: str) -> None:
    """On paper: white, no tools, and what is folded on the screen is there."""
    page = browser.new_page(color_scheme="dark")
    page.goto((shelf / name).as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    tools = page.locator(".tools:visible, nav:visible").count()
    hidden = [row for row in page.locator("details.more tr").all() if not row.is_visible()]
    page.close()
    assert (paper, tools, hidden) == ("rgb(255, 255, 255)", 0, [])
