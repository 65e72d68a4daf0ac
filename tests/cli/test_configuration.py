"""What a project's configuration does to commands: it fills in what was not typed, and says so."""

from __future__ import annotations

import typing

import pytest

from harness.cli import cli, shared

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

PROBE = "def measure(run):\n    guess(run)\n\nSCENARIO = declare(measure, gated=('accuracy', 'f1_macro'))\n"
TABLE = '[tool.harness]\nscenarios = ["bench/probe.py"]\nseeds = 2\ngated = ["accuracy"]\nreports = "out"\n'


@pytest.fixture
def configured(harness: Harness) -> Harness:
    """Return the command in a project with a configuration and one scenario."""
    (harness.folder / "bench").mkdir()
    harness.scenario(PROBE, "bench/probe.py")
    (harness.folder / "pyproject.toml").write_text(TABLE)
    return harness


def test_options_come_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command, and each subcommand, takes the settings that it has an option for, and no others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harness.toml").write_text('tier = "short"\nagainst = "main"\nscenarios = ["a.py"]\n')
    options = shared.configured(cli)
    assert options["gate"] == {"scenario_paths": ("a.py",), "tier": "short", "against": "main"}
    assert options["run"] == {"scenario_paths": ("a.py",), "tier": "short"}
    assert options["baseline"]["show"] == {"scenario_paths": ("a.py",), "tier": "short"}
    assert options["index"] == {}


def test_run_needs_no_words(configured: Harness) -> None:
    """The project's scenario alone runs, as often as configured, is gated as configured, and lies where configured; a word typed wins."""
    assert configured("run").code == 0
    assert configured("run", "--seeds", "1", "--out", "typed").code == 0
    (folder,) = (configured.folder / "out").iterdir()
    for place, seeds in ((f"out/{folder.name}", 2), ("typed", 1)):
        job = configured.job(place)
        assert [result["request"]["scenario"] for result in job["results"]] == ["probe"] * seeds
        (judged,) = (item for comparison in job["comparisons"] for item in comparison["judgements"])
        assert judged["metric"] == "accuracy"
        assert "--scenarios" not in judged["next_step"]


def test_from_a_subfolder(configured: Harness) -> None:
    """A command typed below the project reads the same configuration."""
    done = type(configured)(configured.folder / "bench", configured.folder / "cache")("list")
    assert done.code == 0
    assert "probe (version 1)" in done.out


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[tool.harness]\nseed = 2\n", "unknown setting in [tool.harness] in '"),
        ("[tool.harness]\nseeds = 'x'\n", "setting 'seeds' in [tool.harness] in '"),
        ('[tool.harness]\nscenarios = ["gone.py"]\n', "there is no scenario file 'gone.py'"),
        ('[tool.harness]\nscenarios = ["bench/probe.py"]\ngated = ["acuracy"]\n', "Did you mean 'accuracy'?"),
    ],
)
def test_a_wrong_configuration_is_one_line(configured: Harness, table: str, says: str) -> None:
    """What cannot be used is said in one line that names it, with exit code 2."""
    (configured.folder / "pyproject.toml").write_text(table)
    done = configured("run")
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_the_doctor_says_where_settings_come_from(configured: Harness) -> None:
    """Each setting in force has its source: file, default, or command line; a file that is missing is broken."""
    printed = configured("doctor", "--baselines", "bench").out
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for line in (
        "file pyproject.toml",
        "scenarios bench/probe.py (pyproject.toml)",
        "seeds 2 (pyproject.toml)",
        "tier smoke (default)",
        "against stored baselines (default)",
        "baselines bench (command line)",
    ):
        assert line in lines, printed
    (configured.folder / "bench" / "probe.py").unlink()
    broken = configured("doctor")
    assert broken.code == 2
    assert "BROKEN: bench/probe.py (pyproject.toml): there is no 'bench/probe.py'" in broken.out


def test_gate_compares_with_the_configured_commit(configured: Harness) -> None:
    """A gate without a word compares with the configured commit; --no-against asks for stored baselines."""
    with (configured.folder / "pyproject.toml").open("a") as file:
        file.write('against = "HEAD"\n')
    configured.repository()
    done = configured("gate", "--out", "g")
    assert done.code == 0, done.out + done.err
    assert configured.job("g")["gate"]["settings"]["against"] == "HEAD"
    stored = configured("gate", "--no-against", "--out", "h")
    assert stored.code == 3, stored.out + stored.err
    assert configured.job("h")["gate"]["settings"]["against"] == ""


@pytest.mark.slow
def test_a_base_without_the_project_has_no_baseline(harness: Harness) -> None:
    """The commit that brings scenario and configuration is run alone, and a person must approve it: nothing is worse, nothing failed."""
    harness.repository()
    (harness.folder / "bench").mkdir()
    harness.scenario(PROBE, "bench/probe.py")
    (harness.folder / "pyproject.toml").write_text(TABLE)
    harness.repository()
    done = harness("gate", "--against", "HEAD~1", "--out", "g")
    assert done.code == 3, done.out + done.err
    job = harness.job("g")
    (comparison,) = job["comparisons"]
    (judged,) = (item for item in comparison["judgements"] if item["metric"] == "accuracy")
    assert (judged["verdict"], judged["reason"]) == ("NO_BASELINE", "base HEAD~1 has no run of it")
    assert not job["gate"]["base_results"]
