"""Each side runs its own commit's code, whatever is installed; what cannot run, or ran something else, is said before it counts."""

from __future__ import annotations

import dataclasses
import json
import os
import site
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest

from harness.errors import RevisionError, UnknownNameError
from harness.records import Measurement, RunRequest
from harness.running import executors, runner, sides
from harness.session import choosing
from harness.sources import catalogue
from tests.running.sides.conftest import probe

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import RunResult
    from harness.running.sides import Sides
    from tests.running.sides.conftest import Repository

SCENARIO = ("bench/probe.py",)
# as scikit-build-core and meson-python do it; setuptools and hatchling append theirs
FINDER = """
import sys, importlib.util
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, {file!r}) if name == "helper" else None
sys.meta_path.{place}
"""


def run_both(opened: Sides, scenario_paths: Sequence[str], out: Path) -> dict[str, RunResult]:
    """Run the probe once on each side."""
    declared = catalogue.load_all(scenario_paths)
    requests = choosing.requests([(declared["probe"], "default")], choosing.Settings())
    both = [*sides.requests_of("base", requests, opened), *sides.requests_of("head", requests, opened)]
    return {
        result.request.side: result
        for result in executors.run_all(executors.Local(), sides.interleave(both, 0), declared, out)
    }


def accuracies(results: dict[str, RunResult]) -> dict[str, object]:
    """Return what each side scored."""
    assert [result.error for result in results.values()] == [""] * len(results)
    return {side: result.metrics["accuracy"].value for side, result in results.items()}


@pytest.fixture
def _helper_is_here(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process load the scenario, as the gate's own process does, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(repository.folder))
    monkeypatch.syspath_prepend(str(repository.folder / "src"))
    monkeypatch.delitem(sys.modules, "helper", raising=False)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give workers an interpreter of their own; return its ``site-packages``, in which a test may install."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    here = os.pathsep.join(site.getsitepackages())
    (packages / "theirs.pth").write_text("\n".join(here.split(os.pathsep)) + "\n")
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))
    return packages


@pytest.mark.usefixtures("_helper_is_here")
def test_each_side_runs_its_own_commit(repository: Repository, tmp_path: Path) -> None:
    """Modules below src, scenario files and files read by relative paths are the side's own; the result says which commit ran."""
    body = probe().replace("helper.RIGHT", "helper.RIGHT + int(open('more.txt').read())")
    repository.git("rm", "-q", "helper.py")
    base = repository.commit({"src/helper.py": "RIGHT = 50\n", "more.txt": "5", "bench/probe.py": body})
    head = repository.commit({"src/helper.py": "RIGHT = 60\n", "more.txt": "6"})
    with sides.opened("HEAD~1", SCENARIO, repository.folder) as opened:
        paths = [str(repository.folder / path) for path in SCENARIO]
        results = run_both(opened, paths, tmp_path / "out")
        assert accuracies(results) == {"base": 0.55, "head": 0.66}
        for side, commit in (("base", base), ("head", head)):
            measured = results[side].measurement
            assert measured is not None
            code = opened.of(results[side].request.side).code
            assert (measured.environment["commit"], measured.environment["code"]) == (commit, code)
            assert measured.imported["helper"] == f"{code}/src/helper.py"
            assert measured.imported["probe"] == f"{code}/bench/probe.py"
            assert measured.environment["imported_from"] == str(Path(sides.__file__).parents[2])
            assert sides.prove(results[side], opened) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("_helper_is_here")
@pytest.mark.parametrize("installed", ["path", "append(Finder)", "insert(0, Finder)"])
def test_an_editable_install_of_the_head(
    repository: Repository, tmp_path: Path, python: Path, installed: str
) -> None:
    """Installed as setuptools and hatchling do it, base still runs its own helper; an import before every path is caught and named."""
    path = str(repository.folder / "helper.py")
    (python / "editable_hook.py").write_text(FINDER.format(file=path, place=installed))
    line = str(repository.folder) if installed == "path" else "import editable_hook"
    (python / "editable.pth").write_text(line + "\n")
    told = subprocess.run(
        [sys.executable, "-P", "-c", "import helper; print(helper.__file__)"], capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    assert told.stdout.strip() == path, "the installation is in force"
    with sides.opened("HEAD~1", SCENARIO, repository.folder) as opened:
        results = run_both(opened, [str(repository.folder / SCENARIO[0])], tmp_path / "out")
        if installed != "insert(0, Finder)":
            assert accuracies(results) == {"base": 0.9, "head": 0.8}
            assert [sides.prove(result, opened) for result in results.values()] == ["", ""]
            return
        assert accuracies(results) == {"base": 0.8, "head": 0.8}
        for side, result in results.items():
            told_to = f"imported helper from '{repository.folder}', which is not its worktree '{opened.of(result.request.side).top}'"
            with pytest.raises(RevisionError, match="pip uninstall") as caught:
                sides.prove(result, opened)
            assert f"the {side} side {told_to}" in str(caught.value)


def result_with(opened: Sides, result: RunResult, files: dict[str, Path]) -> RunResult:
    """Return a base run that imported other files."""
    assert result.measurement is not None
    imported = {name: str(file) for name, file in files.items()}
    request = dataclasses.replace(result.request, side="base", code=opened.base.code)
    measurement = dataclasses.replace(result.measurement, imported=imported)
    return dataclasses.replace(result, request=request, measurement=measurement)


@pytest.mark.usefixtures("_helper_is_here")
def test_what_the_proof_allows(repository: Repository, tmp_path: Path) -> None:
    """The other side's files and a checkout's tracked ones refute; untracked and foreign ones do not; nothing at all is said."""
    repository.write({"local/settings.py": ""})
    outside = tmp_path / "probe.py"
    outside.write_text(probe().replace("import helper", "").replace("helper.RIGHT", "70"))
    with sides.opened("HEAD", (str(outside),), repository.folder) as opened:
        found = run_both(opened, [str(outside)], tmp_path / "out")["head"]
        assert found.status == "ok"
        assert "imported nothing from its worktree" in sides.prove(found, opened)
        own = {"own": Path(opened.base.code, "helper.py")}
        allowed = own | {"settings": repository.folder / "local" / "settings.py", "far": tmp_path / "far.py"}
        assert sides.prove(result_with(opened, found, allowed), opened) == ""
        for refuting in (Path(opened.head.code, "helper.py"), repository.folder / "helper.py"):
            with pytest.raises(RevisionError, match="imported x from"):
                sides.prove(result_with(opened, found, own | {"x": refuting}), opened)
        holding = dataclasses.replace(opened, holds_harness=True)
        with pytest.raises(
            RevisionError, match=r"base side imported harness from .* which is not its worktree"
        ):
            sides.prove(result_with(opened, found, own), holding)
        assert sides.prove(dataclasses.replace(found, measurement=None), opened) == ""


@pytest.mark.usefixtures("_helper_is_here")
def test_the_check_before_the_first_run(repository: Repository) -> None:
    """Both sides list what was selected, chatty modules or not, whatever their versions."""
    chatty = "import atexit, sys\nif 'pytest' not in sys.modules:\n    print('[')\n    atexit.register(print, 'bye')\n"
    repository.commit({"bench/probe.py": chatty + probe(version=2)})
    declared = catalogue.load_all([str(repository.folder / SCENARIO[0])])
    with sides.opened("HEAD~1", SCENARIO, repository.folder) as opened:
        selection = [(declared["probe"], "default"), (declared["kmnist_svd_logreg"], "o-ma")]
        sides.check(opened, selection, "smoke")
        with pytest.raises(RevisionError, match=r"base \(.{10}\) does not import within 0.01 s"):
            sides.check(opened, selection, "smoke", seconds=0.01)


@pytest.mark.usefixtures("_helper_is_here")
@pytest.mark.parametrize(
    ("base", "kind", "words"),
    [
        ({"bench/probe.py": "import gone_for_ever"}, RevisionError, ["base", "cannot import 'gone_for_ever'", "Name another"]),
        ({"bench/probe.py": probe().replace('"probe"', '"older"')}, UnknownNameError, ["base", "no scenario 'probe'"]),
        (
            {"bench/probe.py": probe().replace('Variant(name="other")', "")}, UnknownNameError,
            ["no variant 'probe:other'", "scenarios that both commits have"],
        ),
        ({"bench/probe.py": probe().replace('"smoke"', '"short"')}, UnknownNameError, ["no tier 'smoke' of 'probe:default'"]),
        ({"harness/__init__.py": "", "harness/worker.py": ""}, RevisionError, ["base", "does not import", "harness"]),
    ],
)  # fmt: skip
def test_a_base_that_cannot_run(
    repository: Repository, base: dict[str, str], kind: type[Exception], words: list[str]
) -> None:
    """A REF that does not import, or lacks what was selected, is one sentence before anything runs."""
    scenario = repository.folder / SCENARIO[0]
    declared = catalogue.load_all([str(scenario)])
    good = scenario.read_text()
    repository.commit(base)
    for name in base:
        repository.git("rm", "-q", name)
    repository.commit({"bench/probe.py": good})
    with sides.opened("HEAD~1", SCENARIO, repository.folder) as opened, pytest.raises(kind) as caught:
        sides.check(opened, [(declared["probe"], "default"), (declared["probe"], "other")], "smoke")
    for word in words:
        assert word in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "harness: error" not in str(caught.value)


def test_what_a_worker_imports_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The side's folders come first, then the harness, then what was inherited; relative data folders keep their meaning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "lib::/far")
    monkeypatch.setenv("HARNESS_DATA", "data")
    (tmp_path / "code" / "src").mkdir(parents=True)
    code, root = str(tmp_path / "code"), str(Path(runner.__file__).parents[2])
    found = runner.import_environment(code)
    assert found["PYTHONPATH"].split(":") == [code, f"{code}/src", root, "lib", "/far", str(tmp_path / "lib")]
    assert found["HARNESS_DATA"] == str(tmp_path / "data")
    assert runner.import_environment("") == {"PYTHONPATH": f"{root}:lib::/far"}
    # an installed package is found by itself: on this variable its folder would hide the standard library
    monkeypatch.setattr("site.getsitepackages", lambda: [root])
    assert runner.import_environment(code)["PYTHONPATH"].split(":")[:3] == [code, f"{code}/src", "lib"]
    assert runner.import_environment("") == {"PYTHONPATH": "lib::/far"}


def test_code_that_is_not_there(tmp_path: Path) -> None:
    """A run whose worktree is on another machine fails for good, with the way out."""
    request = RunRequest(scenario="x", variant="y", tier="smoke", seed=0, code=str(tmp_path / "gone"))
    attempted = runner.attempt(request, tmp_path / "out")
    assert attempted.lasting
    assert "is not on this machine" in attempted.error
    assert "--executor local" in attempted.error


def test_records_of_other_commits_are_read() -> None:
    """An older worker reads a newer request, and what an older one wrote, without the later fields, is read here."""
    request = RunRequest(scenario="x", variant="y", tier="smoke", seed=0, code="/the/code")
    newer = {**json.loads(msgspec.json.encode(request)), "a field of tomorrow": [1]}
    assert msgspec.json.decode(json.dumps(newer), type=RunRequest) == request
    first = {
        "request": {"scenario": "x", "variant": "y", "tier": "smoke", "seed": 0}, "scenario_version": 1, "options": {},
        "metrics": {}, "stages": [], "identities": [], "predictions": [], "figures": [], "datasets": [], "environment": {},
    }  # fmt: skip
    read = msgspec.json.decode(json.dumps(first), type=Measurement)
    assert read.imported == {}
