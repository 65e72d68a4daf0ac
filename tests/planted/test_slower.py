"""Slowdowns that no count shows: held by interleaved runs of two commits; run only when asked for, on a quiet machine.

``HARNESS_PLANTED_LONG=1 python -m tests planted``, which then runs one gate at a time. What a timed test tells depends on the
machine: `harness doctor --noise` says how many pairs a slowdown of 10% needs here.
"""

from __future__ import annotations

import os
import typing

import pytest

from tests.planted.faults import KMNIST, TRAINING
from tests.planted.program import Change, Program
from tests.planted.table import Row

if typing.TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.planted,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        os.environ.get("HARNESS_PLANTED_LONG") != "1", reason="NOT RUN: timed; set HARNESS_PLANTED_LONG=1 on a quiet machine"
    ),
]  # fmt: skip

PACKAGE = "sources/kmnist_svd_logreg/pipeline/__init__.py"
LAST = "from .training import Curves, Prediction, Training, predict, train\n"
TIMED = "total.seconds"


def slowed(share: float) -> Change:
    """Let each call that the scenario's stages make wait for a share of the time that it took: same counts, more time."""
    body = f"""{LAST}

def _slowed(function):
    import functools, time

    @functools.wraps(function)
    def waiting(*positional, **named):
        begin = time.perf_counter()
        result = function(*positional, **named)
        time.sleep({share} * (time.perf_counter() - begin))
        return result

    return waiting


select_pair, compress, design_matrix, train, predict = map(_slowed, (select_pair, compress, design_matrix, train, predict))
Factors.reconstruct = _slowed(Factors.reconstruct)
"""
    return Change(PACKAGE, LAST, body)


def test_a_loop_that_works_twice_is_told_by_its_pairs(
    program: Program, rows: list[Row], tmp_path: Path
) -> None:
    """Training that walks every second epoch twice changes no number and no count, but takes longer."""
    changed = Program(tmp_path / "changed", program.cache, program.folder)
    base = changed.commit("base")
    once = "        before = columns.half\n"
    again = f"{once}        if epoch % 2 == 0:\n            _descend(task, columns, epoch)\n"
    changed.plant(Change(TRAINING, once, again)).commit("head")
    gated = changed.gate(KMNIST, "--against", base)
    assert gated.verdicts()[TIMED] == "REGRESSED", gated.told
    assert gated.code == 1, gated.told
    told = "training walks one epoch of 2 twice"
    rows.append(Row("a loop slower by 50%, two commits", told, TIMED, "REGRESSED", gated))


@pytest.mark.parametrize(
    ("share", "verdict", "code"),
    [(0.0, "PASS", 0), (0.1, "REGRESSED", 1), (0.2, "REGRESSED", 1), (0.5, "REGRESSED", 1)],
)
def test_a_slower_commit_is_told_by_its_pairs(
    program: Program, rows: list[Row], tmp_path: Path, share: float, verdict: str, code: int
) -> None:
    """A head that takes a tenth, a fifth, a half longer is slower than its base, confirmed; one that takes as long is cleared."""
    changed = Program(tmp_path / "changed", program.cache, program.folder)
    base = changed.plant(slowed(0.0)).commit("base")
    changed.plant(Change(PACKAGE, "time.sleep(0.0 *", f"time.sleep({share:.4f} *")).commit("head")
    gated = changed.gate(KMNIST, "--against", base)
    assert gated.verdicts()[TIMED] == verdict, gated.told
    assert gated.code == code, gated.told
    others = {found for metric, found in gated.verdicts().items() if metric != TIMED}
    assert "REGRESSED" not in others, gated.told
    name = f"{share:.0%} slower, two commits" if share else "the unchanged program, two commits"
    waits = "every call of the pipeline waits for a share of its own time"
    rows.append(
        Row(name, waits if share else "nothing but a factor of zero", TIMED if share else "", verdict, gated)
    )
