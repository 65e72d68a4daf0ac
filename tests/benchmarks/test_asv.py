"""The asv suite by the real asv: checked, run over two commits of the harness in one environment, published, seen in a browser."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import typing

import pytest

from benchmarks import asv_kernels, asv_scenarios, kernels
from harness.sources import catalogue
from tests.benchmarks import asv_pages
from tests.benchmarks.conftest import ROOT

if typing.TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.benchmarks.conftest import Suite

pytestmark = pytest.mark.system

MARK, CHEAP = "mark.track_mark", "asv_kernels.Im2col.track_difference"


@pytest.fixture(scope="module")
def measured(suite: Suite) -> Suite:
    """Run two cheap benchmarks for both commits, with the suite's own loop."""
    first, *_ = suite.commits
    done = suite.run("benchmarks.history", "--commits", f"{first}..HEAD", "--quick", "-b", MARK, "-b", CHEAP)
    assert done.returncode == 0, done.stdout + done.stderr
    return suite


def test_asv_check(suite: Suite) -> None:
    """`asv check` imports the whole suite and finds every call well formed."""
    done = suite.asv("check", "-E", f"existing:{sys.executable}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No problems found" in done.stdout


def test_each_commit_is_measured_with_its_own_harness(measured: Suite) -> None:
    """What a benchmark returns comes from the commit that its result is filed under, on a detached checkout too."""
    _, *commits = measured.commits
    found = measured.results()
    assert {commit: values[MARK] for commit, values in found.items()} == {commits[0]: [1], commits[1]: [2]}
    assert [found[commit][CHEAP] for commit in commits] == [[0.0], [0.0]]
    proof = json.loads((measured.folder / ".asv" / "proof.json").read_text())
    assert proof == dict.fromkeys(commits, "harness/__init__.py")
    assert measured.git("status", "--porcelain") == ""
    assert len(measured.git("worktree", "list").splitlines()) == 1


def test_the_current_commit_in_an_existing_environment(measured: Suite) -> None:
    """`asv run -E existing: --set-commit-hash` adds a result to the commit's others; data is loaded once for all kernels."""
    commit = measured.commits[2]
    done = measured.asv(
        "run", "-E", f"existing:{sys.executable}", "--set-commit-hash", commit, "--quick", "-b", "Im2col",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = measured.results()[commit]
    assert found[MARK] == [2]
    assert all(value > 0 for value in found["asv_kernels.Im2col.time_call"])
    assert all(value > 2**24 for value in found["asv_kernels.Im2col.peakmem_call"])
    assert found["asv_kernels.Im2col.track_added_bytes"][0] > 0
    assert done.stdout.count("Setting up") == 1


def test_one_run_feeds_all_metrics_of_a_scenario(measured: Suite) -> None:
    """All metrics and stages of a scenario share one setup_cache, no two scenarios do, and none is an accuracy."""
    declared = measured.benchmarks()
    keys: dict[str, set[str]] = {}
    for name, found in declared.items():
        if name.startswith("asv_scenarios."):
            keys.setdefault(name.split(".")[1].removesuffix("Stages"), set()).add(found["setup_cache_key"])
    assert sorted(map(len, keys.values())) == [1] * 5
    assert len(set.union(*keys.values())) == 5
    assert not [name for name in declared if "accuracy" in name]
    assert {name.split("_")[0] for _, name in (name.rsplit(".", 1) for name in declared)} == {
        "time",
        "peakmem",
        "track",
    }


def test_asv_publish(measured: Suite, tmp_path: Path, browser: Browser) -> None:
    """The published site draws one point for each commit, in a real browser."""
    done = measured.asv("publish")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = measured.folder / ".asv" / "html"
    index = json.loads((pages / "index.json").read_text())
    assert {MARK, CHEAP} <= index["graph_param_list"][0].keys() | index["benchmarks"].keys()
    local = asv_pages.libraries(tmp_path)
    with asv_pages.served(pages, local) as site:
        drawn = asv_pages.series(browser.new_page(), f"{site}#{MARK}", local)
    assert list(itertools.chain(*drawn)) == [1, 2]


def test_every_kernel_and_every_smoke_scenario_is_in_the_suite() -> None:
    """Every kernel has its class; every scenario its default variant, with stages that the harness has measured before."""
    classes = [found for found in vars(asv_kernels).values() if hasattr(found, "kernel")]
    assert {found.kernel for found in classes} == set(kernels.NAMES) - {"stacked_logreg_float32"}
    declared = catalogue.load_all(())
    named = {
        _slug(name): found for name, found in vars(asv_scenarios).items() if hasattr(found, "setup_cache")
    }
    assert {name for name in named if not name.endswith("_stages")} == declared.keys()
    for name, scenario in declared.items():
        variants, stages = named[f"{name}_stages"].params
        assert named[name].params == (variants,)
        assert scenario.variants[0].name in variants
        assert set(variants) <= {variant.name for variant in scenario.variants}
        assert set(stages) <= _stages_before(name, variants[0])


def _slug(name: str) -> str:
    known = {name.replace("_", ""): name for name in catalogue.load_all(())}
    plain = name.lower()
    return known.get(plain) or f"{known.get(plain.removesuffix('stages'))}_stages"


def _stages_before(scenario: str, variant: str) -> set[str]:
    (path, *_) = sorted((ROOT / "baselines" / scenario / variant / "smoke").glob("*.json"))
    return set(re.findall(r'"(\w+)\.peak_bytes"', path.read_text()))


def test_a_scenario_is_run_by_a_process_of_the_harness(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One real run gives error rate, loss, memory and stage seconds; nothing of a framework is imported here."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setattr(asv_scenarios, "FOREIGN_CPU", float("inf"))
    results = asv_scenarios.measure("kmnist_svd_logreg", "o-ma")
    names = ("KmnistSvdLogreg", "KmnistSvdLogregStages")
    scores, stages = (getattr(asv_scenarios, name)() for name in names)
    assert 0 <= scores.track_error_rate(results, "o-ma") < 0.2
    assert scores.track_loss(results, "o-ma") > 0
    assert scores.track_peak_bytes(results, "o-ma") > scores.track_above_imports_bytes(results, "o-ma") > 0
    for stage in stages.params[1]:
        assert 0 < stages.track_seconds(results, "o-ma", stage) < scores.track_seconds(results, "o-ma")
        assert stages.track_above_imports_bytes(results, "o-ma", stage) > 0


def test_what_cannot_be_told_is_not_a_number() -> None:
    """A failed run raises what it failed of; a time that was disturbed, and a metric that a commit lacks, are n/a."""
    good = {
        "status": "ok", "measurement": {"foreign_cpu": 0.5},
        "metrics": {"loss": {"kind": "accuracy", "value": 0.25}, "total.seconds": {"kind": "runtime", "value": 1.0}},
    }  # fmt: skip
    assert asv_scenarios.value(good, "loss") == 0.25
    assert str(asv_scenarios.value(good, "total.seconds")) == "nan"
    assert str(asv_scenarios.value(good, "other")) == "nan"
    with pytest.raises(RuntimeError, match="out of memory"):
        asv_scenarios.value({**good, "status": "error", "error": "out of memory"}, "loss")
    with pytest.raises(RuntimeError, match="nowhere"):
        asv_scenarios.measure("nowhere", "default")


def test_a_process_that_imports_the_suite_has_no_framework() -> None:
    """Every process of asv imports every module: none brings torch, TensorFlow or Keras along."""
    code = "import sys, benchmarks.asv_kernels, benchmarks.asv_scenarios, benchmarks.judging; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "tensorflow", "keras", "jax"} & set(done.stdout.split())
