"""The two sides of `harness gate --against REF`: each runs its own commit's code, in one environment, in one job.

`opened` checks both commits out, `check` sees that they can run, `requests_of` and `interleave` say what runs when, and `prove`
sees that each side ran its own code. Nothing in the user's checkout, index or branches changes.
"""

from harness.running.sides.opening import Sides, interleave, opened, requests_of
from harness.running.sides.proof import check, declared, lacking, prove

__all__ = ["Sides", "check", "declared", "interleave", "lacking", "opened", "prove", "requests_of"]
