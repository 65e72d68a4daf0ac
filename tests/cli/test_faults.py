"""Bad input and misbehaving workers, provoked for real: one clear error, exit code 2, and what was measured is kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import typing

import psutil
import pytest

from harness.running import runner
from tests.conftest import one_thread
from tests.running.test_resume import until

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Finished, Harness

pytestmark = pytest.mark.slow

GOOD = "SCENARIO = declare(guess)"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("run kmnist_svd_logref", "unknown scenario 'kmnist_svd_logref'. Did you mean 'kmnist_svd_logreg'?"),
        ("run kmnist_svd_logreg:o-mo", "Did you mean 'o-ma'?"),
        ("run --tier smok", "unknown tier 'smok'. Did you mean 'smoke'?"),
        ("run --device cudo", "unknown device 'cudo'. Did you mean 'cuda'?"),
        ("run --backend torhc", "unknown backend 'torhc'. Did you mean 'torch'?"),
        ("run --seeds 0", "--seeds"),
        ("run --scenarios nowhere.py", "there is no scenario file 'nowhere.py'"),
        ("report nowhere", "there is no readable run in 'nowhere'"),
        ("run --baselines nowhere", "there is no baselines folder 'nowhere'"),
        ("data fetch mnits", "unknown data set 'mnits'. Did you mean 'mnist'?"),
    ],
)
def test_names_that_nothing_declares(harness: Harness, arguments: str, told: str) -> None:
    """An unknown name is one line on stderr with the nearest known name, and exit code 2."""
    done = harness(*arguments.split())
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


RUBBISH = """
import atexit, sys
from pathlib import Path
def measure(run):
    guess(run)
    print("\\x00\\xff rubbish " * 1000)
    target = Path(sys.argv[1]).parent / "measurement.json"
    atexit.register(lambda: target.write_bytes(b"{'rubbish': \\xff"))
SCENARIO = declare(measure)"""
ODD = "class OddError(Exception):\n    def __str__(self):\n        {}\ndef measure(run):\n    raise OddError\nSCENARIO = declare(measure)"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os, signal\ndef measure(run):\n    os.kill(os.getpid(), signal.SIGSEGV)\nSCENARIO = declare(measure)", "was killed by SIGSEGV"),
        ("import os\ndef measure(run):\n    os._exit(0)\nSCENARIO = declare(measure)", "without a readable result"),
        (RUBBISH, "without a readable result"),
        ("import os\ndef measure(run):\n    os._exit(7)\nSCENARIO = declare(measure)", "exited with code 7"),
        ("def measure(run):\n    raise ValueError('the moon is wrong')\nSCENARIO = declare(measure)", "ValueError: the moon is wrong"),
        (ODD.format("raise RuntimeError('never told')"), "OddError: its text cannot be had (RuntimeError) (probe.py, line"),
        (ODD.format("return '< \\udcff >'"), r"OddError: < \udcff > (probe.py, line"),
        ("def measure(run):\n    np.empty(2**50)\nSCENARIO = declare(measure)", "out of memory"),
        ("def measure(run):\n    run.predictions([1, 2, 3], [1, 2])\nSCENARIO = declare(measure)", "must pair up"),
        ("def measure(run):\n    run.dataset('mnist')\nSCENARIO = declare(measure)", "harness data fetch mnist"),
        ("SCENARIO = declare(guess, derive=lambda values: 1 / 0)", "ZeroDivisionError"),
        ("SCENARIO = declare(guess, derive=lambda v: {'accuracy': float('nan')})", "no finite value for accuracy"),
        ("SCENARIO = declare(guess, derive=lambda v: {'acuracy': 0.5})", "unknown metric 'acuracy'"),
    ],
)  # fmt: skip
def test_a_worker_that_fails(
    run_probe: Callable[..., Finished], harness: Harness, body: str, told: str
) -> None:
    """A run that dies, raises, writes rubbish or leaves nothing is an ERROR with its reason; the report is written all the same."""
    done = run_probe(body)
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    (result,) = harness.job("out")["results"]
    assert result["status"] == "error"
    assert told in result["error"]
    assert "derive=" not in body or "derive of 'probe'" in result["error"]
    assert (harness.folder / "out" / "index.html").is_file()


def test_a_log_of_any_size(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Of a run that prints without end the log keeps both ends, says what is cut, and its last lines tell why it failed."""
    body = """
    import os
    def measure(run):
        os.write(1, b"the first line\\n")
        for _ in range(40):
            os.write(1, b"x" * 999_999 + b"\\n")
        raise ValueError("the reason " + "y" * 1_000_000)
    SCENARIO = declare(measure)
    """
    done = run_probe(body)
    assert done.code == 2
    log = (next(harness.folder.rglob("log.txt"))).read_bytes()
    assert log.startswith(b"the first line\n")
    assert b"bytes of the log are cut here" in log
    assert b"ValueError: the reason" in log
    assert len(log) < runner.LOG_BYTES + 100
    (result,) = harness.job("out")["results"]
    assert "ValueError: the reason" in result["error"]
    assert "characters)" in result["error"]
    assert len(result["error"]) < runner.ERROR_CHARACTERS + 100
    assert len(result["log_tail"]) < runner.LOG_LINES * (runner.LOG_COLUMNS + 10)


@pytest.mark.parametrize(
    ("extra", "declared", "code", "verdicts"),
    [
        # a training that diverged to a number whose square is infinite
        (
            "run.record('last_loss', 1e200 * (run.seed + 1))",
            "metrics=(Metric('last_loss', better='lower', gated=True),)", 2,
            {"accuracy": "NO_BASELINE", "last_loss": "ERROR"},
        ),
        ("run.record('loss', float('nan'))", "gated=('accuracy', 'loss')", 2, {"accuracy": "NO_BASELINE", "loss": "ERROR"}),
        ("run.identity(IdentityCheck('planted', 1.0, 1e-6, '1 = 0', ''))", "", 1, {"planted": "REGRESSED", "accuracy": "NO_BASELINE"}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_number_never_passes(
    run_probe: Callable[..., Finished], harness: Harness, extra: str, declared: str, code: int,
    verdicts: dict[str, str]
) -> None:  # fmt: skip
    """One that no statistics can take is an ERROR that names it, a violated identity fails without statistics; the rest is judged."""
    done = run_probe(
        f"def measure(run):\n    guess(run)\n    {extra}\nSCENARIO = declare(measure, {declared})",
        "--seeds",
        "2",
    )
    assert done.code == code, done.err
    (comparison,) = harness.job("out")["comparisons"]
    assert {judged["metric"]: judged["verdict"] for judged in comparison["judgements"]} == verdicts
    wrong = next(name for name in verdicts if name != "accuracy")
    assert wrong in done.out


def test_a_worker_that_hangs_is_ended_with_its_children(
    run_probe: Callable[..., Finished], harness: Harness
) -> None:
    """The time limit ends a hanging worker and the process it started; the error names the limit."""
    body = """
    import subprocess, sys, time
    from pathlib import Path

    def measure(run):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(sys.argv[1]).with_name("child.pid").write_text(str(child.pid))
        time.sleep(600)

    SCENARIO = declare(measure)
    """
    child = harness.folder / "out" / "runs" / "probe--default--smoke--numpy-cpu--seed0" / "child.pid"
    for limit in (3, 12, 48):
        done = run_probe(body, "--time-limit", str(limit))
        assert done.code == 2
        assert f"was ended after its time limit of {limit} s" in done.out
        if child.exists():  # on a loaded machine the worker may need longer until it starts a child
            break
    pid = int(child.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_one_failure_hides_nothing(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Of three seeds the second fails: the others' results are kept and judged, and the exit code says 2."""
    body = """
    def measure(run):
        if run.seed == 1:
            raise RuntimeError("only this one")
        guess(run)

    SCENARIO = declare(measure)
    """
    done = run_probe(body, "--seeds", "3")
    assert done.code == 2
    job = harness.job("out")
    assert [result["status"] for result in job["results"]] == ["ok", "error", "ok"]
    assert job["comparisons"][0]["seeds"] == [0, 2]
    assert "only this one" in job["comparisons"][0]["failed"][0]


EXPECTING = (
    "SCENARIO = declare(guess, expectations=(Expectation(**"
    "dict(dict(metric='accuracy', variant='default', value=0.9, unit='', place='Table 1'), {})),))"
)
"""A scenario with one expectation, of which some fields are still to be given."""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("SCENARIO = 3", "declares no scenario"),
        ("raise RuntimeError('broken file')", "broken file"),
        ("SCENARIO = declare(guess, variants=())", "has no variant"),
        ("SCENARIOS = [declare(guess), declare(guess)]", "two scenarios are called 'probe'"),
        ("SCENARIO = declare(guess, name='kmnist_svd_logreg')", "two scenarios are called 'kmnist_svd_logreg'"),
        ("SCENARIO = declare(guess, needs=('torhc',))", "needs an unknown extra"),
        ("SCENARIO = declare(guess, backends=('theano',))", "backends"),
        (EXPECTING.format("rule='sprad'"), "an expectation of 'accuracy' whose rule is none of spread, draw"),
        (EXPECTING.format("better='more'"), "whose direction is none of higher, lower"),
        (EXPECTING.format("tiers=('papr',)"), "whose tiers are not among smoke, short, paper"),
        (EXPECTING.format("rule='mean', runs=0"), "half_width, test_images, runs, tolerance or source_sd is too small"),
        (EXPECTING.format("half_width=float('nan')"), "half_width, test_images, runs, tolerance or source_sd is too small"),
        (EXPECTING.format("value=float('inf')"), "or not finite"),
        (EXPECTING.format("value=None"), "without value, order or reason"),
        (EXPECTING.format("metric='acuracy'"), "unknown metric 'acuracy'"),
        ("SCENARIO = declare(guess, gated=('acuracy',))", "unknown metric 'acuracy'"),
        ("SCENARIO = declare(guess, metrics=(Metric('x'), Metric('x')))", "declares metric 'x' twice"),
        ("SCENARIO = declare(guess, metrics=(Metric('loss'),))", "'loss', which is the harness's own"),
        ("SCENARIO = declare(guess, metrics=(Metric('x.*', gated=True),))", "gates the family 'x.*'"),
        ("SCENARIO = declare(guess, metrics=(Metric('x', kind='speed'),))", "metrics of the wrong kind"),
        (
            "def measure(run):\n    run.record('byts', 3)\nSCENARIO = declare(measure, metrics=(Metric('bytes'),))",
            "unknown metric 'byts'. Did you mean 'bytes'?",
        ),
    ],
)  # fmt: skip
def test_a_scenario_file_that_contradicts_itself(
    run_probe: Callable[..., Finished], body: str, told: str
) -> None:
    """A bad declaration is refused before anything runs."""
    done = run_probe(body)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_missing_extra_names_its_command(run_probe: Callable[..., Finished]) -> None:
    """A scenario whose framework is not installed says what to type."""
    # as if it were not installed
    done = run_probe("import sys\nsys.modules['jax'] = None\nSCENARIO = declare(guess, needs=('jax',))")
    assert done.code == 2
    assert "python -m pip install 'report-harness[jax]'" in " ".join(done.out.split())


def test_what_fails_every_run_is_said_once(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A backend that is not installed: one error with its next step for all runs, no traceback, one line for the baseline."""
    (harness.folder / "jax.py").write_text("raise ModuleNotFoundError('no jax', name='jax')\n")
    path = os.pathsep.join(filter(None, [str(harness.folder), os.environ.get("PYTHONPATH", "")]))
    body = "SCENARIO = declare(guess, backends=('numpy', 'jax'), gated=('accuracy', 'loss'))"
    done = run_probe(body, "--seeds", "3", "--no-count", "--backend", "jax", PYTHONPATH=path)
    assert done.code == 2
    told = [line for line in done.out.splitlines() if line.startswith("ERROR")]
    assert "'jax' is not installed. Type: python -m pip install 'report-harness[jax]'" in told[0]
    assert told[0].endswith("(and 2 more for the same reason)")
    assert told[1:] == ["ERROR probe:default 2 metrics"]
    assert "ERROR probe:default 2 metrics\n  no run finished\n  Next: harness run probe:default" in done.out
    assert "Traceback" not in done.out + done.err
    log = harness.folder / "out/runs/probe--default--smoke--jax-cpu--seed0/log.txt"
    assert "ModuleNotFoundError" in log.read_text()


def test_a_gpu_that_is_not_there(run_probe: Callable[..., Finished]) -> None:
    """Asked for by a real worker of torch that sees none: one error with its next step, no traceback."""
    body = "SCENARIO = declare(guess, backends=('numpy', 'torch'), devices=('cpu', 'cuda'), needs=('torch',))"
    done = run_probe(body, "--device", "cuda", CUDA_VISIBLE_DEVICES="-1")
    assert done.code == 2
    told = next(line for line in done.out.splitlines() if line.startswith("ERROR run"))
    assert "torch-cuda" in told  # NumPy, the scenario's first backend, computes on no GPU
    assert "device 'cuda' was asked for, but torch sees no CUDA device. CUDA_VISIBLE_DEVICES is '-1'" in told
    assert "Traceback" not in done.out + done.err
    done = run_probe(body, "--device", "cuda", "--backend", "numpy")
    assert done.code == 2
    assert done.err == "harness: error: probe on backend 'numpy' has no device 'cuda'. Use --backend torch\n"


def test_whoever_reads_the_output_may_leave(harness: Harness) -> None:
    """`harness list | head`: a closed pipe is no error of the command's, and none is told."""
    command = [sys.executable, "-m", "harness", "list"]
    process = subprocess.Popen(
        command, cwd=harness.folder, env=harness.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=240)
    assert (process.returncode, told) == (0, b"")


@pytest.fixture
def read_only(harness: Harness) -> typing.Iterator[str]:
    """Make a folder that cannot be written; root, who may write anywhere, gets a read-only file system."""
    folder = harness.folder / "locked"
    folder.mkdir(mode=0o555)
    if os.getuid() != 0:
        yield "locked"
        return
    mount(folder, "ro")
    yield "locked"
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(harness: Harness) -> typing.Iterator[str]:
    """Mount a file system of 200 KiB."""
    folder = harness.folder / "small"
    folder.mkdir()
    mount(folder, "size=200k")
    yield "small"
    subprocess.run(["umount", str(folder)], check=True)


def mount(folder: Path, options: str) -> None:
    """Mount a temporary file system, or skip saying that this test did not run."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(
            f"NOT RUN: mounting a file system needs root in a machine of its own ({done.stderr.strip()})"
        )


def test_no_write_permission(harness: Harness, read_only: str) -> None:
    """Where nothing can be written, or below a file, the error names the folder and the way out, before anything is measured."""
    (harness.folder / "taken").write_text("a file")
    for folder in (read_only, "taken"):
        done = harness("run", "probe", "--scenarios", harness.scenario(GOOD), "--out", f"{folder}/out")
        assert done.code == 2
        assert "cannot write into" in done.err
        assert "--out" in done.err
        assert "done in" not in done.out


def test_a_full_disk_keeps_what_was_measured(harness: Harness, small_disk: str) -> None:
    """A disk that fills up during the runs is one error; finished results are judged again once there is room."""
    body = """
    def measure(run):
        guess(run)
        run.figure("noise", "heatmap", {"noise": np.random.default_rng(run.seed).random((80, 80))}, title="Noise", caption="Noise")

    SCENARIO = declare(measure)
    """
    scenario = harness.scenario(body)
    done = harness("run", "probe", "--scenarios", scenario, "--out", f"{small_disk}/out", "--seeds", "5")
    assert done.code == 2
    assert "the disk is full" in " ".join((done.out + done.err).split())
    assert "Traceback" not in done.err
    kept = sorted((harness.folder / small_disk / "out" / "runs").glob("*/result.json"))
    assert len(kept) >= 1
    shutil.copytree(harness.folder / small_disk / "out", harness.folder / "copy")
    again = harness("judge", "copy", "--scenarios", scenario)
    assert again.code in {0, 2}, again.err
    seeds = [
        result["request"]["seed"] for result in harness.job("copy")["results"] if result["status"] == "ok"
    ]
    assert seeds == list(range(len(seeds)))
    assert seeds


def test_an_interrupt_keeps_what_was_measured(harness: Harness) -> None:
    """Ctrl-C in the second run ends its worker, stores the first run's judgement, and exits 130."""
    body = """
    import time

    def measure(run):
        guess(run)
        if run.seed == 1:
            time.sleep(600)

    SCENARIO = declare(measure)
    """
    words = ("run", "probe", "--scenarios", harness.scenario(body), "--out", "out", "--seeds", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *one_thread(*words)], cwd=harness.folder, env=harness.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    waiting = harness.folder / "out" / "runs" / "probe--default--smoke--numpy-cpu--seed1" / "request.json"
    until(waiting.exists, "the second run never started")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert b"interrupted; what was measured is kept" in err
    assert [result["request"]["seed"] for result in harness.job("out")["results"]] == [0]
    leftovers = [
        p
        for p in psutil.process_iter(["cmdline"])
        if "harness.worker" in (p.info["cmdline"] or []) and str(waiting) in p.info["cmdline"]
    ]
    assert not leftovers


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe not JSON", "is damaged"),
        (b'{"schema": 99}', "has schema 99, this version reads up to 1"),
        (b'{"schema": 1, "scenario": "probe"}', "is damaged"),
    ],
)
def test_a_damaged_baseline_keeps_what_was_measured(
    run_probe: Callable[..., Finished], harness: Harness, content: bytes, told: str
) -> None:
    """A baseline that cannot be used makes its metrics ERROR, naming the file; the run's own results are all there."""
    path = harness.folder / "baselines" / "probe" / "default" / "smoke" / "12345678.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    done = run_probe(GOOD, "--baselines", "baselines")
    assert done.code == 2
    assert "Traceback" not in done.err
    job = harness.job("out")
    assert job["results"][0]["metrics"]["accuracy"]["value"] == 0.9
    (judged,) = job["comparisons"][0]["judgements"]
    assert judged["verdict"] == "ERROR"
    assert told in judged["reason"]
    assert "12345678.json" in judged["reason"]


@pytest.mark.parametrize("damage", ["truncated", "foreign", "unreadable"])
def test_damaged_data_is_named(harness: Harness, damage: str) -> None:
    """A truncated, foreign or unreadable data file is an ERROR that names the file and what to do."""
    raw = harness.folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, header in (("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)):
        sizes = b"".join(size.to_bytes(4, "big") for size in (60_000, 28, 28)[:header])
        (raw / f"{name}-idx{header}-ubyte").write_bytes(bytes([0, 0, 8, header]) + sizes + b"\0" * 100)
    images = raw / "train-images-idx3-ubyte"
    if damage == "foreign":
        images.write_bytes(b"<html>not found</html>" * 100)
    if damage == "unreadable":
        images.unlink()
        images.mkdir()
    body = "def measure(run):\n    run.dataset('mnist')\nSCENARIO = declare(measure)"
    words = ("run", "probe", "--scenarios", harness.scenario(body), "--out", "out")
    done = harness(*words, HARNESS_DATA=str(harness.folder / "data"))
    assert done.code == 2
    error = harness.job("out")["results"][0]["error"]
    assert "train-images-idx3-ubyte" in error
    assert "Traceback" not in done.err


def test_an_incomplete_set_is_said(harness: Harness) -> None:
    """What a run read is marked incomplete in the terminal, in run.json and in the report."""
    body = """
    from harness.records import DatasetUse

    class Part:
        use = DatasetUse(name="tiny", sha256="0" * 64, complete=False, found="3 of 10 images; incomplete: seven are missing")

    def measure(run):
        run._load = lambda name: Part()
        run.dataset("tiny")
        guess(run)

    SCENARIO = declare(measure)
    """
    done = harness("run", "probe", "--scenarios", harness.scenario(body), "--out", "out", "-v")
    assert done.code == 0, done.out + done.err
    assert "Incomplete data tiny: 3 of 10 images" in done.out
    assert not harness.job("out")["results"][0]["measurement"]["datasets"][0]["complete"]
    assert "seven are missing" in (harness.folder / "out" / "index.html").read_text()
