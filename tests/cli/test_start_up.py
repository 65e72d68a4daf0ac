"""What the commands import: the heavy libraries stay out of those that do without."""

from __future__ import annotations

import json
import subprocess
import sys
import typing

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

HEAVY = {"scipy.stats", "pandas", "sklearn", "ruptures", "torch", "tensorflow", "keras", "jax", "dask"}


def test_one_run_is_measured_judged_shown_and_listed_without_heavy_libraries(harness: Harness) -> None:
    """A run of a small scenario, its judgement and its report need neither `scipy.stats` nor pandas nor scikit-learn."""
    words = ["--scenarios", harness.scenario("SCENARIO = declare(guess)")]
    commands = [
        ["run", "probe", "--out", "out", *words],
        *([name, "out", *words] for name in ("judge", "report")),
    ]
    code = (
        "import json, sys; from harness.cli import main; "
        f"print('\\n', json.dumps([[main(words) for words in {commands!r}], sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=harness.folder, env=harness.environment
    )  # fmt: skip
    codes, modules = json.loads(done.stdout.splitlines()[-1])
    assert codes == [0, 0, 0], done.stderr
    assert not HEAVY & set(modules)


def test_scenarios_are_listed_without_numpy(harness: Harness) -> None:
    """`harness list` starts with what declares scenarios, and nothing that computes."""
    code = "import json, sys; from harness.cli import main; code = main(['list']); print(json.dumps([code, sorted(sys.modules)]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=harness.folder, env=harness.environment
    )  # fmt: skip
    found, modules = json.loads(done.stdout.splitlines()[-1])
    assert found == 0, done.stderr
    assert not {"numpy", "matplotlib", "urllib.request", *HEAVY} & set(modules)
