"""Data sets: `load` finds, verifies and memory-maps, `fetch` downloads, `status` tells what is there."""

from harness.datasets.declared import DECLARED
from harness.datasets.fetching import fetch
from harness.datasets.listing import Status, status
from harness.datasets.loading import Dataset, Split, is_decoded, load

NAMES = tuple(DECLARED)

__all__ = ["NAMES", "Dataset", "Split", "Status", "fetch", "is_decoded", "load", "status"]
