"""Data sets: `load` finds, verifies and memory-maps, `fetch` downloads, `status` tells what is there."""

from harness.data.declared import DECLARED
from harness.data.fetching import fetch
from harness.data.loading import Dataset, Split, Status, is_decoded, load, status

NAMES = tuple(DECLARED)

__all__ = ["NAMES", "Dataset", "Split", "Status", "fetch", "is_decoded", "load", "status"]
