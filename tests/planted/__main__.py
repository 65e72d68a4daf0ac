"""Run the planted regressions and write their table: ``python -m tests.planted [--markdown FILE]``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the suite in a process of its own; return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    asked = parser.parse_args()
    named = {"HARNESS_PLANTED_TABLE": str(asked.markdown.absolute())} if asked.markdown else {}
    command = [sys.executable, "-m", "pytest", "-m", "planted", "-q", "-s", str(Path(__file__).parent)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **named, "HARNESS_PLANTED_LONG": "1"}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
