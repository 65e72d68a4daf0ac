"""What one check of published numbers against each other found."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """A claim of a source held against its other numbers; nothing was run for it."""

    source: str
    """Slug of the source."""
    place: str
    """Where the claim stands."""
    claim: str
    """What is said."""
    check: str
    """What it was held against."""
    found: str
    """What came out, with numbers."""
    consistent: bool | None
    """True or False as computed; None where the prints leave it open."""
