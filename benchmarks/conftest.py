"""Kernels of a framework run only when asked for, by ``-m torch`` or ``-m keras``: no process may load two."""

from __future__ import annotations

import os
import typing

import pytest

from benchmarks import kernels

if typing.TYPE_CHECKING:
    from benchmarks.pairs import Data

FRAMEWORKS = sorted(set(kernels.FRAMEWORKS.values()))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse two frameworks at once; set what a framework reads when it is first imported."""
    frameworks = [name for name in FRAMEWORKS if name in config.option.markexpr.replace(f"not {name}", "")]
    if len(frameworks) > 1:
        message = (
            f"-m '{config.option.markexpr}': {' and '.join(frameworks)} abort in one process; name one a call"
        )
        raise pytest.UsageError(message)
    for variable, value in kernels.ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the kernels of every framework that no marker expression names."""
    left = [name for name in FRAMEWORKS if name not in config.option.markexpr]
    out = [item for item in items if any(item.get_closest_marker(name) for name in left)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture(scope="session")
def data() -> Data:
    """Load the kernels' data once."""
    from benchmarks import pairs

    return pairs.load()
