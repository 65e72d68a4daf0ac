"""Speed and memory of what the harness does, each beside the plain way of doing the same."""

from benchmarks import proof

proof.refuse_elsewhere()
