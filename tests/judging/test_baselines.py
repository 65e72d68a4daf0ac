"""Baseline files: written, merged by git, damaged in every way, chosen, and refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import typing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.errors import BaselineError, UnknownNameError
from harness.judging import baselines, jobs, proposals
from harness.machine import environment
from harness.records import Baseline, BaselineMetric, DatasetUse, Measured, RunResult, Scenario
from harness.session import approval
from harness.store import files, sidecar
from tests.judging import made

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conftest import Harness

DIGITS = DatasetUse(name="digits", sha256="00", complete=True, found="1,797 images, お")
HOME = {"backend": "numpy", "device": "cpu", "os": "Linux", "numpy": "2.1.0", "python": "3.11.7", "cpu": "A"}
OTHER_DIGITS = dataclasses.replace(DIGITS, sha256="f" * 64)
FIVE = [0.95, 0.951, 0.949, 0.952, 0.948]
BYTES = [1e8 + k for k in range(5)]
LOSSES = [0.1, 0.2, 0.3, 1 / 3, 1e-17]


COUNTED = {
    name: BaselineMetric(values=[value], unit="", kind="work", better="lower")
    for name, value in (("work.train.flops", 5.0), ("work.total.flops", 16_543_785_601.0))
}


def baseline(**changes: typing.Any) -> Baseline:
    """Build a baseline of three metrics and five seeds."""
    metrics = {
        "accuracy": BaselineMetric(values=FIVE, unit="", kind="accuracy", better="higher"),
        "fit.peak_bytes": BaselineMetric(values=BYTES, unit="B", kind="memory", better="lower"),
        "loss": BaselineMetric(values=LOSSES, unit="nat", kind="accuracy", better="lower"),
    }
    fields = {"scenario_version": 2, "environment": HOME, "datasets": (DIGITS,)}
    return made.baseline(**{"metrics": metrics, **fields, **changes})


def write_plain(root: Path, change: Callable[[dict[str, typing.Any]], typing.Any]) -> Path:
    """Write the baseline's file after a change to its plain content."""
    plain = msgspec.to_builtins(baseline())
    plain["seeds"] = list(plain["seeds"])
    change(plain)
    path = root / "probe" / "default" / "smoke" / "00000000.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain))
    return path


# -- files ------------------------------------------------------------


def test_a_baseline_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field and every bit of every value survives the file, whose name is the fingerprint."""
    stored = baseline(counted=COUNTED)
    path = baselines.write(stored, tmp_path)
    assert baselines.load(path) == stored
    assert path.relative_to(tmp_path).parts == (
        "probe", "default", "smoke", f"{environment.fingerprint(HOME)}.json",
    )  # fmt: skip


def test_layout_has_one_line_and_a_blank_line_a_metric(tmp_path: Path) -> None:
    """A metric or count is one line between blank ones, in the order of names, and words are readable."""
    lines = baselines.as_text(baseline(counted=COUNTED)).splitlines()
    metrics = [index for index, line in enumerate(lines) if '"values"' in line]
    names = ["accuracy", "fit.peak_bytes", "loss", "work.total.flops", "work.train.flops"]
    assert [lines[index].split('"')[1] for index in metrics] == names
    assert all(lines[index - 1] == lines[index + 1] == "" for index in metrics)
    assert '"who": "Zoë",' in lines
    assert "お" in "\n".join(lines)
    assert json.loads("\n".join(lines))["seeds"] == [0, 1, 2, 3, 4]
    assert "counted" not in baselines.as_text(baseline())


def test_changes_to_two_metrics_merge_without_conflict(tmp_path: Path) -> None:
    """Two branches that each change one of two neighbouring metrics merge with git into one with both."""

    def with_values(**changed: list[float]) -> str:
        metrics = dict(baseline().metrics)
        for name, values in changed.items():
            metrics[name] = dataclasses.replace(metrics[name], values=values)
        return baselines.as_text(baseline(metrics=metrics))

    place = tmp_path / "probe" / "default" / "smoke"
    place.mkdir(parents=True)
    contents = {
        "ours.json": with_values(accuracy=[0.9] * 5),
        "old.json": with_values(),
        "theirs.json": with_values(**{"fit.peak_bytes": [5.0] * 5}),
    }
    for name, text in contents.items():
        (place / name).write_text(text)
    done = subprocess.run(
        ["git", "merge-file", *contents], cwd=place, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    merged = baselines.load(place / "ours.json")
    assert merged.metrics["accuracy"].values == [0.9] * 5
    assert merged.metrics["fit.peak_bytes"].values == [5.0] * 5


def test_counts_come_last_in_a_difference() -> None:
    """A count that changes, one that comes and one that goes are listed after the metrics, without a spread."""
    old = baseline(counted={**COUNTED, "work.old.flops": COUNTED["work.train.flops"]})
    changed = dataclasses.replace(COUNTED["work.train.flops"], values=[6.0])
    new = baseline(counted={"work.train.flops": changed, "work.new.flops": changed})
    found = [(c.metric, c.old, c.new, c.spread) for c in baselines.diff(old, new)][3:]
    assert found == [
        ("work.new.flops", None, 6.0, None), ("work.old.flops", 5.0, None, None),
        ("work.total.flops", 16_543_785_601.0, None, None), ("work.train.flops", 5.0, 6.0, None),
    ]  # fmt: skip


def change(metric: str, **fields: typing.Any) -> Callable[[dict[str, typing.Any]], None]:
    """Return a change of one metric's fields."""
    return lambda plain: plain["metrics"][metric].update(fields)


def count(**fields: typing.Any) -> Callable[[dict[str, typing.Any]], None]:
    """Return a change that adds a count of work."""
    good = {"values": [5.0], "unit": "", "kind": "work", "better": "lower"}
    return lambda plain: plain.update(counted={"work.total.flops": {**good, **fields}})


def cut(plain: dict[str, typing.Any]) -> None:
    """Leave four seeds of every metric."""
    plain["seeds"] = plain["seeds"][:4]
    for metric in plain["metrics"].values():
        metric["values"] = metric["values"][:4]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (change("accuracy", values=[float("nan")] * 5), "is damaged"),
        (change("fit.peak_bytes", values=[1.0, -1.0, 1.0, 1.0, 1.0]), "negative value of metric"),
        (change("accuracy", values=[9.7e299] * 5), "not finite, or too large to square"),
        (change("accuracy", values=[]), "0 values of metric 'accuracy' for 5 seeds"),
        (change("accuracy", values=FIVE[:4]), "4 values of metric 'accuracy' for 5 seeds"),
        (change("accuracy", values=["0.9"] * 5), "is damaged"),
        (change("accuracy", kind="speed"), "is damaged"),
        (change("accuracy", better="bigger"), "is damaged"),
        (count(values=[5.0, 5.0]), "has 2 values of count 'work.total.flops', one is needed"),
        (count(values=[]), "has 0 values of count 'work.total.flops', one is needed"),
        (count(values=[-1.0]), "has a value of count 'work.total.flops' that is negative or not finite"),
        (count(values=[float("inf")]), "is damaged"),
        (count(kind="memory"), "has a count 'work.total.flops' of kind memory, not work"),
        (lambda plain: plain.update(seeds=[], metrics={}), "holds no metric"),
        (lambda plain: plain.update(seeds=[0, 1, 2, 3, 3]), "names a seed twice"),
        (cut, "4 values of metric 'accuracy', at least 5 are needed"),
        (lambda plain: plain.update(scenario="other"), "is one of other/default/smoke"),
        (lambda plain: plain.update(variant="../../x"), "is one of probe/../../x/smoke"),
        (lambda plain: plain.update(tier="huge"), "is one of probe/default/huge"),
        (lambda plain: plain.update(schema=2), "has schema 2, this version reads up to 1. Upgrade"),
        (lambda plain: plain.update(schema=0), "is damaged"),
        (lambda plain: plain.update(schema="1"), "is damaged"),
        (lambda plain: plain.pop("environment"), "is damaged"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_one_error_that_names_it(
    tmp_path: Path, spoil: Callable[[dict[str, typing.Any]], typing.Any], told: str
) -> None:
    """Whatever is wrong with a file, the error names the file and the fault."""
    path = write_plain(tmp_path, spoil)
    with pytest.raises(BaselineError) as raised:
        baselines.load(path)
    assert str(path) in str(raised.value)
    assert told in str(raised.value)
    assert raised.value.next_step


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\x00\xff\xfe\x80" * 40,
        b"[1, 2]",
        b"null",
        b'{"schema": 1e999}',
        b"[" * 100_000,
        b"{}",
    ],
    ids=["empty", "text", "binary", "list", "null", "overflow", "deep", "object"],
)
def test_what_is_no_baseline_is_one_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    """Files of any other content are a BaselineError, too."""
    path = write_plain(tmp_path, dict)
    path.write_bytes(content)
    with pytest.raises(BaselineError, match=r"00000000\.json"):
        baselines.load(path)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    """A folder with a baseline's name, or a file that is not there, is a BaselineError."""
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(BaselineError, match="cannot be read"):
            baselines.load(path)


# -- choice -----------------------------------------------------------


def find(roots: Sequence[Path], **ours: str) -> baselines.References | None:
    """Find the baselines for HOME with changes."""
    return baselines.find(roots, "probe", "default", "smoke", {**HOME, **ours})


def test_the_nearest_baseline_is_chosen(tmp_path: Path) -> None:
    """The exact environment wins; else accuracy's fields count first, then memory's, then runtime's."""
    paths = {
        name: str(baselines.write(baseline(environment={**HOME, **changes}), tmp_path))
        for name, changes in {
            "home": {},
            "other machine": {"cpu": "B"},
            "other numpy": {"numpy": "1.26.4"},
            "torch": {"backend": "torch"},
        }.items()
    }

    def chosen(**ours: str) -> str:
        found = find([tmp_path], **ours)
        assert found is not None
        return next(name for name, path in paths.items() if path == found.nearest[1])

    assert chosen() == "home"
    assert chosen(cpu="B") == "other machine"
    assert chosen(numpy="1.26.4") == "other numpy"
    assert chosen(numpy="1.26.4", cpu="B") == "other numpy"
    assert chosen(backend="torch", cpu="B", numpy="1.26.4") == "torch"


@pytest.mark.parametrize("agreed_here", [True, False])
def test_scores_have_one_reference_for_every_machine(tmp_path: Path, agreed_here: bool) -> None:
    """Scores are compared with the newest accepted values, wherever they were made; memory with the newest that fits here."""
    later = "2026-02-01T00:00:00+00:00"
    elsewhere = {**HOME, "cpu": "B", "os": "Darwin"}
    ours = baselines.write(baseline(**{"date": later} if agreed_here else {}), tmp_path)
    theirs = baselines.write(
        baseline(environment=elsewhere, **{} if agreed_here else {"date": later}), tmp_path
    )
    found = find([tmp_path])
    assert found is not None
    assert found.newest[1] == str(ours if agreed_here else theirs)
    assert found.nearest[1] == str(ours)


@pytest.mark.parametrize("changes", [{"scenario_version": 3}, {"datasets": (OTHER_DIGITS,)}])
def test_newer_values_of_another_version_or_data_are_no_reference(
    tmp_path: Path, changes: dict[str, typing.Any]
) -> None:
    """The newest baseline that may be compared is chosen, not the newest of all."""
    path = baselines.write(baseline(), tmp_path)
    other = {"environment": {**HOME, "cpu": "B"}, "date": "2026-02-01T00:00:00+00:00"}
    baselines.write(baseline(**other, **changes), tmp_path)
    found = baselines.find([tmp_path], "probe", "default", "smoke", HOME, version=2, data=(DIGITS,))
    assert found is not None
    assert found.newest[1] == found.nearest[1] == str(path)


def test_a_baseline_names_the_files_that_it_outdates(tmp_path: Path) -> None:
    """Older comparable files of other machines are listed; another backend's, version's and newer ones are not."""
    older = baselines.write(baseline(environment={**HOME, "cpu": "B"}), tmp_path)
    for changes in (
        {"environment": {**HOME, "backend": "torch"}},
        {"environment": {**HOME, "cpu": "C"}, "scenario_version": 1},
        {"environment": {**HOME, "cpu": "D"}, "date": "2026-03-01T00:00:00+00:00"},
    ):
        baselines.write(baseline(**changes), tmp_path)
    new = baseline(date="2026-02-01T00:00:00+00:00")
    baselines.write(new, tmp_path)
    assert baselines.outdated_by(new, tmp_path) == [older]


def test_the_first_folder_that_has_any_decides(tmp_path: Path) -> None:
    """A named folder goes before others even if another fits better, and empty ones are passed over."""
    named, other, empty = tmp_path / "named", tmp_path / "other", tmp_path / "empty"
    empty.mkdir()
    path = baselines.write(baseline(environment={**HOME, "cpu": "B"}), named)
    baselines.write(baseline(), other)
    found = find([empty, named, other])
    assert found is not None
    assert found.nearest[1] == found.newest[1] == str(path)
    assert find([empty]) is None
    assert baselines.find([named], "probe", "other", "smoke", HOME) is None


def test_one_corrupt_file_beside_a_good_one_is_not_passed_over(tmp_path: Path) -> None:
    """A damaged neighbour is an error: silently choosing another baseline would hide it."""
    baselines.write(baseline(), tmp_path)
    write_plain(tmp_path, lambda plain: plain.update(schema=9))
    with pytest.raises(BaselineError, match="has schema 9"):
        find([tmp_path])


def test_search_path_names_a_folder_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the user names must exist; ./baselines is read only if it does."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BaselineError, match="there is no baselines folder 'nowhere'"):
        baselines.search_path(Path("nowhere"))
    assert Path("baselines") not in baselines.search_path(None)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "mine").mkdir()
    assert baselines.search_path(Path("mine"))[:2] == [Path("mine"), Path("baselines")]


def test_the_project_s_folder_is_looked_for_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a subfolder the nearest folder of baselines within the checkout is read and written, never one above it."""
    project, below = tmp_path / "top" / "project", tmp_path / "top" / "project" / "tests" / "unit"
    below.mkdir(parents=True)
    (tmp_path / "baselines").mkdir()
    monkeypatch.chdir(below)
    assert baselines.project_folder() == Path("baselines")
    (project / "pyproject.toml").touch()
    assert baselines.project_folder() == Path("../../baselines")
    (tmp_path / "top" / ".git").mkdir()
    assert baselines.project_folder() == Path("../../baselines")
    (tmp_path / "top" / "baselines").mkdir()
    assert baselines.project_folder() == Path("../../../baselines")
    assert baselines.search_path(None)[0] == Path("../../../baselines")
    (project / "baselines").mkdir()
    assert baselines.project_folder() == Path("../../baselines")
    monkeypatch.chdir(tmp_path)
    assert baselines.project_folder(below) == Path("top/project/baselines")
    assert baselines.search_path(None, below)[0] == Path("top/project/baselines")


# -- proposals --------------------------------------------------------

SCENARIO = made.scenario(version=3, gated=("accuracy", "fit.images_per_second"))


def run(seed: int, request: dict[str, typing.Any] | None = None, **changes: typing.Any) -> RunResult:
    """Build a finished run; `changes` are laid over its measurement."""
    metrics = {
        "accuracy": Measured(value=FIVE[seed % 5], better="higher"),
        "confusion": Measured(value=[[1, 0], [0, 1]]),
        "grid-1.accuracy": Measured(value=0.5, better="higher"),
        "fit.peak_bytes": Measured(value=1e8, unit="B", kind="memory", better="lower"),
        "fit.images_per_second": Measured(value=10.0, unit="1/s", kind="runtime", better="higher"),
        "svd.steps": Measured(value=7.0, kind="work", better="lower"),
        "k3.percent_size": Measured(value=0.2, kind="size", better="lower"),
    }
    fields = {"scenario_version": 2, "datasets": (DIGITS,), "environment": HOME}
    return made.run(metrics, made.request(seed, **(request or {})), **{**fields, **changes})


def propose(
    results: Sequence[RunResult], scenario: Scenario = SCENARIO, commit: str = "c0ffee"
) -> list[Baseline]:
    """Propose baselines of a job."""
    return proposals.propose(
        made.job(results, commit=commit), {"probe": scenario}, reason="because", who="me"
    )


def with_metric(result: RunResult, name: str, value: typing.Any) -> RunResult:
    """Return the run with another value of one metric."""
    changed = dataclasses.replace(result.metrics[name], value=value)
    return dataclasses.replace(result, metrics={**result.metrics, name: changed})


def test_a_proposal_says_who_when_why_and_holds_raw_values() -> None:
    """Values stay in seed order beside their seeds; version, data and environment are those that ran."""
    (found,) = propose([run(seed) for seed in (4, 2, 0, 1, 3)])
    assert (found.who, found.reason, found.commit) == ("me", "because", "c0ffee")
    assert found.date.endswith("+00:00")
    assert found.seeds == (4, 2, 0, 1, 3)
    assert found.metrics["accuracy"].values == [FIVE[seed] for seed in found.seeds]
    assert (found.scenario_version, found.environment, found.datasets) == (2, HOME, (DIGITS,))


def test_which_metrics_are_kept() -> None:
    """Numbers of the main set, stages and work are kept, and gated ones; arrays and side scores are not."""
    (found,) = propose([run(seed) for seed in range(5)])
    assert set(found.metrics) == {"accuracy", "fit.peak_bytes", "fit.images_per_second", "svd.steps"}
    gated = dataclasses.replace(SCENARIO, gated=("accuracy", "k3.percent_size", "grid-1.accuracy"))
    (found,) = propose([run(seed) for seed in range(5)], gated)
    assert {"k3.percent_size", "grid-1.accuracy"} <= set(found.metrics)


def test_disturbed_runs_keep_their_runtime_out() -> None:
    """One disturbed run is enough: no time becomes a baseline, gated or not, everything else does."""
    results = [run(seed, foreign_cpu=0.5 if seed == 3 else 0.0) for seed in range(5)]
    (found,) = propose(results)
    assert set(found.metrics) == {"accuracy", "fit.peak_bytes", "svd.steps"}


@pytest.mark.parametrize("value", [float("nan"), [1.0, 2.0]])
def test_a_metric_that_is_no_number_in_one_run_is_left_out_or_refused(value: typing.Any) -> None:
    """Ungated it is left out whole; gated the proposal is refused, naming it."""
    results = [run(seed) for seed in range(5)]
    results[2] = with_metric(results[2], "svd.steps", value)
    (found,) = propose(results)
    assert "svd.steps" not in found.metrics
    results[2] = with_metric(results[2], "accuracy", value)
    with pytest.raises(BaselineError, match=r"accuracy .* was not measured as a number"):
        propose(results)


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([run(seed) for seed in range(4)], "has 4 runs, a baseline needs at least 5. Run it"),
        ([*(run(seed) for seed in range(5)), made.failed(made.request(5))], "1 runs of probe:default (smoke) failed"),
        ([*(run(seed) for seed in range(5)), run(5, environment={**HOME, "cpu": "B"})], "2 environments"),
        ([*(run(seed) for seed in range(5)), run(5, scenario_version=9)], "come from 2 scenario versions"),
        ([*(run(seed) for seed in range(5)), run(5, datasets=())], "come from 2 states of the data"),
        ([run(seed) for seed in (0, 1, 2, 3, 3)], "have one seed twice"),
        ([run(seed) for seed in (0, 5, 10, 15, 20)], "no accuracy metric of probe:default (smoke) differs"),
    ],
)  # fmt: skip
def test_what_is_no_basis_is_refused(results: list[RunResult], told: str) -> None:
    """Too few, failed, mixed, repeated or constant runs make no baseline; the reason is said."""
    with pytest.raises(BaselineError) as raised:
        propose(results)
    assert told in str(raised.value)


def test_constant_runs_of_a_deterministic_scenario_are_accepted() -> None:
    """A scenario that declares no random draw may be constant over seeds."""
    fixed = dataclasses.replace(SCENARIO, deterministic=True)
    (found,) = propose([run(seed) for seed in (0, 5, 10, 15, 20)], fixed)
    assert found.metrics["accuracy"].values == [0.95] * 5


def test_what_a_proposal_cannot_name_is_refused() -> None:
    """A job of a user's scenario needs its file, and a baseline a commit: nobody could say which code it belongs to."""
    with pytest.raises(BaselineError, match="have no commit"):
        propose([run(seed) for seed in range(5)], commit="")
    with pytest.raises(UnknownNameError, match="unknown scenario 'probe'"):
        proposals.propose(made.job([run(0)]), {}, reason="because", who="me")


def test_backends_of_one_job_become_baselines_of_their_own(tmp_path: Path) -> None:
    """Each backend gets its own file."""
    torch = [run(seed, {"backend": "torch"}, environment={**HOME, "backend": "torch"}) for seed in range(5)]
    found = propose([*(run(seed) for seed in range(5)), *torch])
    assert [stored.environment["backend"] for stored in found] == ["numpy", "torch"]
    assert len({baselines.path_of(stored, tmp_path) for stored in found}) == 2


@pytest.mark.parametrize("packages", ["site-packages", "dist-packages"])
def test_an_installed_package_is_never_written_into(tmp_path: Path, packages: str) -> None:
    """The wheel's own copy is read-only for us, on Debian's Python as well."""
    for root in (
        tmp_path / packages / "harness" / "_baselines",
        Path(baselines.__file__).parent.parent / "_baselines",
    ):
        with pytest.raises(BaselineError, match="belongs to an installed package"):
            baselines.write(baseline(), root)
        assert not root.exists()


def test_diff_lists_what_changes_comes_and_goes() -> None:
    """Means of both, the new spread, and metrics that only one side has."""
    old, new = baseline(), baseline()
    metrics = dict(new.metrics)
    metrics["new"] = dataclasses.replace(metrics.pop("loss"), values=[1.0, 2.0, 3.0, 4.0, 5.0])
    found = {row.metric: row for row in baselines.diff(old, dataclasses.replace(new, metrics=metrics))}
    assert (found["new"].old, found["new"].new, found["new"].unit) == (None, 3.0, "nat")
    assert found["new"].spread == pytest.approx(2.5**0.5)
    assert found["loss"].new is None
    assert found["accuracy"].old == found["accuracy"].new == pytest.approx(0.95)
    assert all(row.old is None for row in baselines.diff(None, new))


# -- predictions beside a baseline ------------------------------------------


def stored_job(out: Path, *, devices: Sequence[str] = ("cpu",)) -> None:
    """Store a job of five seeds on each device, whose runs left 1,000 predictions each."""
    results = []
    for device in devices:
        for seed in range(5):
            place = f"runs/{device}{seed}"
            labels = np.full(1000, seed, np.uint8)
            predicted = labels.copy()
            predicted[: round(1000 * (1 - FIVE[seed]))] += 1
            files.write_npz(
                out / place / "predictions.npz", {"test/labels": labels, "test/predicted": predicted}
            )
            there = HOME | {"device": device}
            one = run(seed, {"device": device}, predictions=("test",), environment=there)
            results.append(dataclasses.replace(one, folder=place))
    files.write_json(out / "run.json", made.job(results))


def offer(out: Path) -> list[Path]:
    """Propose baselines of the job in a folder."""
    return approval.propose(jobs.read(out), out, {"probe": SCENARIO}, reason="because", who="me")


def test_an_unfinished_job_says_what_its_baselines_lack(harness: Harness) -> None:
    """A job that still runs, or was stopped, proposes what it has: the command names the planned runs that are missing."""
    scenario = harness.scenario("SCENARIO = declare(guess, deterministic=True)")
    out = harness.folder / "out"
    harness.repository()
    words = ("baseline", "propose", "out", "--reason", "because", "--who", "me", "--scenarios", scenario)
    assert (
        harness("run", "probe", "--seeds", "5", "--no-count", "--scenarios", scenario, "--out", "out").code
        == 0
    )
    whole = harness(*words)
    assert (whole.code, whole.err) == (0, "")
    files.write_json(out / "run.json", dataclasses.replace(jobs.read(out), unfinished={"probe:default": 2}))
    told = harness(*words)
    assert (told.code, told.out) == (0, whole.out)
    assert told.err.startswith(
        "interrupted 2 planned runs are missing, of probe:default (2), and so of these baselines."
    )
    assert "Or first: harness run --resume out" in told.err


def test_a_proposal_carries_what_its_runs_predicted(tmp_path: Path) -> None:
    """Beside each JSON lie the predictions of its own runs; accepting moves both, and they give the accuracy."""
    stored_job(tmp_path / "out", devices=("cpu", "cuda"))
    assert [path.suffix for path in offer(tmp_path / "out")] == [".json", ".npz", ".json", ".npz"]
    accepted, _ = approval.accept(tmp_path / "out", tmp_path / "mine")
    assert len(accepted) == 4
    for path in accepted[::2]:
        found = baselines.load(path)
        kept = sidecar.load(path, found)
        right = [float(np.mean(sets["test"].labels == sets["test"].predicted)) for sets in kept.values()]
        assert right == pytest.approx(found.metrics["accuracy"].values)
        assert [sets["test"].labels[0] for sets in kept.values()] == list(found.seeds)


def test_runs_whose_files_are_gone_propose_numbers_only(tmp_path: Path) -> None:
    """A run.json that travelled alone still makes a baseline; accepting it removes predictions of the earlier one."""
    for name in ("first", "second"):
        stored_job(tmp_path / name)
    (tmp_path / "second" / "runs" / "cpu3" / "predictions.npz").unlink()
    offer(tmp_path / "first")
    (_, beside), _ = approval.accept(tmp_path / "first", tmp_path / "mine")
    assert beside.exists()
    assert [path.suffix for path in offer(tmp_path / "second")] == [".json"]
    assert [path.suffix for path in approval.accept(tmp_path / "second", tmp_path / "mine")[0]] == [".json"]
    assert not beside.exists()


def test_a_damaged_proposal_accepts_nothing(tmp_path: Path) -> None:
    """Torn predictions beside one proposal leave every stored baseline as it was."""
    stored_job(tmp_path / "out", devices=("cpu", "cuda"))
    offered = offer(tmp_path / "out")
    offered[-1].write_bytes(b"PK torn")
    with pytest.raises(BaselineError, match="is damaged"):
        approval.accept(tmp_path / "out", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("variant", ["../../../out", "..", "a/b", ""])
def test_a_variant_that_leads_out_of_the_folder_is_refused(tmp_path: Path, variant: str) -> None:
    """A foreign run.json may call a variant anything: nothing is written or read outside the folder of baselines."""
    root = tmp_path / "deep" / "down" / "baselines"
    with pytest.raises(BaselineError, match="names no scenario, variant or tier"):
        baselines.write(baseline(variant=variant), root)
    with pytest.raises(BaselineError, match="names no scenario, variant or tier"):
        baselines.find([root], "probe", variant, "smoke", HOME)
    assert list(tmp_path.rglob("*.json")) == []
