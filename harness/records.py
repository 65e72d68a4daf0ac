"""Every frozen record, in flow order; no input or output."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class IdentityCheck:
    """One linear-algebra identity, measured: the error found and the error that rounding alone explains."""

    name: str
    """Matrix and identity, e.g. ``"W1.parseval"``."""
    error: float
    """Violation found, absolute, in the unit that `formula` states."""
    tolerance: float
    """Largest error that rounding explains, same unit as `error`; follows from dtype, shape and norm."""
    formula: str
    """The identity and its error norm, as text."""
    detail: str
    """Dtype and unit roundoff that set the tolerance, shape, and the index of a batch's worst matrix."""

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; NaN never is."""
        return self.error <= self.tolerance
