"""The site that `asv publish` writes, in a real browser: it draws the exported series."""

from __future__ import annotations

import itertools
import typing

import pytest

from tests.exporters import asv_pages

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.exporters.conftest import Project

pytestmark = pytest.mark.browser

NAME = "harness.probe.short.good.error_rate"


def test_the_published_site_draws_the_series(project: Project, tmp_path: Path) -> None:
    """The graph page of the exported benchmark has its name, its two commits as points, and a drawn curve."""
    done = project.asv("publish")
    assert done.returncode == 0, done.stderr
    local = asv_pages.libraries(tmp_path)
    with asv_pages.served(project.folder / "html", local) as site, asv_pages.opened() as page:
        drawn = asv_pages.series(page, f"{site}#{NAME}", local)
        assert NAME in page.inner_text("#title")
    assert list(itertools.chain(*drawn)) == [0.09, 0.39]
