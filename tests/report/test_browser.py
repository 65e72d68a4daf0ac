"""Every kind of page in a real browser: quiet, fitting, filtered, linked, printed, readable without scripts, and accessible."""

from __future__ import annotations

import collections
import typing

import pytest

from harness.report import index_page
from tests import browsing
from tests.browsing import Watched
from tests.report.test_gallery import GALLERY
from tests.report.test_index_page import HOSTILE

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
CUT_OFF = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.ariaLabel)"
"""Tables wider than the page gives them: a reader would have to scroll sideways."""
PAGES = ("index.html", "ledger.html", "history.html", "report.html", "gate.html", "comparison.html")
WHOLE = ("index.html", "ledger.html", "history.html")
"""Pages whose tables all fit at every width."""
TIDY = "kmnist_svd_logreg--o-ma-k8--published--test_accuracy"
FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"
LABEL = "element => (element.id || element.getAttribute('aria-label') || element.textContent || '').trim().slice(0, 60)"
PRESSED = ".tally li[data-group=identity][data-verdict=REGRESSED] button"
SHOWN = "element => element.checkVisibility({visibilityProperty: true})"
OUTLINED = f"[({LABEL})(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]"


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """Open a wide window."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


@pytest.fixture
def report(window: Page, shelf: Path) -> Page:
    """Open the report in a wide window."""
    window.goto((shelf / "report.html").as_uri())
    return window


@pytest.mark.parametrize("name", [name for name in PAGES if name != "gate.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_open_quietly_and_fit(
    browser: Browser, shelf: Path, name: str, scheme: typing.Literal["light", "dark"], tmp_path: Path
) -> None:
    """On a phone, a desk and a wide screen: no error, no request but the file, no sideways scrolling; a picture is made."""
    page = browser.new_page(color_scheme=scheme)
    watched = Watched(page, (shelf / name).as_uri())
    for width in (390, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        picture = browsing.picture_folder(tmp_path) / f"{name.removesuffix('.html')}-{width}-{scheme}.png"
        page.screenshot(path=picture, full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        assert name not in WHOLE or page.evaluate(CUT_OFF) == [], width
        assert picture.stat().st_size > 10_000
    page.close()
    assert (watched.said, watched.remote()) == ([], [])


@pytest.mark.parametrize(
    "path", sorted(GALLERY.rglob("*.html")), ids=lambda path: str(path.relative_to(GALLERY))
)
def test_pages_of_real_jobs_are_whole(window: Page, path: Path) -> None:
    """No table of the gallery, whose values nobody chose, is cut off at its side on a desk, and nothing is said or requested."""
    watched = Watched(window, path.as_uri())
    assert window.evaluate(CUT_OFF) == []
    assert (watched.said, watched.asked) == ([], [path.as_uri()])


def test_an_index_without_jobs_opens_quietly(window: Page, tmp_path: Path) -> None:
    """Where there is nothing to filter the page's script still runs to its end."""
    index_page.write(tmp_path)
    assert Watched(window, (tmp_path / "index.html").as_uri()).said == []


@pytest.mark.parametrize("name", PAGES)
def test_they_read_without_scripts_and_link_to_one_another(browser: Browser, shelf: Path, name: str) -> None:
    """Without scripts nothing dead is offered, folds open, and links between the pages lead to files that are there."""
    page = browser.new_page(java_script_enabled=False)
    page.goto((shelf / name).as_uri())
    assert page.locator("button:visible, input:visible, select:visible").count() == 0
    folds = page.locator("main details > summary:visible")
    if folds.count():
        before = page.locator("main details[open]").count()
        folds.first.click()
        assert abs(page.locator("main details[open]").count() - before) == 1
    addresses = {link.get_attribute("href") or "" for link in page.locator("a[href]").all()}
    page.close()
    files = {address.partition("#")[0] for address in addresses if not address.startswith(("#", "data:"))}
    assert files
    assert (name == "index.html") == ("index.html" not in files)
    for address in files:
        page = browser.new_page()
        answered = page.goto(f"{shelf.as_uri()}/{address.removeprefix('./')}")
        page.close()
        assert answered is not None
        assert answered.ok, address


@pytest.mark.parametrize("name", PAGES)
def test_they_print_dark_on_white_with_every_fold_open(browser: Browser, shelf: Path, name: str) -> None:
    """On paper: white, dark ink, no tools, and what is folded on the screen is there."""
    page = browser.new_page(color_scheme="dark")
    page.goto((shelf / name).as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    paper, ink = (
        page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color")
    )
    tools = page.locator(".tools:visible, nav:visible").count()
    folded = page.locator("details.more tr").all() if name in WHOLE else []
    hidden = [row for row in folded if not row.is_visible()]
    page.close()
    assert (paper, ink, tools, hidden) == ("rgb(255, 255, 255)", "rgb(29, 33, 37)", 0, [])


def test_the_index_counts_its_jobs_and_filters_to_an_outcome(window: Page, shelf: Path) -> None:
    """Counts equal the stored jobs; pressing one shows those jobs only, and pressing it again shows all."""
    window.goto((shelf / "index.html").as_uri())
    rows = index_page.collect(shelf).rows
    counted = collections.Counter(index_page.SIGNS[row.headline.tone].word for row in rows)
    shown = {
        item.get_attribute("data-verdict"): int(item.get_attribute("data-count") or 0)
        for item in window.locator(".tally li[data-verdict]").all()
    }
    assert shown == dict(counted)
    assert window.locator("[data-row]").count() == len(rows) == 7
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
    days = [cell.get_attribute("data-sort") or "" for cell in window.locator(".jobs tbody th").all()]
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


@pytest.mark.parametrize(
    ("name", "target"), [("ledger.html", "probe--default--Table-1--loss-curve"), ("report.html", TIDY)]
)
def test_a_link_into_a_fold_opens_it(window: Page, shelf: Path, name: str, target: str) -> None:
    """The address of a folded value shows it at once."""
    window.goto((shelf / name).as_uri())
    assert not window.locator(f"[id='{target}']").is_visible()
    window.evaluate(f"location.hash = '{target}'")
    window.locator(f"[id='{target}']").wait_for(state="visible", timeout=60_000)


def test_the_filter_keeps_matching_rows_and_unfolds_them(report: Page) -> None:
    """Typing hides rows that do not match, opens folds with rows that do, and clearing brings all back."""
    rows = report.locator("[data-row]")
    before = rows.count()
    report.fill("#filter", "spectrum_1")
    visible = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(visible) < before
    assert all("spectrum_1" in (row.text_content() or "") for row in visible)
    assert report.locator("#matches").text_content() == f"{len(visible)} of {before} rows"
    report.fill("#filter", "")
    assert report.locator("[data-row][hidden]").count() == 0
    assert report.locator("#fine details.passed[open]").count() == 0


def test_one_button_opens_everything_and_columns_sort_by_number(report: Page) -> None:
    """Nothing stays folded; a numeric column sorts by value, units included, and says so to assistive technology."""
    report.click("#unfold")
    assert report.locator("details:not([open])").count() == 0
    table = report.locator("table.identities").first
    head = table.locator("thead th:nth-child(3)")
    head.locator("button").click()
    errors = [float(t.replace("−", "-")) for t in table.locator("tbody td:nth-child(3)").all_text_contents()]
    assert errors == sorted(errors)
    assert len(errors) > 4
    assert head.get_attribute("aria-sort") == "ascending"


def test_commands_can_be_copied(browser: Browser, shelf: Path) -> None:
    """The button beside a command puts exactly the command on the clipboard."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((shelf / "report.html").as_uri())
    page.locator("#repeat .copy").first.click()
    page.locator("#repeat .copy", has_text="Copied").first.wait_for(timeout=60_000)
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert copied == "harness run kmnist_svd_logreg tinyconvnet_svd --tier short --seeds 5"


# -- accessibility: an audit by axe-core, and the keyboard ---------------------------------------------------------------


def audited(page: Page) -> list[str]:
    """Return every violation that axe-core finds, with the element and what it says of it."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="THE ACCESSIBILITY AUDIT DID NOT RUN: install axe-playwright-python",
    )
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    response = axe.Axe().run(page).response
    assert response["testEngine"]["name"] == "axe-core"
    assert response["passes"] or response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        *((name, width, scheme) for name in PAGES for width, scheme in ((1280, "light"), (390, "dark"))),
        ("report.html", 1280, "dark"),
    ],
)
def test_the_audit_finds_no_violation(
    browser: Browser, shelf: Path, name: str, width: int, scheme: typing.Literal["light", "dark"]
) -> None:
    """Contrast, names, headings, landmarks and table semantics, with every fold open."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto((shelf / name).as_uri())
    violations = audited(page)
    page.close()
    assert violations == []


def test_the_audit_finds_what_is_wrong(window: Page, shelf: Path) -> None:
    """Grey on grey, an image without a text, and a field without a label are found: the audit is no rubber stamp."""
    window.goto((shelf / "ledger.html").as_uri())
    window.evaluate(
        "document.querySelector('main').insertAdjacentHTML('afterbegin', "
        '\'<p style="color:#888;background:#999">grey</p><img src="data:,"><input>\')'
    )
    rules = {violation.partition(":")[0] for violation in audited(window)}
    assert {"color-contrast", "image-alt", "label"} <= rules


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_goes_in_reading_order(window: Page, shelf: Path, name: str) -> None:
    """Tab reaches the skip link first, then all that can be operated as it stands in the page, nothing twice, and shows where it is."""
    window.goto((shelf / name).as_uri())
    expected = window.evaluate(
        f"[...document.querySelectorAll({FOCUSABLE!r})].filter({SHOWN}).slice(0, 40).map({LABEL})"
    )
    reached, outlines = [], []
    for _ in expected:
        window.keyboard.press("Tab")
        label, outline = window.evaluate(OUTLINED)
        reached.append(label)
        outlines.append(outline)
    assert reached[0].startswith("Skip to")
    assert reached == expected
    assert set(outlines) <= {"solid", "auto"}


def test_the_report_works_from_the_keyboard(window: Page, shelf: Path) -> None:
    """Enter follows the skip link past the navigation, opens a fold, sorts a column and presses a count; no pointer is needed."""
    window.goto((shelf / "report.html").as_uri())
    for key in ("Tab", "Enter", "Tab"):
        window.keyboard.press(key)
    assert window.evaluate("!!document.activeElement.closest('#attention')")
    fold = window.locator("#fine details.passed").first
    fold.locator("summary").focus()
    window.keyboard.press("Enter")
    assert fold.get_attribute("open") == ""
    window.locator(PRESSED).focus()
    window.keyboard.press("Space")
    assert window.locator(PRESSED).get_attribute("aria-pressed") == "true"
    shown = window.locator("[data-row]:not([hidden])").all()
    assert {row.get_attribute("data-verdict") for row in shown} == {"REGRESSED"}
    window.locator("table.sortable .sort").first.focus()
    window.keyboard.press("Enter")
    assert window.locator("table.sortable th").first.get_attribute("aria-sort") == "ascending"
    window.locator(PRESSED).focus()
    window.keyboard.press("Space")
    assert window.locator("[data-row][hidden]").count() == 0
