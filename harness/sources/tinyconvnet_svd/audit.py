"""Checks of 'Linear Algebraic Approaches to Image Classification'."""

from __future__ import annotations

import functools
import itertools
import typing

from harness.sources.auditing import (
    AuditFinding,
    Interval,
    allowed,
    as_interval,
    exact,
    find,
    number,
    numbers,
    repeats,
    show,
    total,
)
from harness.sources.tinyconvnet_svd.published import EXPECTATIONS, RESULTS, SHAPES, SOURCE, TEXT

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from harness.records import Expectation

FLOAT32_EPSILON = 2.0**-23
"""Spacing of float32 above 1 (IEEE 754); PyTorch trains in float32 unless told otherwise."""
KERNEL, POOL, IMAGE = 3, 2, 28
"""Network table: 3×3 convolutions without padding, MaxPool(2), 28×28 images."""
CHANNELS = 8
"""ReLU Subspace Analysis: layer 1 has 8 output channels."""

_finding = functools.partial(AuditFinding, SOURCE.slug)


def audit(expectations: Sequence[Expectation] = EXPECTATIONS) -> list[AuditFinding]:
    """Check Parseval, ranks, errors, counts and shapes against the printed spectra and each other."""
    return [*_spectra(expectations), *_network(expectations), *repeats(SOURCE.slug, expectations)]


def _spectra(expectations: Sequence[Expectation]) -> Iterator[AuditFinding]:
    first = numbers(find(expectations, "layer1.singular_values"))
    second = numbers(find(expectations, "layer2.singular_values4"))
    squares, leading = [sigma * sigma for sigma in first], total(sigma * sigma for sigma in second)
    energies = [find(expectations, f"layer{layer}.energy") for layer in (1, 2)]
    whole, count = total(squares), int(number(find(expectations, "layer2.singular_count")))

    check = "Parseval: sum of squares of the printed singular values"
    holds = whole.overlaps(allowed(energies[0]))
    yield _finding(RESULTS, energies[0].row, check, f"Σσᵢ² is {whole}", holds)

    # none of the unprinted singular values exceeds the last printed one
    missing = count - len(second)
    rest, possible = allowed(energies[1]) - leading, Interval(exact(0), missing * second[-1].high ** 2)
    check = f"Parseval: squares of the {len(second)} printed of {count} singular values"
    found = f"the other {missing} must hold {rest}, and can hold {possible}"
    yield _finding(RESULTS, energies[1].row, check, found, rest.overlaps(possible))

    rank = int(number(find(expectations, "layer1.rank95")))
    kept, before = _share(squares, rank), _share(squares, rank - 1)
    claim = f"{rank} of {len(squares)} components capture 95% energy"
    check, found = (
        "cumulative energy of the printed singular values",
        f"{rank} capture {kept}, {rank - 1} capture {before}",
    )
    yield _finding(RESULTS, claim, check, found, kept.high >= exact(0.95) and before.low < exact(0.95))

    for layer, spectrum in ((1, first), (2, second)):
        error = number(find(expectations, f"layer{layer}.reconstruction_error", rule="spread"))
        bound = exact(FLOAT32_EPSILON) * spectrum[0].high
        claim = f"exact decomposition confirmed to machine epsilon (Layer {layer})"
        found = f"error {show(error)}, bound {show(bound)}"
        yield _finding(RESULTS, claim, "2⁻²³ × largest singular value (float32)", found, error <= bound)

    yield from _masks(expectations)

    quarter = len(first) * 3 // 4
    share = as_interval(1) - _share(squares, quarter)
    claim = "the bottom singular components carry negligible energy"
    check = f"energy of components {quarter + 1} to {len(first)} of Layer 1"
    found = f"share {share}; smallest over largest singular value {first[-1] / first[0]}"
    yield _finding(TEXT, claim, check, found, None)


def _share(squares: Sequence[Interval], rank: int) -> Interval:
    """Return the energy of the first `rank` over all, as head / (head + tail) so that neither is counted twice."""
    head, tail = total(squares[:rank]), total(squares[rank:])
    return Interval(head.low / (head.low + tail.high), head.high / (head.high + tail.low))


def _masks(expectations: Sequence[Expectation]) -> Iterator[AuditFinding]:
    possible, masks = (
        number(find(expectations, name, place=RESULTS)) for name in ("relu.masks_possible", "relu.masks")
    )
    most: Fraction = min(possible, number(find(expectations, "relu.patches")))
    claim, check = f"{possible} theoretical maximum", f"2 to the power of {CHANNELS} channels"
    found = f"2^{CHANNELS} = {2**CHANNELS}"
    yield _finding("ReLU Subspace Analysis", claim, check, found, possible == 2**CHANNELS)
    claim, check = (
        f"{show(masks)} unique activation masks",
        "at most one mask a patch, and at most the theoretical maximum",
    )
    yield _finding(RESULTS, claim, check, f"{show(masks)} of {show(most)}", masks <= most)


def _network(expectations: Sequence[Expectation]) -> Iterator[AuditFinding]:
    """Follow the image through the network: each printed shape must result from the one before."""
    said: Mapping[str, list[int]] = {
        e.metric.removeprefix("shapes."): [int(size) for size in typing.cast("list[float]", e.value)]
        for e in expectations
        if e.metric.startswith("shapes.")
    }
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
    listed = ", ".join(f"{name} {said[name]} should be {expected[name]}" for name in wrong)
    way = " → ".join(map(str, itertools.chain(sides, [second * sides[4] ** 2])))
    check = "3×3 without padding and pooling by 2, from 28×28"
    yield _finding(SHAPES, "output and weight shapes of every layer", check, listed or way, not wrong)

    count, (rows, columns) = int(number(find(expectations, "layer2.singular_count"))), said["weight2"]
    claim, check = f"{count} values (Layer 2)", f"smaller side of W, {rows} × {columns}"
    yield _finding(RESULTS, claim, check, str(min(rows, columns)), min(rows, columns) == count)
