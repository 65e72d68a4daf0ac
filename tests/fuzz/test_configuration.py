"""What a person types or writes: command lines, scenario files, data folders. Values or errors of `harness.errors`, never another."""

from __future__ import annotations

import contextlib
import io
import struct
import typing
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness import Scenario, Source, Variant, cli
from harness.cli import here
from harness.data import idx
from harness.data.declared import MNIST
from harness.data.loading import load_from, raw_folder
from harness.errors import HarnessError
from harness.judging import baselines
from harness.machine import environment
from harness.records import BACKENDS, DEVICES, TIERS, Plan
from harness.running import plans
from harness.sources import catalogue
from harness.store import files, project
from tests.conftest import HEAD
from tests.fuzz.inputs import EDITS, edited, fuzz, scratch, try_reading

pytestmark = pytest.mark.slow

# -- command lines --------------------------------------------------------------------

COMMANDS = (
    ("run",), ("gate",), ("plan",), ("list",), ("judge",), ("report",), ("compare",), ("baseline", "propose"), ("baseline", "diff"),
    ("baseline", "accept"), ("baseline", "show"), ("export",), ("history",), ("index",), ("ledger",), ("init",), ("data", "nothing"),
    ("nothing",), (),
)  # fmt: skip
OPTIONS = (
    "--tier", "--seeds", "--first-seed", "--device", "--backend", "--threads", "--time-limit", "--memory-limit", "--out",
    "--executor", "--scheduler", "--workers", "--resume", "--scenarios", "--baselines", "--json", "--reason", "--who", "--metric",
    "--markdown", "--results", "--machine", "--help", "--nothing", "--", "-",
)  # fmt: skip
# what an operating system can pass: no zero byte, but bytes that are no UTF-8
TEXT = st.text(
    st.one_of(
        st.characters(
            min_codepoint=1, exclude_characters="/", categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf")
        ),
        st.just("\udcff"),
    ),
    max_size=12,
)
VALUES = st.one_of(
    TEXT,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [*TIERS, *DEVICES, *BACKENDS, "csv", "junit", "asv", "kmnist_svd_logreg", "kmnist_svd_logreg:all", "..", ".", "a" * 300, "job"]
    ),
    st.sampled_from(["[bold]", "\x1b[2J", "{}", "%s", "=1+1", "<script>", "1e309", "-0", "nan", "99999999999999999999999"]),
)  # fmt: skip
LINES = st.tuples(
    st.sampled_from(COMMANDS), st.lists(st.one_of(st.sampled_from(OPTIONS), VALUES), max_size=6)
)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with nothing else beside it, run nothing, ask no git."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def nothing_is_run(*_: object) -> None:
        raise click.exceptions.Exit(0)

    monkeypatch.setattr("harness.session.execution._conduct", nothing_is_run)
    monkeypatch.setattr(environment, "git_commit", lambda *_, **__: "")
    return here


def test_command_lines(away: Path) -> None:
    """Any command line ends with an exit code, and says in one line what is wrong with it."""

    @fuzz
    @given(line=LINES)
    @example(line=(("judge",), ["a" * 300]))
    @example(line=(("judge",), ["\udcff"]))
    @example(line=(("run",), ["--seeds", "9" * 40]))
    def check(line: tuple[tuple[str, ...], list[str]]) -> None:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main([*line[0], *line[1]])
        err.seek(0)
        told = err.read()
        assert code in {0, 1, 2}
        # a warning is no error: what is passed over, and an installation of unknown origin
        wrong = [line for line in told.splitlines() if not line.startswith("harness: warning: ")]
        assert told if code else not wrong
        assert "Traceback" not in told

    check()


# -- scenario files ------------------------------------------------------------------

BODY = """
SCENARIO = declare(guess, expectations=(
    Expectation(metric="accuracy", variant="default", value=90.0, unit="%", place="Table 1", rule="spread", half_width=0.5,
                test_images=100, tiers=("smoke",)),
))
"""
SCENARIO = Scenario(
    name="probe", version=1, source=Source(slug="probe", title="t"), measure=print,
    variants=(Variant(name="default"),), tiers={"smoke": {}}, gated=("accuracy",),
)  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=4), st.just(()), st.just({}), st.just((None,)),
    st.just(("x",)), st.just({"smoke": None}), st.just({"x": {}}), st.just((Variant(name="a"), Variant(name="a"))), st.just([[]]),
    st.just((Variant(name=typing.cast("str", None)),)), st.just(b"x"), st.just(object), st.just("probe"),
)  # fmt: skip


def read_scenarios(content: bytes, folder: Path) -> object:
    """Load a scenario file and list what it declares."""
    (folder / "mine.py").write_bytes(content)
    found = catalogue.load_all([str(folder / "mine.py")])
    return here.as_text(found), here.as_plain(found)


@fuzz
@given(edits=EDITS)
@example(edits=[])
@example(edits=[(0.0, 0, b"raise SystemExit\n")])
@example(edits=[(0.0, 0, b"def f(): f()\nf()\n")])
def test_damaged_scenario_files(edits: list[tuple[float, int, bytes]]) -> None:
    """A scenario file whose bytes change loads, or is one error that names it."""
    with contextlib.redirect_stdout(io.StringIO()):
        try_reading(read_scenarios, edited((HEAD + BODY).encode(), edits))


@fuzz
@given(
    changes=st.dictionaries(
        st.sampled_from(["name", "version", "source", "variants", "tiers", "gated", "expectations", "needs", "backends", "devices", "measure"]),
        ODD, min_size=1, max_size=2,
    )
)  # fmt: skip
def test_odd_declarations(changes: dict[str, object]) -> None:
    """A scenario with a field of another kind is listed, or is one error that names it."""
    fields = {name: getattr(SCENARIO, name) for name in SCENARIO.__dataclass_fields__} | changes
    with contextlib.suppress(HarnessError):
        made = Scenario(**fields)
        catalogue.check(made, "here")
        here.as_plain({made.name: made})


# -- a project's configuration -------------------------------------------------------

TABLE = b'[tool.harness]\nscenarios = ["a.py", "b.c"]\npath = ["lib"]\ntier = "smoke"\nseeds = 3\ngated = ["accuracy"]\nagainst = "main"\n'


def read_project(content: bytes, folder: Path) -> object:
    """Read a project's configuration, and what follows from it."""
    (folder / "pyproject.toml").write_bytes(content)
    return project.find(folder), project.reports_folder(folder), baselines.project_folder(folder)


@fuzz
@given(edits=EDITS)
@example(edits=[])
@example(edits=[(0.0, 5, b"\xff")])
@example(edits=[(0.3, 0, b"\\u0000")])
def test_damaged_configurations(edits: list[tuple[float, int, bytes]]) -> None:
    """A configuration whose bytes change is read, or is one error that names it."""
    try_reading(read_project, edited(TABLE, edits))


# -- data folders --------------------------------------------------------------------

COUNTS = (30, 30, 10, 10)
PARTS = [
    idx.header((count, *part.shape[1:])) + bytes(i % 10 for i in range(count * (784 if len(part.shape) == 3 else 1)))
    for count, part in zip(COUNTS, MNIST.parts, strict=True)
]  # fmt: skip


@fuzz
@given(
    which=st.integers(0, 3), edits=EDITS, count=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    cut=st.one_of(st.none(), st.floats(0, 1)), gone=st.booleans(),
)  # fmt: skip
@example(which=0, edits=[], count=None, cut=None, gone=False)
@example(which=0, edits=[], count=60_000, cut=None, gone=False)
@example(which=1, edits=[], count=2**32 - 1, cut=None, gone=False)
def test_data_folders(
    which: int, edits: list[tuple[float, int, bytes]], count: int | None, cut: float | None, *, gone: bool
) -> None:
    """A folder of images in MNIST's own format, one file of it damaged, lying about its length, cut short or missing."""
    contents = dict(zip((part.file for part in MNIST.parts), PARTS, strict=True))
    name = MNIST.parts[which].file
    content = edited(contents[name], edits)
    if count is not None:
        content = content[:4] + struct.pack(">I", count) + content[8:]
    contents[name] = content if cut is None else content[: int(cut * len(content))]
    if gone:
        del contents[name]
    with scratch() as made:
        folder = raw_folder(Path(made), MNIST)
        folder.mkdir(parents=True)
        for file, whole in contents.items():
            (folder / file).write_bytes(whole)
        with contextlib.suppress(HarnessError):
            dataset = load_from(MNIST, "HARNESS_DATA", folder, Path(made, "cache"))
            assert not dataset.complete
            assert dataset.train.images.shape == (len(dataset.train), 28, 28)


def test_a_plan_of_hostile_names(tmp_path: Path) -> None:
    """Every name of a plan that becomes a path is refused if it leads out of the folder."""
    plan = b'{"schema":1,"created":"","command":"","commit":"","baselines":"","requests":[{"scenario":"%s","variant":"v","tier":"smoke","seed":0}]}'
    for name in (b"../x", b"/x", b"a/b", b"\\\\x", b"x" * 300, b"\\u0000"):
        files.write_bytes(tmp_path / "plan.json", plan % name)
        with pytest.raises(HarnessError):
            plans.read(tmp_path)
    files.write_bytes(tmp_path / "plan.json", plan % b"..")
    assert isinstance(plans.read(tmp_path), Plan)
    assert plans.read(tmp_path).requests[0].key.startswith("..--")
