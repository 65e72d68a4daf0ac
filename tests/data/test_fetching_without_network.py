"""What `fetch` does where nothing is downloaded."""

from __future__ import annotations

from typing import Any

import pytest

from harness import data
from harness.errors import UnknownNameError


def test_excerpts_need_no_fetching(small: Any) -> None:
    """Fetching what travels in the package just loads it."""
    assert data.fetch("mnist-excerpt").complete


def test_unknown_names_are_corrected() -> None:
    """A misspelt name is answered before anything is tried."""
    with pytest.raises(UnknownNameError, match="Did you mean 'kmnist'"):
        data.fetch("kmnst")


def test_complete_cached_data_are_not_fetched_again(small: Any) -> None:
    """Data that lie complete in the cache are loaded without torchvision, whatever HARNESS_DATA names."""
    small.cache.mkdir()
    (small.root / "MNIST").rename(small.cache / "MNIST")
    assert data.fetch("mnist").origin == "cache"


def test_missing_torchvision_says_how_to_install_it(small: Any) -> None:
    """Without torchvision the error is one line with the exact command, and nothing is left behind."""
    out = small.child(
        "import sys; sys.modules['torchvision'] = None\n"
        "from harness import data as datasets; from harness.errors import MissingExtraError\n"
        "try: datasets.fetch('kmnist')\nexcept MissingExtraError as error: print(error)"
    )
    assert out == (
        "fetching kmnist needs torchvision, which is not installed. "
        "Type: pip install 'report-harness[torch]'\n"
    )
    assert [path.name for path in small.cache.iterdir()] == ["fetch-kmnist.lock"]


def test_a_cache_that_cannot_be_written_is_named(small: Any) -> None:
    """Without permission on the cache folder, fetching is an error that names the file that cannot be written there."""
    small.cache.mkdir()
    small.cache.chmod(0o555)
    out = small.child(
        "import os; import filelock; from harness import data as datasets; from harness.errors import StorageError\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: datasets.fetch('kmnist')\nexcept StorageError as error: print(error)"
    )
    assert out.startswith(f"cannot lock {small.cache}/fetch-kmnist.lock: permission denied. Give yourself")
