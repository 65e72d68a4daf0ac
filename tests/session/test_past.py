"""``harness history --run`` and ``harness bisect`` from the outside, on a repository whose commits are slower, worse and broken."""

from __future__ import annotations

import json
import typing

import pytest

from tests.conftest import HEAD, Harness, git

if typing.TYPE_CHECKING:
    from tests.conftest import Finished

pytestmark = pytest.mark.system

BODY = """
import helper

def measure(run):
    rng = np.random.default_rng([run.seed, helper.SALT])
    labels = rng.integers(0, 10, 1000)
    wrong = rng.random(1000) < helper.ERROR
    with run.stage("train"):
        run.record("steps", helper.STEPS)
    run.predictions(labels, np.where(wrong, (labels + 1) % 10, labels))

SCENARIO = declare(measure, metrics=(Metric("steps", kind="work"),))
"""
COMMITS = ((0.1, 10), (0.1, 10), (0.1, 12), (0.1, 12), (0.1, 12), (0.2, 12), (0.2, 12), (0.2, 12))
"""Error rate and steps of each commit: the third does more work, the sixth is worse. The fourth does not import."""
PROBE = ("probe", "--scenarios", "bench/probe.py", "--threads", "1")


@pytest.fixture
def commits(harness: Harness) -> list[str]:
    """Make the repository in which the command runs, and return its commits, oldest first."""
    git(harness.folder, "init", "-q", "-b", "main")
    (harness.folder / ".gitignore").write_text("reports/\n__pycache__/\n")
    (harness.folder / "bench").mkdir()
    (harness.folder / "bench" / "probe.py").write_text(HEAD + BODY)
    made = []
    for number, (error, steps) in enumerate(COMMITS):
        broken = "raise ValueError('half a change')\n" if number == 3 else ""
        values = f"ERROR = {error}\nSALT = {number}\nSTEPS = {steps}\n"
        (harness.folder / "helper.py").write_text(broken + values)
        made.append(harness.commit(f"commit {number}"))
    return made


def runs(done: Finished) -> int:
    """Count the runs that a command did."""
    return done.out.count(": done in")


def test_past_commits_are_measured_in_turn_and_drawn(harness: Harness, commits: list[str]) -> None:
    """Ends first, then halves; what does not import is named and passed over; the same command then does what is lost, and no more."""
    span = f"{commits[1]}..main"
    (harness.folder / "helper.py").write_text("STEPS = 0\n")
    done = harness("history", "--run", span, *PROBE)
    assert done.code == 2, done.out + done.err
    order = [line.split()[1].rstrip(",") for line in done.out.splitlines() if line.startswith("Commit ")]
    assert order == [commits[place][:12] for place in (1, 7, 4, 2, 5, 3, 6)]
    assert runs(done) == 6
    assert "uncommitted changes are not measured" in done.err
    assert f"passed over reports/{commits[3][:12]}: " in done.err
    assert "half a change" in done.err
    assert sorted(path.parent.name for path in harness.folder.glob("reports/*/run.json")) == sorted(
        commit[:12] for place, commit in enumerate(commits) if place not in {0, 3}
    )
    for place in (1, 7):
        job = harness.job(f"reports/{commits[place][:12]}")
        assert job["commit"] == commits[place]
        assert job["results"][0]["metrics"]["steps"]["value"] == COMMITS[place][1]
    page = (harness.folder / "reports" / "history.html").read_text()
    assert all(commits[place][:8] in page for place in (1, 2, 4, 5, 6, 7))
    assert git(harness.folder, "worktree", "list", "--porcelain").count("worktree ") == 1
    again = harness("history", "--run", span, *PROBE)
    assert (again.code, runs(again)) == (2, 0)
    lost = harness.folder / "reports" / commits[5][:12]
    (lost / "run.json").unlink()
    for path in lost.glob("runs/*/result.json"):
        path.unlink()
    assert runs(harness("history", "--run", span, "--seeds", "2", "--every", "3", *PROBE)) == 3
    assert runs(harness("history", "--run", f"{commits[4]}..{commits[5]}", *PROBE)) == 1
    other = harness("history", "--run", f"{commits[4]}..{commits[5]}", "--threads", "2", *PROBE[:3])
    assert other.code == 2
    assert "the same with other settings" in other.err


def test_the_commit_that_moved_a_metric(harness: Harness, commits: list[str]) -> None:
    """Work needs one run a commit, a score a few seeds; neither repeats what is stored; equal ends and a commit that cannot run are said."""
    counted = harness("bisect", "work.steps", "--good", commits[0], *PROBE)
    assert counted.code == 0, counted.out + counted.err
    assert f"work.steps: 10 at {commits[0][:12]}, 12 at {commits[-1][:12]}" in counted.out
    assert f"It moved at {commits[2][:12]} (exact counts; 6 runs)" in counted.out
    worse = harness("bisect", "accuracy", "--good", commits[0], "--bad", "main", *PROBE)
    assert worse.code == 0, worse.out + worse.err
    assert f"It moved at {commits[5][:12]} (chance " in worse.out
    assert worse.out.rstrip().endswith("commit 5")
    assert runs(worse) < 30
    results = list(harness.folder.glob(f"reports/{commits[5][:12]}/runs/*/result.json"))
    results[0].unlink()
    again = harness("bisect", "accuracy", "--good", commits[0], "--bad", "main", *PROBE)
    assert (again.code, runs(again)) == (0, 1)
    assert again.out.splitlines()[-2:] == worse.out.splitlines()[-2:]
    between = harness("bisect", "work.steps", "--good", commits[2], "--bad", commits[4], *PROBE)
    assert between.code == 2
    assert "do not differ" in between.out
    git(harness.folder, "checkout", "-q", "--detach", commits[1])
    (harness.folder / "helper.py").write_text("raise ValueError('again')\n")
    broken = harness.commit("next")
    (harness.folder / "helper.py").write_text("ERROR = 0.1\nSALT = 1\nSTEPS = 20\n")
    bad = harness.commit("next")
    either = harness("bisect", "work.steps", "--good", commits[1], "--bad", bad, *PROBE)
    assert either.code == 2
    assert "one of 2 commits" in either.out
    assert all(commit[:7] in either.out for commit in (broken, bad))


def test_times_are_compared_in_pairs(harness: Harness, commits: list[str]) -> None:
    """Every run of a slower commit has one of the good commit next to it, in its own folder; a step of a factor of three is named."""
    del commits
    body = BODY.replace('run.record("steps", helper.STEPS)', "time.sleep(helper.STEPS)")
    (harness.folder / "bench" / "slow.py").write_text(
        HEAD + "import time\n" + body.replace("metrics=", 'name="slow", metrics=')
    )
    made: list[str] = []
    for pause in (0.05, 0.05, 0.15):
        (harness.folder / "helper.py").write_text(f"ERROR = 0.1\nSALT = 1\nSTEPS = {pause}\n# {len(made)}\n")
        made.append(harness.commit("next"))
    done = harness(
        "bisect", "train.seconds", "--good", made[0], "slow", "--scenarios", "bench/slow.py", "--threads", "1"
    )
    assert done.code == 0, done.out + done.err
    assert f"It moved at {made[2][:12]}" in done.out
    pairs = [
        json.loads(path.read_bytes())["request"]
        for path in harness.folder.glob(f"reports/{made[1][:12]}/runs/*/result.json")
    ]
    sides = [{request["seed"] for request in pairs if request["side"] == side} for side in ("base", "head")]
    assert sides[0] == sides[1]
    assert len(sides[0]) >= 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("history", "--every", "2"), "--every belongs to --run"),
        (("history", "--run", "main", *PROBE), "'main' is no range of commits"),
        (("history", "--run", "HEAD...main", *PROBE), "is no range of commits"),
        (("history", "--run", "main..main", *PROBE), "are one commit"),
        (("history", "--run", "main..main~2", *PROBE), "Turn them round: main~2..main"),
        (("history", "--run", "nothing..main", *PROBE), "'nothing' names no commit here"),
        (("history", "--run", "main~1..main", "--tier", "paper", *PROBE), "has no tier 'paper'"),
        (("history", "--run", "main~4..main~3", "no" + PROBE[0], *PROBE[1:]), "unknown scenario 'noprobe'"),
        (("bisect", "steps", "--good", "main~2", "probe:all", *PROBE[1:]), "needs one scenario and variant"),
        (("bisect", "step", "--good", "main~2", *PROBE), "Did you mean 'steps'?"),
        (("bisect", "steps", "--good", "main~4", *PROBE), "half a change"),
        (("bisect", "steps", "--good", "main~2", "--bad", "main~4", *PROBE), "does not build on"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    harness: Harness, commits: list[str], words: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, and the next step."""
    del commits
    done = harness(*words)
    assert done.code == 2
    assert sentence in done.err.replace("\n", " ")


def test_commits_older_than_a_scenario_are_passed_over(harness: Harness, commits: list[str]) -> None:
    """A variant that a commit lacks is named, and what it has is measured; without any of them it has no job."""
    text = (HEAD + BODY).replace('Variant(name="other")', 'Variant(name="newer")')
    (harness.folder / "bench" / "probe.py").write_text(text)
    newest = harness.commit("next")
    span = ("history", "--run", f"{commits[-1]}..{newest}", "--scenarios", "bench/probe.py", "--threads", "1")
    both = harness(*span, "probe:all")
    assert both.code == 2
    assert f"commit {commits[-1][:12]} has no probe:newer in this tier" in both.err
    assert len(harness.job(f"reports/{commits[-1][:12]}")["results"]) == 1
    assert len(harness.job(f"reports/{newest[:12]}")["results"]) == 2
    alone = harness(*span, "probe:newer", "--out", "alone")
    assert (alone.code, runs(alone)) == (2, 1)
    assert not (harness.folder / "alone" / commits[-1][:12]).exists()
