"""dask/distributed#2815: what a site sets for its Dask clusters keeps a cluster of this machine from starting."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness


@pytest.mark.system
def test_a_cluster_of_this_machine_takes_nothing_from_a_site(
    run_probe: Callable[..., Finished], harness: Harness
) -> None:
    """Encryption without certificates, a preload that is not there, and workers that live for a second: the run ends as anywhere."""
    done = run_probe(
        "import time\ndef measure(run):\n    time.sleep(1.5)\n    guess(run)\nSCENARIO = declare(measure)",
        "--executor",
        "dask",
        "--no-count",
        DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION="true",
        DASK_DISTRIBUTED__WORKER__PRELOAD='["a_module_of_the_site"]',
        DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION="1s",
        DASK_TEMPORARY_DIRECTORY="/proc/nothing",
    )
    assert done.code == 0, done.err
    assert harness.job("out")["results"][0]["status"] == "ok"
