"""pytest-dev/pytest#354, bloomberg/pytest-memray#144: names that are made of parameters and become longer than a file's name may be."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished


@pytest.mark.slow
def test_the_name_is_what_is_wrong(run_probe: Callable[..., Finished]) -> None:
    """A variant's name that no folder can have is refused with a next step that mends it; another --out would not."""
    done = run_probe("SCENARIO = declare(guess, variants=(Variant(name='v' * 240),))")
    assert done.code == 2
    assert "the name is too long. Choose a shorter name" in done.err
