"""Source audit: the published numbers held against each other; nothing is run.

Every finding is computed from declared expectations or from constants with their place, by exact intervals of what the printed
digits allow.
"""

from __future__ import annotations

from harness.sources.auditing import AuditFinding
from harness.sources.digits1000_cnn import audit as digits1000_cnn
from harness.sources.kmnist_svd_logreg import audit as kmnist_svd_logreg
from harness.sources.mnist_autoencoder import audit as mnist_autoencoder
from harness.sources.mnist_interpolation import audit as mnist_interpolation
from harness.sources.tinyconvnet_svd import audit as tinyconvnet_svd

SOURCES = (kmnist_svd_logreg, mnist_autoencoder, tinyconvnet_svd, mnist_interpolation, digits1000_cnn)

__all__ = ["SOURCES", "AuditFinding", "audit"]


def audit() -> list[AuditFinding]:
    """Check the numbers of all five sources, source by source."""
    return [finding for source in SOURCES for finding in source.audit()]
