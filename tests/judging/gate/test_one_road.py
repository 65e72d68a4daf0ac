"""The same evidence gets the same verdict from every entrance, and no verdict rests on a sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import harness as package
from harness.judging import baselines, checks
from harness.judging.checks import Check
from harness.judging.gate import trials
from harness.judging.gate.values import Evidence
from harness.records import Baseline, GateSettings, IdentityCheck, Job, Measured, RunResult, StageResult
from harness.running import plans
from harness.session import procedure
from harness.store import files, stored
from tests.judging import made
from tests.judging.made import MIB

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import RunRequest, Side

LIKE = {
    "accuracy": Measured(value=0.0, better="higher"),
    "loss": Measured(value=0.0, unit="nat", better="lower"),
    "residual": Measured(value=0.0, better="lower"),
    "peak_bytes": Measured(value=0.0, unit="B", kind="memory", better="lower"),
    "stored": Measured(value=0.0, unit="B", kind="size", better="lower"),
}
USUAL = {
    "accuracy": (0.95, 0.006),
    "loss": (0.2, 0.01),
    "residual": (1e-6, 1e-7),
    "peak_bytes": (100 * MIB, MIB),
    "stored": (1e6, 0.0),
}
PROBE = made.scenario(gated=tuple(LIKE))
Values = dict[str, list[float]]


def drawn(seed: int, runs: int, worse: float) -> Values:
    """Draw every metric of so many runs, worse by so many standard deviations, or percent where there is none."""
    rng = np.random.default_rng(seed)
    sign = {name: -1 if like.better == "higher" else 1 for name, like in LIKE.items()}
    return {
        name: (mean + sign[name] * worse * (sd or 0.01 * mean) + sd * rng.standard_normal(runs)).tolist()
        for name, (mean, sd) in USUAL.items()
    }


def results(values: Values, first: int, side: Side = "head") -> list[RunResult]:
    """Build a finished run for each seed; nothing was predicted, so that no floor is one test image."""
    return [
        made.run(
            {name: dataclasses.replace(LIKE[name], value=column[row]) for name, column in values.items()},
            made.request(first + row, side=side),
        )
        for row in range(len(values["loss"]))
    ]


def baseline(values: Values) -> Baseline:
    """Build the stored baseline of these values."""
    return made.baseline({name: made.kept(column, LIKE[name]) for name, column in values.items()})


def verdicts(job: Job) -> dict[str, tuple[str, str]]:
    """Return verdict and cause of every metric that is held against a reference."""
    return {
        judgement.metric: (judgement.verdict, judgement.cause)
        for comparison in job.comparisons
        for judgement in comparison.judgements
        if judgement.against == "baseline"
    }


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    runs=st.sampled_from([1, 2, 3, 5, 7, 10]),
    worse=st.sampled_from([-20, -3, -1, 0, 0, 1, 2, 3, 5, 20]),
)
def test_every_entrance_gives_the_same_verdict(
    tmp_path_factory: typing.Any, seed: int, runs: int, worse: float
) -> None:
    """`harness run` and `judge`, Python, a gate and a pytest item without budget, a gate beside base runs, and harness_check."""
    folder = tmp_path_factory.mktemp("road")
    base, head = drawn(seed, 10, 0), drawn(seed + 1, runs, worse)
    kept, done = baseline(base), results(head, 100)
    roots, declared = [folder / "baselines"], {"probe": PROBE}
    baselines.write(kept, roots[0])
    each = Evidence(
        scenario=PROBE, variant="default", tier="smoke", head={"screen": done}, base=None, stored=(kept, "b.json")
    )  # fmt: skip
    state = trials.decide([each], GateSettings(seeds=runs), more=False)
    ours = verdicts(made.job(done, comparisons=state.comparisons))
    assert ours == verdicts(procedure.rejudge(made.job(done), declared, roots)), "harness run, harness judge"
    gate = made.gate(seeds=runs, max_runs=runs)
    again = procedure.rejudge(made.job(done, gate=gate), declared, roots)
    assert ours == verdicts(again), "harness judge of a gate"

    by_key = {run.request.key: run for run in done}

    def do(requests: Sequence[RunRequest]) -> None:
        for request in requests:
            files.write_json(folder / "out" / "runs" / request.key / "result.json", by_key[request.key])

    plan = dataclasses.replace(plans.make([run.request for run in done], "", None), gate=gate.settings)
    plan = procedure.conduct(plan, declared, roots, folder / "out", do, keep=lambda _: None)
    gated = procedure.assemble(plan, declared, roots, folder / "out")
    assert ours == verdicts(gated), "harness gate, pytest --harness"

    beside = made.gate(seeds=10, max_runs=runs, against="main")
    beside = dataclasses.replace(beside, base_results=tuple(results(base, 0, "base")))
    compared = procedure.rejudge(made.job(done, gate=beside), declared, [])
    assert ours == verdicts(compared), "harness gate --against"

    content = checks.Stored(schema=1, environment=checks.here(), metrics=dict(kept.metrics))
    asked = {
        name: Check(column, LIKE[name].better, LIKE[name].kind, LIKE[name].unit)
        for name, column in head.items()
    }
    judged = checks.judge(Path("check.json"), content, checks.declare(asked))
    assert ours == {item.metric: (item.verdict, item.cause) for item in judged}, "harness_check"


# -- no control flow by text -------------------------------------------------------------------


def awkward() -> Job:
    """Return a gate's job with a judgement of almost every cause, and sentences wherever a record takes one."""
    head, fresh = drawn(1, 5, 4), drawn(2, 20, 4)
    done = results(head, 100)
    confirm = [
        dataclasses.replace(run, request=dataclasses.replace(run.request, round="confirm"))
        for run in results(fresh, 10**6)
    ]
    first = done[0]
    assert first.measurement is not None
    metrics = {name: measured for name, measured in first.metrics.items() if name != "loss"}
    stage = StageResult(name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=None)
    broken = IdentityCheck("orthogonal", 1.0, 0.1, "U'U = 1", "a sentence of the check")
    measurement = dataclasses.replace(
        first.measurement, problems=("metric 'loss' is not finite",), stages=(stage,), identities=(broken,)
    )
    done[0] = dataclasses.replace(first, metrics=metrics, measurement=measurement)
    failed = made.failed(made.request(999), "FileNotFoundError: it died")
    return made.job([*done, failed, *confirm], gate=made.gate(seeds=5))


SCRAMBLED = """
import ast, importlib.abc, importlib.machinery, json, sys
from pathlib import Path

JUDGING = (
    "harness.judging.compare", "harness.judging.expectations", "harness.judging.probes",
    "harness.machine.environment", "harness.judging.flips", "harness.judging.waivers",
    "harness.judging.outcome", "harness.judging.wording", "harness.store.commands",
    "harness.judging.checks", "harness.judging.reduced", "harness.judging.gate",
)

class Scrambler(ast.NodeTransformer):
    '''Replace every letter of every sentence: a constant with a space in it.'''

    def visit_Constant(self, node):
        if isinstance(node.value, str) and " " in node.value:
            node.value = "".join("x" if letter.isalpha() else letter for letter in node.value)
        return node

class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        return compile(ast.fix_missing_locations(Scrambler().visit(ast.parse(data))), path, "exec", dont_inherit=True)

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if not name.startswith(JUDGING):
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found and found.origin and found.origin.endswith(".py"):
            found.loader = Loader(name, found.origin)
        return found

if sys.argv[2] == "scrambled":
    sys.meta_path.insert(0, Finder())
from harness.judging import jobs, outcome
from harness.store import stored
from harness.session import procedure
from tests.judging.gate import test_one_road as road

job = procedure.rejudge(jobs.read(Path(sys.argv[1])), {"probe": road.PROBE}, [Path(sys.argv[1], "baselines")], Path(sys.argv[1]))
told = [judgement for comparison in job.comparisons for judgement in comparison.judgements]
print(json.dumps({
    "sentences": [judgement.reason for judgement in told],
    "verdicts": [[judgement.against, judgement.metric, judgement.verdict, judgement.cause] for judgement in told],
    "exit code": outcome.exit_code(job), "counts": dict(outcome.counts(job)),
    "elements": [outcome.element(judgement, job.gate.settings) for judgement in told],
}))
"""


def test_changing_every_message_changes_no_verdict(tmp_path: Path) -> None:
    """The judging modules with every sentence scrambled give the same verdicts, causes, exit code, counts and JUnit elements."""
    baselines.write(baseline(drawn(0, 10, 0)), tmp_path / "baselines")
    stored.write(tmp_path / "run.json", awkward())
    (tmp_path / "judge.py").write_text(SCRAMBLED)
    outputs = []
    for how in ("plain", "scrambled"):
        command = [sys.executable, str(tmp_path / "judge.py"), str(tmp_path), how]
        root = Path(package.__file__).parent.parent
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
        assert done.returncode == 0, done.stderr
        outputs.append(json.loads(done.stdout))
    plain, scrambled = outputs
    assert plain.pop("sentences") != scrambled.pop("sentences")
    assert plain == scrambled
    assert {"missing", "violated", "confirmed", "unequal"} <= {cause for *_, cause in plain["verdicts"]}


def test_changing_every_stored_text_changes_no_verdict(tmp_path: Path) -> None:
    """What workers wrote in words, errors, problems, details and folders' names, decides nothing."""
    roots = [tmp_path]
    baselines.write(baseline(drawn(0, 10, 0)), tmp_path)
    job = awkward()

    def other(run: RunResult) -> RunResult:
        found = run.measurement
        if found is not None:
            checks_ = tuple(dataclasses.replace(one, formula="x", detail="x") for one in found.identities)
            found = dataclasses.replace(
                found, problems=tuple("x" for _ in found.problems), identities=checks_
            )
        return dataclasses.replace(
            run, error="x" if run.error else "", log_tail="x", earlier_error="x", measurement=found
        )

    changed = dataclasses.replace(job, results=tuple(map(other, job.results)))
    first, second = (procedure.rejudge(one, {"probe": PROBE}, roots) for one in (job, changed))
    assert verdicts(first) == verdicts(second)
    assert first.gate is not None
    assert second.gate is not None
    assert first.gate.exit_code == second.gate.exit_code
