"""Azure/azure-devops-cli-extension#571, nf-core/tools#1266: a list of choices that nobody can read."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished


@pytest.mark.slow
def test_an_unknown_name_among_thousands(run_probe: Callable[..., Finished]) -> None:
    """The nearest of three thousand variants is said, and how many more there are; the line stays short."""
    many = "SCENARIO = declare(guess, variants=tuple(Variant(name=f'v{n}') for n in range(3000)))"
    done = run_probe(many, "probe:v29999")
    assert done.code == 2
    assert "Did you mean 'v2999'?" in done.err
    assert "and 2,976 more" in done.err
    assert len(done.err) < 500
