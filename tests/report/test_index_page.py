"""The index over stored jobs: newest first, nothing fatal, nothing lost, nothing obeyed, and small."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import tracemalloc
import typing
import urllib.parse

import filelock
import pytest

from harness.errors import StorageError
from harness.records import Comparison, Job, Judgement, RunRequest, RunResult
from harness.report import index_page, linking
from harness.store import stored
from tests.report.parsed import Parsed

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

HOSTILE = "<script>alert(1)<\\x>&\"' javascript:alert(1) #?%2e%2e"


def make(day: int, verdict: typing.Any = "PASS", scenario: str = "probe", **changes: typing.Any) -> Job:
    """Make a judged job of one run."""
    request = RunRequest(scenario=scenario, variant="default", tier="smoke", seed=0)
    run = RunResult(request=request, status="ok", started="", wall_seconds=1.0)
    judged = Judgement(against="baseline", metric="accuracy", verdict=verdict, gated=True)
    comparison = Comparison(
        scenario=scenario, variant="default", tier="smoke", seeds=(0,), failed=(), judgements=(judged,)
    )
    job = Job(
        schema=1, created=f"2026-01-{day:02d}T00:00:00+00:00", command="harness run probe", version="0.1.0", commit="abcdef0123456789+dirty",
        environment={}, results=(run,), comparisons=(comparison,),
    )  # fmt: skip
    return dataclasses.replace(job, **changes)


def put(folder: Path, job: Job) -> Path:
    """Store a job with a page."""
    stored.write(folder / "run.json", job)
    (folder / "index.html").write_text("<title>a report</title>")
    return folder


def test_jobs_stand_newest_first_with_their_verdicts(tmp_path: Path) -> None:
    """Each row has what was run, where, and the stored verdict in a sentence with counts; the page's counts are those of the jobs."""
    put(tmp_path / "b", make(2, "REGRESSED"))
    put(tmp_path / "a", make(3))
    put(tmp_path / "c", make(1, "INCONCLUSIVE"))
    index = index_page.collect(tmp_path)
    assert [row.folder for row in index.rows] == ["a", "b", "c"]
    assert [row.headline.tone for row in index.rows] == ["good", "bad", "warn"]
    assert index.rows[1].headline.sentence == "1 metric regressed."
    assert (index.rows[0].commit, index.rows[0].tiers, index.rows[0].runs) == (
        "abcdef012345+dirty",
        ("smoke",),
        1,
    )
    page = Parsed(index_page.render(index, "reports"))
    assert [row["data-verdict"] for row in page.rows] == ["passed", "worse", "could not measure"]
    assert "3 stored jobs" in page.text
    assert "./b/index.html#probe--default" in page.links


def test_what_cannot_be_listed_is_named_and_is_not_fatal(tmp_path: Path) -> None:
    """Damaged, newer, unfinished and foreign folders are said with their reasons; other jobs are listed all the same."""
    put(tmp_path / "good", make(1))
    for name, content in {"torn": "{", "newer": '{"schema": 99}', "foreign": None, "list": "[1, 2]"}.items():
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "run.json").write_text(content)
    (tmp_path / "folder" / "run.json").mkdir(parents=True)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "plan.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("not a folder")
    index = index_page.collect(tmp_path)
    assert [row.folder for row in index.rows] == ["good"]
    reasons = {left.folder: (left.damaged, left.reason) for left in index.left}
    assert set(reasons) == {"torn", "newer", "foreign", "list", "folder", "begun"}
    assert not reasons["foreign"][0]
    assert all(damaged for name, (damaged, _) in reasons.items() if name != "foreign")
    assert "schema 99" in reasons["newer"][1]
    assert "--resume" in reasons["begun"][1]
    text = Parsed(index_page.render(index, "reports")).text
    assert "5 folders hold jobs that could not be read." in text
    assert all(reason in text for _, reason in reasons.values())


def test_hostile_names_are_text_and_addresses_stay_below(tmp_path: Path) -> None:
    """Names of folders, scenarios and commands make no tag, and every link leads into the folder itself."""
    name = HOSTILE.replace("/", "")
    put(tmp_path / name, make(1, scenario=HOSTILE, command=HOSTILE, commit=HOSTILE, created=HOSTILE))
    (tmp_path / f"{name}2").mkdir()
    other = tmp_path / f"{name}3"
    other.mkdir()
    page = index_page.render(index_page.collect(tmp_path), HOSTILE)
    (other / "compare.html").write_text(
        page.replace("report-harness index", "report-harness compare"), encoding="utf-8"
    )
    page = index_page.render(index_page.collect(tmp_path), HOSTILE)
    read = Parsed(page)
    assert read.tags.count("script") == 1
    assert HOSTILE in read.text
    assert not [link for link in read.links if not link.startswith(("#", "./"))]
    (row,) = index_page.collect(tmp_path).rows
    assert urllib.parse.unquote(row.link) == f"./{name}/index.html"
    assert "script" not in row.link.replace("%3Cscript%3E", "").replace("javascript%3A", "")


def test_other_pages_are_linked(tmp_path: Path) -> None:
    """A history beside the jobs and a comparison in a folder of its own are listed by what they say; a foreign page is not."""
    from harness.report import history_page

    (tmp_path / "history.html").write_text(history_page.render([]), encoding="utf-8")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "compare.html").write_text(
        history_page.render([]).replace("report-harness history", "report-harness compare"), encoding="utf-8"
    )
    (tmp_path / "foreign.html").write_text("<title>mine</title>")
    index = index_page.collect(tmp_path)
    assert [(page.name, page.known.kind) for page in index.pages] == [
        ("history.html", "history"),
        ("beside/compare.html", "compare"),
    ]
    assert index.left == ()
    assert "0 changes of level · harness history" in Parsed(index_page.render(index, "reports")).text


def test_it_overwrites_neither_a_report_nor_a_foreign_page(tmp_path: Path) -> None:
    """A job's own folder, a page of somebody else's, and a missing folder are refused, each with the next step."""
    job = put(tmp_path / "job", make(1))
    with pytest.raises(StorageError, match="Name the folder above it"):
        index_page.write(job)
    (tmp_path / "index.html").write_text("<title>my site</title>")
    with pytest.raises(StorageError, match="no index that harness wrote"):
        index_page.write(tmp_path)
    with pytest.raises(StorageError, match="there is no folder"):
        index_page.write(tmp_path / "nowhere")
    assert (tmp_path / "index.html").read_text() == "<title>my site</title>"
    assert index_page.refresh(job) is None


def test_pages_find_the_index_above_or_beside_them(tmp_path: Path) -> None:
    """A report links one folder up, a history in the same folder; where nobody made an index there is no link."""
    job = put(tmp_path / "job", make(1))
    assert linking.up(job / "index.html") == ""
    page = index_page.write(tmp_path)
    assert linking.up(job / "index.html") == "../index.html"
    assert linking.up(tmp_path / "history.html") == "index.html"
    assert linking.up(page) == ""
    assert "All jobs" not in page.read_text()


def test_jobs_that_end_at_once_lose_neither(tmp_path: Path) -> None:
    """While one writes the index another waits, and reads the folder only then: what was stored meanwhile is in it."""
    index_page.write(tmp_path)
    first = put(tmp_path / "first", make(1))
    waiting = threading.Thread(target=index_page.refresh, args=(first,))
    with filelock.FileLock(tmp_path / ".index.lock"):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        put(tmp_path / "second", make(2))
    waiting.join()
    assert len(Parsed((tmp_path / "index.html").read_text()).rows) == 2
    assert not list(tmp_path.glob("*.tmp"))


def test_a_thousand_jobs_are_a_small_page_and_more_are_said(tmp_path: Path) -> None:
    """A thousand rows stay below 2 MB; the oldest of more are counted, and still counted in the outcomes."""
    command = "harness gate kmnist_svd_logreg:o-ma tinyconvnet_svd:default --tier smoke --seeds 5 --out reports/gate"
    job = make(1, "REGRESSED", command=command)
    row = index_page.row(job, put(tmp_path / "20260101T000000Z", job))
    index = index_page.Index(rows=(row,) * 1200, pages=(), left=())
    page = index_page.render(index, "reports")
    assert len(page.encode()) < 2_000_000
    assert "200 older jobs" in page
    assert 'data-count="1200"' in page
    assert len(Parsed(page).rows) == index_page.MOST_LISTED


def test_memory_does_not_grow_with_results(tmp_path: Path) -> None:
    """Forty jobs of 300 runs need hardly more memory than four: one is held at a time, and a row of each."""
    many = make(1)
    put(tmp_path / "few" / "job0", dataclasses.replace(many, results=[*many.results] * 300))
    for number in range(1, 40):
        shutil.copytree(
            tmp_path / "few" / "job0", tmp_path / ("few" if number < 4 else "more") / f"job{number}"
        )
    for number in range(4):
        shutil.copytree(tmp_path / "few" / f"job{number}", tmp_path / "more" / f"job{number}")
    index_page.collect(tmp_path / "few")  # what is loaded once is loaded
    peaks = [_peak(tmp_path / name) for name in ("few", "more")]
    assert peaks[1] < 1.25 * peaks[0], peaks


def _peak(folder: Path) -> int:
    """Return the most bytes that were held while an index was read."""
    tracemalloc.start()
    try:
        index_page.collect(folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_command_and_the_jobs_after_it(harness: Harness) -> None:
    """``harness index`` writes the page; from then on a run refreshes it and its report links to it, and before that it does not."""
    scenario = harness.scenario("SCENARIO = declare(guess)")
    first = harness("run", "probe", "--scenarios", scenario, "--out", "reports/first")
    assert "Index:" not in first.out
    assert not (harness.folder / "reports" / "index.html").exists()
    made = harness("index")
    assert (made.code, made.out) == (0, "Index: reports/index.html\n"), made.err
    second = harness("run", "probe", "--scenarios", scenario, "--out", "reports/second")
    assert "Index: reports/index.html" in second.out
    page = (harness.folder / "reports" / "index.html").read_text()
    assert len(Parsed(page).rows) == 2
    assert "../index.html" in (harness.folder / "reports" / "second" / "index.html").read_text()
    assert "../index.html" not in (harness.folder / "reports" / "first" / "index.html").read_text()
    refused = harness("index", "reports/first")
    assert refused.code == 2
    assert "is a job" in refused.err


def test_an_index_that_cannot_be_written_ends_no_run(harness: Harness) -> None:
    """The job is stored and its exit code stays; the warning names the file."""
    scenario = harness.scenario("SCENARIO = declare(guess)")
    (harness.folder / "reports").mkdir()
    assert harness("index").code == 0
    (harness.folder / "reports" / ".index.lock").unlink(missing_ok=True)
    (harness.folder / "reports" / ".index.lock").mkdir()
    done = harness("run", "probe", "--scenarios", scenario, "--out", "reports/first")
    assert done.code == 0, done.err
    assert "the index was not written anew" in done.err
    assert (harness.folder / "reports" / "first" / "run.json").exists()
