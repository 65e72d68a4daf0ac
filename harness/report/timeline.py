"""One run's memory over time, with its stages: what was sampled from outside, and each stage's own peak."""

from __future__ import annotations

import typing

from harness.report import figures, numbers, palette, plots

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from harness.records import MemoryTrace, RunResult, StageResult

    Marked = Sequence[tuple[int, StageResult]]

_HEIGHT = 215
_MIB = 2**20
_MOST = 2.0**60
"""Seconds or bytes that no run has."""
_ROOM = 0.035
"""Share of the time axis that a stage's number needs above it."""
_HEAD = 1.12
"""The axis ends so much above the highest value, to leave room for the stages' numbers."""


class Timeline(typing.NamedTuple):
    """Memory of one run over its time."""

    seed: int
    svg: Markup
    stages: tuple[tuple[int, str], ...]  # number and name of each stage that has a mark
    samples: int  # how often memory was looked at, as far as kept
    helpers: bool  # whether helper processes have a line of their own
    data: str  # samples and stages as the data address of a CSV


def timeline(result: RunResult, ids: str) -> Timeline | None:
    """Draw a finished run's memory over time; None if it was not sampled. `ids` stands before the ids within the drawing."""
    trace, measured = result.memory, result.measurement
    if trace is None or measured is None or not _usable(trace):
        return None
    marked = [
        (number, stage) for number, stage in enumerate(measured.stages, 1) if stage.began_seconds is not None
    ]
    svg = plots.painted(lambda axes: _paint(axes, trace, marked), _HEIGHT, ids, _described(trace, marked))
    return Timeline(
        seed=result.request.seed, svg=svg, stages=tuple((number, stage.name) for number, stage in marked),
        samples=len(trace.seconds), helpers=bool(trace.helper_bytes), data=figures.csv_address(_rows(trace, marked)),
    )  # fmt: skip


def _usable(trace: MemoryTrace) -> bool:
    """Whether a stored trace can be drawn: two samples or more that pair up, without a negative or endless time or size."""
    samples = len(trace.seconds)
    if samples < 2 or len(trace.resident_bytes) != samples or len(trace.helper_bytes) not in {0, samples}:
        return False
    possible = all(0 <= value < _MOST for value in (*trace.seconds, *trace.helper_bytes))
    return possible and all(0 < held < _MOST for held in trace.resident_bytes)


def _paint(axes: Axes, trace: MemoryTrace, marked: Marked) -> None:
    peaks = [stage.peak_bytes / _MIB for _, stage in marked if stage.peak_bytes is not None]
    resident = [held / _MIB for held in trace.resident_bytes]
    helpers = [held / _MIB for held in trace.helper_bytes]
    top = _HEAD * max(*resident, *peaks, *helpers)
    end = max(trace.seconds[-1], *(_end(stage) for _, stage in marked)) if marked else trace.seconds[-1]
    for number, stage in marked:
        began, colour = stage.began_seconds or 0.0, palette.SERIES[(number - 1) % len(palette.SERIES)]
        axes.axvspan(began, _end(stage), color=colour, alpha=0.16, linewidth=0)
        if stage.peak_bytes is not None:
            axes.plot([began, _end(stage)], [stage.peak_bytes / _MIB] * 2, color=colour, linewidth=2.4)
        if stage.seconds >= _ROOM * end:
            axes.text(began + stage.seconds / 2, top, str(number), ha="center", va="top", size=9)
    axes.plot(trace.seconds, resident, color=palette.INK, linewidth=1.3)
    if helpers:
        axes.plot(trace.seconds, helpers, color=palette.INK, linewidth=1.1, linestyle=":")
    axes.set_xlim(0, end * 1.01)
    axes.set_ylim(0, top)
    axes.set_xlabel("time since the start of the worker (s)")
    axes.set_ylabel("resident memory (MiB)")


def _end(stage: StageResult) -> float:
    return (stage.began_seconds or 0.0) + stage.seconds


def _described(trace: MemoryTrace, marked: Marked) -> str:
    """Say what the drawing shows."""
    highest = max(range(len(trace.seconds)), key=trace.resident_bytes.__getitem__)
    top, at = numbers.mebibytes(trace.resident_bytes[highest]), numbers.seconds(trace.seconds[highest])
    parts = [f"Resident memory over {numbers.seconds(trace.seconds[-1])}: highest sample {top} after {at}."]
    if trace.helper_bytes:
        parts.append(f"Dotted: helper processes, at most {numbers.mebibytes(max(trace.helper_bytes))}.")
    parts += [
        f"Stage {number}, {stage.name}: from {numbers.seconds(stage.began_seconds or 0.0)}, peak {numbers.mebibytes(stage.peak_bytes)}."
        for number, stage in marked
    ]
    return " ".join(parts)


def _rows(trace: MemoryTrace, marked: Marked) -> Iterator[tuple[object, ...]]:
    yield "what", "begin_seconds", "end_seconds", "bytes"
    for at, held in zip(trace.seconds, trace.resident_bytes, strict=True):
        yield "sample", at, at, held
    for at, held in zip(trace.seconds, trace.helper_bytes, strict=False):
        yield "helpers", at, at, held
    for _, stage in marked:
        peak = "" if stage.peak_bytes is None else stage.peak_bytes
        yield f"stage {stage.name}", stage.began_seconds, round(_end(stage), 6), peak
