"""Nothing stored is lost: no command replaces a job, or a page or file of somebody else's, unless it is told to."""

from __future__ import annotations

import hashlib
import shutil
import typing

import pytest

from harness.errors import StorageError
from harness.judging import jobs
from harness.records import Compared, SideJob
from harness.running import plans
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Finished, Harness

PROBE = "SCENARIO = declare(guess, deterministic=True)"
PAGE = "<html><title>MY SITE</title></html>"
STEP = "Name another folder with --out, or replace it with --force"


def content(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder, locks aside."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock") and path.name != ".lock"
    }


RUN = ("run", "probe:other", "--scenarios", "probe.py", "--no-count", "--out")
GATE = ("gate", "probe", "--scenarios", "probe.py", "--seeds", "1", "--max-runs", "1", "--out")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*RUN, "out"), f"'out' holds a job of 1 run. {STEP}"),
        ((*GATE, "out"), f"'out' holds a job of 1 run. {STEP}"),
        ((*RUN, "site"), f"'site' holds a page index.html. {STEP}"),
        ((*GATE, "site"), f"'site' holds a page index.html. {STEP}"),
        ((*GATE, "g", "--junit", "out/run.json"), "exists and is no junit.xml that harness wrote"),
        ((*GATE, "g", "--junit", "notes.csv"), "exists and is no junit.xml that harness wrote"),
        ((*GATE, "g", "--summary", "out/run.json"), "belongs to a stored job"),
        ((*GATE, "g", "--summary", "out/index.html"), "belongs to a stored job"),
        (("export", "csv", "out", "--out", "notes.csv"), "notes.csv exists and is no metrics.csv"),
        (("export", "csv", "out", "--out", "out/plan.json"), "out/plan.json exists and is no metrics.csv"),
        (("export", "csv", "out", "--out", "copy"), "'copy' holds another job"),
        (("export", "bencher", "out", "--out", "out/run.json"), "out/run.json exists and is no bencher.json"),
        (("compare", "out", "out", "--out", "copy"), "'copy' holds another job"),
        (("compare", "out", "copy", "--out", "compared"), "'compared' holds the comparison of x, y"),
        (("history", "out", "--html", "out/index.html"), "is a page of another kind (report:"),
        (("history", "out", "--html", "site/index.html"), "is a page that harness did not write"),
        (("ledger", "out", "--scenarios", "probe.py", "--html", "site/index.html"), "is a page that harness did not write"),
        (("ledger", "out", "--scenarios", "probe.py", "--markdown", "notes.csv"), "exists and is no ledger"),
        (("index", "site"), "is no index that harness wrote"),
        (("init", "out", "--name", "mine"), "'out' holds another job"),
        (("init", ".", "--name", "probe"), "'probe.py' exists already"),
        (("baseline", "propose", "out", "--reason", "r", "--who", "me", "--scenarios", "probe.py"), "at least 5"),
    ],
)  # fmt: skip
def test_what_is_stored_is_refused(stored: Harness, words: tuple[str, ...], told: str) -> None:
    """Exit code 2 with what is there and what to do; nothing on disk has changed."""
    folder = stored.folder
    (folder / "site").mkdir()
    (folder / "site/index.html").write_text(PAGE)
    (folder / "notes.csv").write_text("my,own,numbers\n")
    shutil.copytree(folder / "out", folder / "copy")
    (folder / "compared").mkdir()
    x, y = (SideJob(folder=name, created="", commit="", command="") for name in "xy")
    record = Compared(schema=3, created="", command="", version="", jobs=(x, y), variants=(), left_out=())
    files.write_json(folder / "compared/compare.json", record)
    before = content(folder)
    done = stored(*words)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert told in done.err
    assert content(folder) == before


def test_a_foreign_page_in_a_job_stays(stored: Harness) -> None:
    """Judging and reporting anew keep a page that the user put in the report's place; --force replaces it."""
    (stored.folder / "out/index.html").write_text(PAGE)
    for words in (("judge", "out", "--scenarios", "probe.py"), ("report", "out", "--scenarios", "probe.py")):
        done = stored(*words)
        assert done.code == 2
        assert "out/index.html is a page that harness did not write" in done.err
        assert (stored.folder / "out/index.html").read_text() == PAGE
    assert stored("report", "out", "--scenarios", "probe.py", "--force").code == 0
    assert "report-harness" in (stored.folder / "out/index.html").read_text()


def test_force_replaces_a_job_and_nothing_else(stored: Harness) -> None:
    """With --force the old job's own files go, and files that the user put there stay."""
    (stored.folder / "out/notes.md").write_text("mine")
    (stored.folder / "out/runs/mine").mkdir()
    done = stored(*RUN, "out", "--force")
    assert done.code == 0, done.err
    assert [result["request"]["variant"] for result in stored.job("out")["results"]] == ["other"]
    runs = sorted(path.name for path in (stored.folder / "out/runs").iterdir())
    assert runs == ["mine", "probe--other--smoke--numpy-cpu--seed0"]
    assert (stored.folder / "out/notes.md").read_text() == "mine"


@pytest.mark.slow
def test_what_harness_wrote_is_written_anew(stored: Harness) -> None:
    """The same export, comparison, history and ledger may be repeated into the same place."""
    for words in (
        ("export", "csv", "out", "--out", "e/metrics.csv"), ("export", "junit", "out"), ("export", "summary", "out"),
        ("export", "bencher", "out"), ("export", "github-action-benchmark", "out"), ("compare", "out", "out", "--out", "c"),
        ("history", "out", "--html", "h.html"), ("ledger", "out", "--scenarios", "probe.py", "--html", "l.html", "--markdown", "l.md"),
        ("report", "out", "--scenarios", "probe.py", "--only", "probe"),
    ):  # fmt: skip
        for _ in range(2):
            done = stored(*words)
            assert done.code == 0, (words, done.err)


def test_two_default_folders_in_one_second(tmp_path: Path) -> None:
    """Jobs that begin in the same second get folders of their own."""
    folders = [jobs.default_folder(tmp_path) for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(folder.is_dir() for folder in folders)


def test_a_job_that_is_running_is_not_judged(stored: Harness) -> None:
    """While a run writes into a folder, judging it is refused: it would store fewer results than the run has at its end."""
    with plans.claimed(stored.folder / "out"):
        done = stored("judge", "out", "--scenarios", "probe.py")
    assert (done.code, done.err) == (2, "harness: error: a run writes into 'out'. Wait until it ends\n")


@pytest.mark.parametrize("name", ["run.json", "run.json.gz", "plan.json", "index.html", "runs/x/result.json"])
def test_every_trace_of_a_job_counts(tmp_path: Path, name: str) -> None:
    """Whatever is left of a job, readable or not, keeps another one out of its folder."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("torn")
    with pytest.raises(StorageError, match="holds"):
        plans.refuse_stored(tmp_path)


@pytest.mark.slow
def test_other_files_among_proposals_stay(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A proposal replaces earlier proposals, and refuses to remove anything else."""
    harness.repository()
    assert run_probe(PROBE, "--seeds", "5", "--no-count").code == 0
    words = ("baseline", "propose", "out", "--reason", "r", "--who", "me", "--scenarios", "probe.py")
    assert harness(*words).code == 0
    assert harness(*words).code == 0
    (harness.folder / "out/proposals/notes.md").write_text("mine")
    done = harness(*words)
    assert done.code == 2
    assert "out/proposals/notes.md is no proposal" in done.err
    assert (harness.folder / "out/proposals/notes.md").read_text() == "mine"
    damaged = next((harness.folder / "out/proposals").glob("*/*/*/*.json")).relative_to(
        harness.folder / "out/proposals"
    )
    (harness.folder / "baselines" / damaged).parent.mkdir(parents=True)
    (harness.folder / "baselines" / damaged).write_text("notes of mine")
    done = harness("baseline", "accept", "out")
    assert done.code == 2
    assert (harness.folder / "baselines" / damaged).read_text() == "notes of mine"
    assert harness("baseline", "accept", "out", "--force").code == 0


@pytest.mark.parametrize(
    ("words", "whose"),
    [
        (("gate", "--against", ""), " of --against"), (("gate", "--against="), " of --against"), (("run", "--out", " "), " of --out"),
        (("run", ""), ""), (("judge", ""), ""), (("gate", "--resume", ""), " of --resume"), (("run", "--baselines", ""), " of --baselines"),
        (("baseline", "propose", "x", "--reason", ""), " of --reason"), (("history", "--html", ""), " of --html"),
    ],
)  # fmt: skip
def test_an_empty_argument_is_an_error(harness: Harness, words: tuple[str, ...], whose: str) -> None:
    """A variable that is not set gives an empty word: never taken for an option that is left out, or for this folder."""
    done = harness(*words)
    step = "Leave it out, or set the variable that it comes from"
    assert (done.code, done.err) == (2, f"harness: error: the value{whose} is empty. {step}\n")
    assert list(harness.folder.iterdir()) == []


@pytest.mark.slow
def test_a_resumed_gate_writes_what_it_was_asked_for(harness: Harness) -> None:
    """JUnit file, summary and explanation of the first command are written by --resume too; a file named then wins."""
    scenario = harness.scenario(PROBE)
    harness.repository()
    (harness.folder / "gate").mkdir()
    done = harness(
        "gate", "probe", "--scenarios", scenario, "--seeds", "2", "--max-runs", "4", "--out", "gate", "--junit", "j.xml",
        "--summary", "s.md", "--explain", "accuracy",
    )  # fmt: skip
    assert done.code == 3, done.err
    for name in ("j.xml", "s.md", "gate/run.json"):
        (harness.folder / name).unlink()
    shutil.rmtree(harness.folder / "gate/runs/probe--default--smoke--numpy-cpu--seed1")
    resumed = harness("gate", "--resume", "gate")
    assert resumed.code == 3, resumed.err
    assert '<testsuites name="harness">' in (harness.folder / "j.xml").read_text()
    assert (harness.folder / "s.md").read_text().startswith("### ?")
    assert "probe:default accuracy" in resumed.out
    (harness.folder / "j.xml").unlink()
    assert harness("gate", "--resume", "gate", "--junit", "other.xml").code == 3
    assert not (harness.folder / "j.xml").exists()
    assert (harness.folder / "other.xml").exists()


@pytest.mark.slow
def test_one_damaged_job_hides_no_other(stored: Harness) -> None:
    """Of many jobs the readable ones are shown and the others named; exit code 2 where a verdict may be missing."""
    reports = stored.folder / "reports"
    for name in ("a", "b", "c", "d"):
        shutil.copytree(stored.folder / "out", reports / name)
    (reports / "b/run.json").write_text("{")
    (reports / "c/run.json").unlink()
    (reports / "c/run.json").mkdir()
    (reports / "d/run.json").unlink()
    (reports / "d/run.json").symlink_to("nowhere")
    for words, code in (
        (("history",), 2), (("history", "--html", "h.html"), 2), (("plan", "probe", "--scenarios", "probe.py"), 0), (("index",), 0),
        (("ledger", "reports/a", "reports/b", "--scenarios", "probe.py"), 2), (("compare", "out", "reports/a", "reports/b"), 2),
        (("compare", "out", "reports/a", "reports/b", "--out", "c"), 2),
    ):  # fmt: skip
        done = stored(*words)
        assert done.code == code, (words, done.out, done.err)
        assert "harness: warning: passed over reports/b: reports/b/run.json is damaged" in done.err
        assert done.out
    shown = stored("history", "reports/b", "reports/c")
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert stored("compare", "out", "reports/b").code == 2
