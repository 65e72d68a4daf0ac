"""An automated audit of the pages by axe-core: no violation, in both themes, on a desk and on a phone; and the order of the keyboard."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.records import Gate, GateSettings, Look, Trial
from harness.report import equivalence_page, history_page, index_page, job_index, render
from tests import browsing
from tests.report import test_job_index, test_ledger_page
from tests.report.test_equivalence_page import beside, variant
from tests.report.test_history_page import track

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from harness.records import Job, Scenario

    Scheme = typing.Literal["light", "dark"]

pytestmark = pytest.mark.browser

NAMES = ("report", "gate", "comparison", "history", "index", "ledger")
"""Kinds of page."""
FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"
LABEL = "element => (element.id || element.getAttribute('aria-label') || element.textContent || '').trim().slice(0, 60)"
PRESSED = ".tally li[data-group=identity][data-verdict=REGRESSED] button"
SHOWN = "element => element.checkVisibility({visibilityProperty: true})"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start headless Chromium, or skip loudly."""
    with browsing.started() as found:
        yield found


def gated(job: Job) -> Job:
    """Return the job as a gate leaves it: one group flagged and confirmed, one that the screen let pass."""
    look = Look(
        metric="accuracy", round="screen", base=[0.98, 0.981, 0.979], head=[0.966, 0.967, 0.965], worse="lower", estimate=0.014,
        lower=0.01, upper=0.018, p=0.0003, level=0.01, floor=0.0005, alarm=True, clear=False, tests="t bound, exact rank test",
    )  # fmt: skip
    trial = Trial(
        scenario="kmnist_svd_logreg", variant="o-ma-k8", tier="short", kind="accuracy", direction="worse", metric="accuracy",
        screen=(look,), flagged=True, confirm=(dataclasses.replace(look, round="confirm"),), verdict="REGRESSED", reason="confirmed",
    )  # fmt: skip
    quiet = dataclasses.replace(
        trial, variant="su-ma-k8", flagged=False, confirm=(), verdict="PASS", reason="nothing"
    )
    gate = Gate(settings=GateSettings(), base_results=(), minutes=3.0, exit_code=1)
    first, *rest = job.comparisons
    return dataclasses.replace(
        job, gate=gate, comparisons=(dataclasses.replace(first, trials=(trial, quiet)), *rest)
    )


def history() -> str:
    """Render a history of two metrics, of which one changed."""
    generator = np.random.default_rng(3)
    values = [*generator.normal(1, 0.01, 20), *generator.normal(2, 0.01, 20)]
    return history_page.render([track({"train.seconds": values, "quiet": values[:20]})], ("train.*", "quiet"))


def index(folder: Path) -> str:
    """Render an index over jobs with three outcomes, a damaged one, and another page."""
    for day, verdict in enumerate(("PASS", "REGRESSED", "NO_BASELINE"), start=1):
        test_job_index.put(folder / f"job{day}", test_job_index.make(day, verdict, scenario=f"probe{day}"))
    (folder / "torn").mkdir()
    (folder / "torn" / "run.json").write_text("{")
    (folder / "history.html").write_text(history(), encoding="utf-8")
    return index_page.render(job_index.collect(folder), "jobs")


@pytest.fixture(scope="module")
def pages(
    job: Job,
    folder: Path,
    scenarios: dict[str, Scenario],
    page: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """Write one page of each sort; return their addresses."""
    compared = equivalence_page.render(beside(variant(), left_out=("other data",)), (folder, folder))
    texts = {
        "report": page, "gate": render(gated(job), folder, scenarios), "comparison": compared, "history": history(),
        "index": index(tmp_path_factory.mktemp("jobs")), "ledger": test_ledger_page.page(accuracy=0.5),
    }  # fmt: skip
    where = tmp_path_factory.mktemp("pages")
    for name, text in texts.items():
        (where / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (where / f"{name}.html").as_uri() for name in texts}


def audited(page: Page) -> list[str]:
    """Return every violation that axe-core finds, with the element and what it says of it."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="THE ACCESSIBILITY AUDIT DID NOT RUN: install axe-playwright-python",
    )
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    found = axe.Axe().run(page).response
    assert found["testEngine"]["name"] == "axe-core"
    assert found["passes"] or found["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        *((name, width, scheme) for name in NAMES for width, scheme in ((1280, "light"), (390, "dark"))),
        ("report", 1280, "dark"),
    ],
)
def test_the_audit_finds_no_violation(
    browser: Browser, pages: dict[str, str], name: str, width: int, scheme: Scheme
) -> None:
    """Contrast, names, headings, landmarks and table semantics, with every fold open."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(pages[name])
    found = audited(page)
    page.close()
    assert found == []


def test_the_audit_finds_what_is_wrong(browser: Browser, pages: dict[str, str]) -> None:
    """Grey on grey, an image without a text, and a field without a label are found: the audit is no rubber stamp."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(pages["ledger"])
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('afterbegin', "
        '\'<p style="color:#888;background:#999">grey</p><img src="data:,"><input>\')'
    )
    found = {told.partition(":")[0] for told in audited(page)}
    page.close()
    assert {"color-contrast", "image-alt", "label"} <= found


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_goes_in_reading_order(browser: Browser, pages: dict[str, str], name: str) -> None:
    """Tab reaches the skip link first, then all that can be operated as it stands in the page, nothing twice, and shows where it is."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(pages[name])
    expected = page.evaluate(
        f"[...document.querySelectorAll({FOCUSABLE!r})].filter({SHOWN}).slice(0, 40).map({LABEL})"
    )
    reached, outlines = [], []
    for _ in expected:
        page.keyboard.press("Tab")
        label, outline = page.evaluate(
            f"[({LABEL})(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.append(label)
        outlines.append(outline)
    page.close()
    assert reached[0].startswith("Skip to")
    assert reached == expected
    assert set(outlines) <= {"solid", "auto"}


def test_the_skip_link_passes_the_contents(browser: Browser, pages: dict[str, str]) -> None:
    """Enter on the first stop leads to what needs attention; the next stop lies within it, not in the navigation."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(pages["report"])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    within = page.evaluate("!!document.activeElement.closest('#attention')")
    page.close()
    assert within


def test_a_fold_and_a_filter_work_from_the_keyboard(browser: Browser, pages: dict[str, str]) -> None:
    """Enter opens a fold, sorts a column and presses a count; no pointer is needed."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(pages["report"])
    fold = page.locator("#fine details.passed").first
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    opened = fold.get_attribute("open")
    page.locator(PRESSED).focus()
    page.keyboard.press("Space")
    pressed = page.locator(PRESSED).get_attribute("aria-pressed")
    page.locator("table.sortable .sort").first.focus()
    page.keyboard.press("Enter")
    order = page.locator("table.sortable th").first.get_attribute("aria-sort")
    page.close()
    assert (opened, pressed, order) == ("", "true", "ascending")
