"""Data sets: `load` finds, verifies and memory-maps, `fetch` downloads, `status` tells what is there."""

from harness.datasets.declared import DECLARED
from harness.datasets.fetching import fetch
from harness.datasets.listing import Status, status
from harness.datasets.loading import Dataset, Split, load

NAMES = tuple(DECLARED)

__all__ = ["NAMES", "Dataset", "Split", "Status", "fetch", "load", "status"]
