"""Source audit: the published numbers held against each other; nothing is run.

Every finding is computed from declared expectations or from constants with their place, by exact interval arithmetic on
what the printed digits allow.
"""

from __future__ import annotations

from harness.audit import (
    digits1000_cnn,
    kmnist_svd_logreg,
    mnist_autoencoder,
    mnist_interpolation,
    tinyconvnet_svd,
)
from harness.audit.findings import AuditFinding

SOURCES = (kmnist_svd_logreg, mnist_autoencoder, tinyconvnet_svd, mnist_interpolation, digits1000_cnn)

__all__ = ["SOURCES", "AuditFinding", "audit"]


def audit() -> list[AuditFinding]:
    """Check the numbers of all five sources, source by source."""
    return [finding for source in SOURCES for finding in source.audit()]
