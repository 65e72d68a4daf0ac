"""The history's page: changes with their commits, nothing lost by thinning, escaped, without scripts, small for 1,000 commits."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.judging import history, levels
from harness.report import history_page
from harness.store.table import System

if typing.TYPE_CHECKING:
    from harness.judging.history import Track

HOSTILE = "<script>alert(1)</script>&\"'"


def track(
    metrics: typing.Mapping[str, typing.Sequence[float]], scenario: str = "probe", commit: str = ""
) -> Track:
    """Make a track, one commit a day, with the changes of each metric; less is better."""
    lines = []
    for metric, values in metrics.items():
        numbers = np.asarray(values, np.float64)
        lines.append(
            history.Line(
                metric=metric, unit="s", kind="runtime", better="lower", where=(), rows=tuple(range(len(values))), values=tuple(map(float, values)),
                changes=tuple(levels.changes(numbers, "lower", spikes=True)),
            )
        )  # fmt: skip
    rows = tuple(
        history.Row(
            commit=commit or f"{index:040x}",
            created=f"2026-01-01T{index:06d}",
            software=(),
            jobs=1,
            position=index,
        )
        for index in range(max(len(values) for values in metrics.values()))
    )
    system = System(scenario, "default", "smoke", "numpy", "cpu", 1)
    return history.Track(system=system, strand="history", tip="", data=(), rows=rows, lines=tuple(lines))


def test_changes_and_their_commits_are_on_the_page() -> None:
    """Levels, the commits they lie between, a row a commit, a spike as a spike; a metric without a change is folded."""
    generator = np.random.default_rng(3)
    values = np.concatenate([generator.normal(1, 0.01, 20), generator.normal(2, 0.01, 20)])
    spiked = generator.normal(1, 0.01, 40) + 5.0 * (np.arange(40) == 7)
    found = track(
        {
            "total.seconds": values.tolist(),
            "spiked": spiked.tolist(),
            "quiet": generator.normal(1, 0.01, 40).tolist(),
            "other": [1.0] * 40,
        }
    )
    page = history_page.render(
        [found], ("total.seconds", "spiked", "quiet"), web="https://host.example/o/r/commit/"
    )
    assert "1 change of level, 1 for the worse; 1 spike" in page
    assert (
        "Time of probe:default smoke numpy cpu (version 1) got worse: 0.999\N{NARROW NO-BREAK SPACE}s to 2.001"
        in page
    )
    assert (
        f'<a href="https://host.example/o/r/commit/{20:040x}" rel="noreferrer"><code>{20:040x}'[:-32] in page
    )
    assert page.count("<polyline") == 3
    assert page.count('<tr><th scope="row"><a href="https://host.example') == 40
    assert "1 metric without a change" in page
    assert "1 metrics without a change are not shown" in page
    assert "<script" not in page
    assert "points drawn" not in page


def test_names_are_escaped_and_empty_and_single_histories_work() -> None:
    """A hostile metric, system or commit stays text and out of addresses; one job, a constant, and no job at all make a page."""
    page = history_page.render(
        [track({HOSTILE: [1.0]}, HOSTILE, HOSTILE)], ("*",), web="https://host.example/"
    )
    assert HOSTILE not in page
    assert "NaN" not in page.partition("</style>")[2]
    assert "No level changed." in history_page.render([])
    assert "<polyline" in history_page.render([track({"constant": [2.0] * 30})], ("*",))


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400), st.integers(2, 60).map(lambda half: 2 * half)
)
def test_thinning_keeps_ends_and_extremes(values: list[float], most: int) -> None:
    """Never more points than allowed; first, last, lowest and highest value stay, in order."""
    numbers = np.asarray(values)
    kept = history_page.thinned(numbers, most)
    assert len(kept) <= max(most, 0)
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert numbers[kept].min() == numbers.min()
    assert numbers[kept].max() == numbers.max()


def test_a_thousand_commits_and_fifty_metrics_stay_small() -> None:
    """Metrics that changed are drawn in full, the others thinned, which is said, as is how many commits have a row; far below 2 MB."""
    generator = np.random.default_rng(5)
    steady = generator.normal(1, 0.02, (50, 1000))
    steady[:10, 500:] += 0.3
    page = history_page.render(
        [track({f"m{index}.seconds": values.tolist() for index, values in enumerate(steady)})], ("*",)
    )
    assert len(page) < 1_500_000
    assert "drawn with at most 200 points" in page
    assert "1 change of level" in page  # all of one kind at one commit
    assert "The newest 100 of 1000 commits" in page


def test_the_newest_change_is_that_of_the_newest_commit() -> None:
    """A backfill measured old commits last; the list goes by commits."""
    found = track({"a.seconds": [1.0] * 4 + [2.0] * 4 + [3.0] * 4})
    rows = tuple(
        dataclasses.replace(row, created=f"2026-01-{20 - row.position:02d}T00:00:00") for row in found.rows
    )
    page = history_page.render([dataclasses.replace(found, rows=rows)])
    assert (
        "A.seconds of probe:default smoke numpy cpu (version 1) got worse: 2\N{NARROW NO-BREAK SPACE}s to 3"
        in page
    )
    listed = page.partition('id="changes"')[2].partition("</section>")[0]
    assert listed.index("3\N{NARROW NO-BREAK SPACE}s</td>") < listed.index("1\N{NARROW NO-BREAK SPACE}s</td>")
