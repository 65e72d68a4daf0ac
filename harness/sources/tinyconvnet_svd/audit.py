"""Checks of 'Linear Algebraic Approaches to Image Classification'."""

from __future__ import annotations

import functools
import itertools
import typing

from harness.sources.auditing import declared
from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import Interval, Number, exact, show, total
from harness.sources.tinyconvnet_svd.published import EXPECTATIONS, RESULTS, SHAPES, SOURCE, TEXT

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Expectation

FLOAT32_EPSILON = 2.0**-23
"""Spacing of float32 above 1 (IEEE 754); PyTorch trains in float32 unless told otherwise."""
KERNEL, POOL, IMAGE = 3, 2, 28
"""Network table: 3×3 convolutions without padding, MaxPool(2), 28×28 images."""
CHANNELS = 8
"""ReLU Subspace Analysis: layer 1 has 8 output channels."""

_finding = functools.partial(AuditFinding, source=SOURCE.slug)


def audit() -> list[AuditFinding]:
    """Check Parseval, ranks, errors, counts and shapes against the printed spectra and each other."""
    spectra = (_spectrum("layer1.singular_values"), _spectrum("layer2.singular_values4"))
    energies = [declared.find(EXPECTATIONS, f"layer{n}.energy") for n in (1, 2)]
    rank, errors = (
        _number("layer1.rank95"),
        [_number(f"layer{n}.reconstruction_error", rule="spread") for n in (1, 2)],
    )
    return [
        parseval(spectra[0], energies[0]),
        parseval_rest(spectra[1], energies[1], int(_number("layer2.singular_count"))),
        rank_95(spectra[0], int(rank)),
        *(machine_epsilon(n, errors[n - 1], spectra[n - 1]) for n in (1, 2)),
        masks_possible(int(_number("relu.masks_possible", place=RESULTS)), CHANNELS),
        masks_within(
            _number("relu.masks", place=RESULTS),
            _number("relu.masks_possible", place=RESULTS),
            _number("relu.patches"),
        ),
        negligible(spectra[0]),
        shapes({name: declared.find(EXPECTATIONS, f"shapes.{name}").value for name in _SHAPES}),
        spectrum_length(
            declared.find(EXPECTATIONS, "shapes.weight2").value, int(_number("layer2.singular_count"))
        ),
        *declared.repeats(SOURCE.slug, EXPECTATIONS),
    ]


_SHAPES = ("conv1", "pool1", "conv2", "pool2", "logits", "weight1", "weight2", "weight_fc")


def _spectrum(metric: str) -> list[Interval]:
    return declared.numbers(declared.find(EXPECTATIONS, metric))


def _number(metric: str, **fields: object) -> Number:
    return declared.number(declared.find(EXPECTATIONS, metric, **fields))


def parseval(spectrum: Sequence[Interval], energy: Expectation) -> AuditFinding:
    """Hold the sum of squares of a whole printed spectrum against the printed squared norm."""
    squares = total(sigma.squared() for sigma in spectrum)
    return _finding(
        place=RESULTS,
        claim=energy.row,
        check="Parseval: sum of squares of the printed singular values",
        found=f"Σσᵢ² is {squares}",
        consistent=squares.overlaps(declared.allowed(energy)),
    )


def parseval_rest(spectrum: Sequence[Interval], energy: Expectation, count: int) -> AuditFinding:
    """Hold the energy that unprinted singular values must have against what they can have: none exceeds the last printed one."""
    rest = declared.allowed(energy) - total(sigma.squared() for sigma in spectrum)
    possible = Interval(exact(0), ((count - len(spectrum)) * spectrum[-1].high ** 2))
    return _finding(
        place=RESULTS,
        claim=energy.row,
        check=f"Parseval: squares of the {len(spectrum)} printed of {count} singular values",
        found=f"the other {count - len(spectrum)} must hold {rest}, and can hold {possible}",
        consistent=rest.overlaps(possible),
    )


def rank_95(spectrum: Sequence[Interval], said: int) -> AuditFinding:
    """Hold the printed rank for 95% energy against the cumulative energy of the printed spectrum."""
    squares = [sigma.squared() for sigma in spectrum]
    kept, before = (_share(squares, rank) for rank in (said, said - 1))
    level = exact(0.95)
    fits = kept.high >= level and before.low < level
    return _finding(
        place=RESULTS,
        claim=f"{said} of {len(spectrum)} components capture 95% energy",
        check="cumulative energy of the printed singular values",
        found=f"{said} capture {kept}, {said - 1} capture {before}",
        consistent=fits,
    )


def _share(squares: Sequence[Interval], rank: int) -> Interval:
    """Return the energy of the first `rank` over all, as head / (head + tail) so that neither is counted twice."""
    head, tail = total(squares[:rank]), total(squares[rank:])
    return Interval(head.low / (head.low + tail.high), head.high / (head.high + tail.low))


def machine_epsilon(layer: int, error: Number, spectrum: Sequence[Interval]) -> AuditFinding:
    """Hold a printed reconstruction error against float32's spacing at the size of the largest singular value."""
    bound = exact(FLOAT32_EPSILON) * spectrum[0].high
    return _finding(
        place=RESULTS,
        claim=f"exact decomposition confirmed to machine epsilon (Layer {layer})",
        check="2⁻²³ × largest singular value (float32)",
        found=f"error {show(error)}, bound {show(bound)}",
        consistent=error <= bound,
    )


def masks_possible(said: int, channels: int) -> AuditFinding:
    """Hold the largest number of masks against two to the number of channels."""
    return _finding(
        place="ReLU Subspace Analysis",
        claim=f"{said} theoretical maximum",
        check=f"2 to the power of {channels} channels",
        found=f"2^{channels} = {2**channels}",
        consistent=2**channels == said,
    )


def masks_within(masks: Number, possible: Number, patches: Number) -> AuditFinding:
    """Hold the masks found against what patches and channels allow."""
    return _finding(
        place=RESULTS,
        claim=f"{show(masks)} unique activation masks",
        check="at most one mask a patch, and at most the theoretical maximum",
        found=f"{show(masks)} of {show(min(possible, patches))}",
        consistent=masks <= min(possible, patches),
    )


def negligible(spectrum: Sequence[Interval]) -> AuditFinding:
    """Compute the energy of layer 1's last quarter, which 'negligible' speaks of without a number."""
    kept = len(spectrum) * 3 // 4
    share = Interval(exact(1), exact(1)) - _share([sigma.squared() for sigma in spectrum], kept)
    return _finding(
        place=TEXT,
        claim="the bottom singular components carry negligible energy",
        check=f"energy of components {kept + 1} to {len(spectrum)} of Layer 1",
        found=f"share {share}; smallest over largest singular value {spectrum[-1] / spectrum[0]}",
        consistent=None,
    )


def shapes(printed_shapes: Mapping[str, typing.Any]) -> AuditFinding:
    """Follow the image through the network: each printed shape must result from the one before."""
    said = {name: [int(size) for size in shape] for name, shape in printed_shapes.items()}
    first, second = said["conv1"][0], said["conv2"][0]
    sides = [IMAGE]
    for _ in range(2):
        sides += [sides[-1] - KERNEL + 1, (sides[-1] - KERNEL + 1) // POOL]
    expected = {
        "conv1": [first, sides[1], sides[1]],
        "pool1": [first, sides[2], sides[2]],
        "conv2": [second, sides[3], sides[3]],
        "pool2": [second, sides[4], sides[4]],
        "logits": [10],
        "weight1": [first, KERNEL**2],
        "weight2": [second, first * KERNEL**2],
        "weight_fc": [10, second * sides[4] ** 2],
    }
    wrong = [name for name, shape in expected.items() if said[name] != shape]
    told = ", ".join(f"{name} {said[name]} should be {expected[name]}" for name in wrong)
    return _finding(
        place=SHAPES,
        claim="output and weight shapes of every layer",
        check="3×3 without padding and pooling by 2, from 28×28",
        found=told or " → ".join(map(str, itertools.chain(sides, [second * sides[4] ** 2]))),
        consistent=not wrong,
    )


def spectrum_length(weight: typing.Any, said: int) -> AuditFinding:  # noqa: ANN401 - a value as declared
    """Hold the number of singular values against the smaller side of the matrix."""
    sides = [int(size) for size in weight]
    return _finding(
        place=RESULTS,
        claim=f"{said} values (Layer 2)",
        check=f"smaller side of W, {sides[0]} × {sides[1]}",
        found=str(min(sides)),
        consistent=min(sides) == said,
    )
