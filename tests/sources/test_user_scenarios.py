"""A user's scenarios run, get baselines and show like the built-in ones, from a file or from an installed package."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

METADATA = "Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n"


def install(harness: Harness, value: str) -> str:
    """Lay an installed package with an entry point into a folder and return the folder, for PYTHONPATH."""
    site = harness.folder / "site"
    (site / "their_package-1.0.dist-info").mkdir(parents=True)
    (site / "their_package-1.0.dist-info" / "METADATA").write_text(METADATA)
    (site / "their_package-1.0.dist-info" / "entry_points.txt").write_text(
        f"[harness.scenarios]\nprobe = {value}\n"
    )
    harness.scenario("SCENARIO = declare(guess)", "their_module.py")
    (harness.folder / "their_module.py").rename(site / "their_module.py")
    inherited = harness.environment.get("PYTHONPATH", "")
    return f"{site}:{inherited}" if inherited else str(site)


def test_an_installed_package_brings_scenarios(harness: Harness) -> None:
    """A scenario behind an entry point is listed, run and reported without any option."""
    path = install(harness, "their_module:SCENARIO")
    assert "probe (version 1)" in harness("list", PYTHONPATH=path).out
    done = harness("run", "probe", "--out", "out", PYTHONPATH=path)
    assert done.code == 0, done.out + done.err
    assert "probe" in (harness.folder / "out" / "index.html").read_text()


def test_a_broken_entry_point_is_named(harness: Harness) -> None:
    """An entry point that cannot be loaded is one error that names it."""
    done = harness("list", PYTHONPATH=install(harness, "their_module:NOTHING"))
    assert done.code == 2
    assert "entry point 'probe'" in done.err
    assert "Traceback" not in done.err


MEASURED = """
def measure(run):
    with run.stage("work"):
        guess(run)

SCENARIO = declare(measure, gated=("accuracy", "total.above_imports_bytes"), deterministic=True)
"""


def test_baselines_of_a_user_scenario(harness: Harness) -> None:
    """Runs of a file's scenario become a baseline of the next run; memory of another number of threads is not compared with it."""
    run = ("run", "probe", "--scenarios", harness.scenario(MEASURED))
    file = run[2:]
    harness.repository()
    assert harness(*run, "--seeds", "5", "--no-count", "--out", "first").code == 0
    proposed = harness("baseline", "propose", "first", *file, "--who", "T", "--reason", "test")
    assert proposed.code == 0, proposed.err
    assert "new" in harness("baseline", "diff", "first").out
    assert harness("baseline", "accept", "first").code == 0
    shown = harness("baseline", "show", "probe", *file).out
    assert "by T" in shown
    assert "reason: test" in shown
    done = harness(*run, "--out", "second", "--threads", "2")
    assert done.code == 0, done.out + done.err
    judged = {j["metric"]: j for j in harness.job("second")["comparisons"][0]["judgements"]}
    assert judged["accuracy"]["verdict"] == "PASS"
    assert judged["accuracy"]["place"].startswith("baselines/probe/default/smoke/")
    memory = judged["total.above_imports_bytes"]
    assert memory["verdict"] == "INCOMPARABLE"
    assert "threads: 2, not 1" in memory["reason"]


KIDS = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import helper

def square(x):
    return helper.times(x, x)

def measure(run):
    how = run.options["how"]
    with run.stage("train"):
        if how == "joblib":
            from joblib import Parallel, delayed
            found = Parallel(n_jobs=2)(delayed(square)(i) for i in range(4))
        else:
            with ProcessPoolExecutor(1, multiprocessing.get_context(how)) as pool:
                found = list(pool.map(square, range(4)))
    assert found == [0, 1, 4, 9], found
    guess(run)

VARIANTS = tuple(Variant(name=how, options={"how": how}) for how in ("joblib", "spawn", "forkserver"))
SCENARIO = declare(measure, deterministic=True, name=NAME, variants=VARIANTS)
"""


@pytest.mark.slow
def test_helper_processes_find_the_scenario_s_functions(harness: Harness) -> None:
    """Functions of a scenario file, and of a module next to it, are found in helper processes; also in files of equal or taken names."""
    for folder, name in (("one", "kids"), ("two", "more_kids"), ("three", "bisect")):
        (harness.folder / folder).mkdir()
        factor = {"one": "x * y", "two": "y * x", "three": "x * y + 0"}[folder]
        (harness.folder / folder / "helper.py").write_text(f"def times(x, y):\n    return {factor}\n")
        harness.scenario(
            KIDS.replace("NAME", repr(name)), f"{folder}/{'bisect' if folder == 'three' else 'kids'}.py"
        )
    paths = [
        word for file in ("one/kids.py", "two/kids.py", "three/bisect.py") for word in ("--scenarios", file)
    ]
    done = harness("run", "kids:all", "more_kids:all", "bisect:joblib", *paths, "--no-count", "--out", "out")
    assert done.code == 0, done.out + done.err
    assert len(harness.job("out")["results"]) == 7
