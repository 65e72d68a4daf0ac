"""solettaproject/soletta#1480: a checkout counts as changed for what lies in a submodule, though its commit holds it."""

from __future__ import annotations

import subprocess
import typing

import pytest

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

NAMED = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> None:
    """Call git in a folder."""
    subprocess.run(["git", *NAMED, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.slow
def test_a_submodule_s_file_is_part_of_the_commit(harness: Harness) -> None:
    """A tracked scenario file of a submodule leaves the commit clean; one that no commit holds, or that was changed, makes it dirty."""
    part, whole = harness.folder / "part", harness.folder / "whole"
    for folder in (part, whole):
        folder.mkdir()
        git(folder, "init", "-q")
    (part / "probe.py").write_text(
        (harness.folder / harness.scenario("SCENARIO = declare(guess)")).read_text()
    )
    git(part, "add", "-A")
    git(part, "commit", "-qm", "part")
    git(whole, "submodule", "--quiet", "add", str(part), "sub")
    git(whole, "commit", "-qm", "whole")
    harness.folder = whole

    def commit(name: str) -> str:
        done = harness("run", "probe", "--scenarios", name, "--out", "../out", "--no-count", "--force")
        assert done.code == 0, done.err
        return str(harness.job("../out")["commit"])

    assert len(commit("sub/probe.py")) == 40
    (whole / "sub" / "new.py").write_text((part / "probe.py").read_text())
    assert commit("sub/new.py").endswith("+dirty")
    (whole / "sub" / "new.py").rename(whole / "sub" / "probe.py")
    with (whole / "sub" / "probe.py").open("a") as file:
        file.write("\n# changed\n")
    assert commit("sub/probe.py").endswith("+dirty")
