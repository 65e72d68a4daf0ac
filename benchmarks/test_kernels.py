"""The kernels under pytest-benchmark: ``pytest benchmarks/ --benchmark-json FILE``; torch's and Keras's by ``-m torch``, ``-m keras``.

One group a kernel, ours beside the plain way. How far the results differ stands in ``extra_info`` and fails the test if it is too far.
"""

from __future__ import annotations

import typing

import pytest

from benchmarks import kernels

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from benchmarks.pairs import Data, Pair


def _parameters() -> Iterator[typing.Any]:
    """Yield every kernel with each of its ways."""
    for name in kernels.NAMES:
        framework = kernels.FRAMEWORKS.get(name)
        marks = [getattr(pytest.mark, framework)] if framework else []
        ways = ("ours",) if name in kernels.JUDGING else ("ours", "plain")
        yield from (pytest.param(name, way, marks=marks, id=f"{name}-{way}") for way in ways)


@pytest.fixture(scope="module")
def kernel(request: pytest.FixtureRequest, data: Data) -> tuple[str, Pair, float]:
    """Set up a kernel once for both ways, and hold their results against each other before either is timed: both may train on."""
    framework = kernels.FRAMEWORKS.get(request.param)
    if framework:
        pytest.importorskip(framework)
    pair = kernels.make(request.param, data)
    return request.param, pair, pair.difference()


@pytest.mark.parametrize(("kernel", "way"), list(_parameters()), indirect=["kernel"])
def test_kernel(kernel: tuple[str, Pair, float], way: str, benchmark: BenchmarkFixture) -> None:
    """Time one way of a kernel; its result is right to the difference allowed."""
    name, pair, difference = kernel
    call = pair.way(way)
    assert call is not None
    benchmark.group = name
    benchmark.extra_info |= {
        "kernel": name, "way": way, "what": pair.name, "data": pair.data, "work": pair.work[way == "plain"],
        "difference": difference, "difference_allowed": pair.allowed,
    }  # fmt: skip
    benchmark.pedantic(call, rounds=5, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert difference <= pair.allowed
