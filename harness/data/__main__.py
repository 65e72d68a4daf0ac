"""Decode data sets into the cache: ``python -m harness.data NAME ...``; workers start it so that their own memory stays clean."""

from __future__ import annotations

import sys

from harness.data import load

if __name__ == "__main__":
    for name in sys.argv[1:]:
        load(name)
