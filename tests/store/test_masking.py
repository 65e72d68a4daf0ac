"""Secrets of the environment reach no file, and text from files reaches a terminal as text."""

from __future__ import annotations

import json
import typing

import pytest

from harness.store import masking
from harness.store.visible import marked, visible

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Finished, Harness

SECRET = 'hunter2"\\s3cret'  # noqa: S105 - looked for
LEAKS = """
import os, sys

def measure(run):
    secret = os.environ["MY_API_TOKEN"]
    print("log:", secret, file=sys.stderr)
    run.identity(IdentityCheck("x", 0.0, 1.0, "a = b", secret))
    guess(run)
    if run.seed == 1:
        raise RuntimeError(f"cannot log in with {secret} at https://me:hunter3@example.org/x")

SCENARIO = declare(measure)
"""


def test_no_file_holds_a_secret(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A scenario that prints, records and raises a token: no file of the job holds it, nor the password of an address."""
    done = run_probe(LEAKS, "--seeds", "2", "--backend", "numpy", MY_API_TOKEN=SECRET)
    assert done.code == 2
    assert "cannot log in with ***" in json.dumps(harness.job("out"))
    plain, escaped = SECRET.encode(), json.dumps(SECRET)[1:-1].encode()
    for path in harness.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() and path.name != "probe.py" else b""
        assert plain not in content, path
        assert escaped not in content, path
        assert b"hunter3" not in content, path
    logs = [path.read_text() for path in harness.folder.rglob("log.txt")]
    assert all("log: ***" in log for log in logs)


@pytest.mark.slow
def test_a_secret_that_is_a_number(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A count that is called a token is masked where it is text, and leaves the numbers of a measurement alone."""
    body = """
    def measure(run):
        print("at most 125000 tokens")
        guess(run)
        run.record("x", 125000.125)
        run.record("of 125000", 1.0)
    SCENARIO = declare(measure, metrics=(Metric("x"), Metric("of 125000")))
    """
    done = run_probe(body, MAX_TOKENS="125000")
    assert done.code == 0, done.out
    metrics = harness.job("out")["results"][0]["metrics"]
    assert metrics["x"]["value"] == 125000.125
    assert "of ***" in metrics
    assert "at most *** tokens" in next(harness.folder.rglob("log.txt")).read_text()


def test_however_a_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes and letters beyond ASCII, spelled in JSON in any way, and bytes that are no UTF-8: a secret is masked."""
    secret = 'hünter"2\\x'  # noqa: S105 - looked for
    monkeypatch.setenv("MY_API_TOKEN", secret)
    monkeypatch.setenv("OTHER_TOKEN", "h\udcffnter2")
    raw, escaped, broken = (tmp_path / f"{name}.json" for name in ("raw", "escaped", "broken"))
    log = tmp_path / "log.txt"
    raw.write_text(json.dumps([f"< {secret} >"], ensure_ascii=False))
    escaped.write_text(json.dumps({"a": [f"< {secret} >", 1.5]}))
    broken.write_text(json.dumps([secret], ensure_ascii=False)[:-1])
    log.write_bytes(b"< h\xffnter2 >")
    masking.mask_files([raw, escaped, broken, log])
    assert json.loads(raw.read_text()) == ["< *** >"]
    assert json.loads(escaped.read_text()) == {"a": ["< *** >", 1.5]}
    assert broken.read_text() == '["***"'
    assert log.read_bytes() == b"< *** >"


def test_a_comparison_masks_its_command_line(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """What is typed to compare two jobs is recorded without a token of the environment."""
    assert run_probe("SCENARIO = declare(guess)").code == 0
    done = harness("compare", "out", "out", "--out", "beside-hunter2", MY_API_TOKEN="hunter2")  # noqa: S106 - looked for
    assert done.code == 0, done.err
    for path in (harness.folder / "beside-hunter2").iterdir():
        assert "beside-***" in path.read_text()
        assert "hunter2" not in path.read_text()


def test_the_command_line(harness: Harness) -> None:
    """Credentials typed as a scheduler's address, and a token of the environment, are masked in the plan."""
    scenario = harness.scenario("SCENARIO = declare(guess)", "hunter2.py")
    address = "tcp://me:pa55word@127.0.0.1:1"
    words = (
        "run",
        "probe",
        "--scenarios",
        scenario,
        "--executor",
        "dask",
        "--scheduler",
        address,
        "--out",
        "out",
    )
    harness(*words, GITHUB_TOKEN="hunter2")  # noqa: S106 - looked for
    command = json.loads((harness.folder / "out/plan.json").read_text())["command"]
    assert "pa55word" not in command
    assert "hunter2" not in command
    assert "tcp://***@127.0.0.1:1" in command


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("GITHUB_TOKEN", True), ("AWS_SECRET_ACCESS_KEY", True), ("DB_PASSWORD", True), ("api_key", True), ("MY_PAT", True),
        ("SESSION_COOKIE", True), ("BASIC_AUTH", True), ("PATH", False), ("GIT_AUTHOR_NAME", False), ("HARNESS_DATA", False),
        ("XAUTHORITY", False), ("KEYBOARD", False),
    ],
)  # fmt: skip
def test_which_variables_are_secret(name: str, secret: bool) -> None:
    """Names decide; a short value, or a path, is none."""
    assert masking.secrets({name: "abcdefgh"}) == (["abcdefgh"] if secret else [])
    assert masking.secrets({name: "abc"}) == []
    assert masking.secrets({name: "/home/me/token"}) == []


def test_longer_secrets_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two secrets of which one is part of the other nothing stays behind."""
    monkeypatch.setenv("A_TOKEN", "abcdef")
    monkeypatch.setenv("B_TOKEN", "abcdefghij")
    assert masking.masked("x abcdefghij y abcdef") == "x *** y ***"


def test_control_characters_are_spelled() -> None:
    """Escape sequences, changes of direction, zero widths and stray bytes are shown; lines and tabs are kept; markup is not read."""
    assert (
        visible("a\x1b[2J\x9b\r\u202eb\u200b\udcff\n\tc") == r"a\x1b[2J\x9b\x0d\u202eb\u200b\udcff" + "\n\tc"
    )
    assert marked("[red]\x1b") == r"\[red]\x1b"


def test_a_hostile_log_on_a_terminal(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """What a scenario prints and raises cannot clear the screen, colour what follows or close a tag."""
    body = """
    def measure(run):
        print("\\x1b[2J[/bold]<script>alert(1)</script>")
        raise RuntimeError("\\x1b]0;title\\x07 [link=x]<b>")

    SCENARIO = declare(measure)
    """
    done = run_probe(body)
    assert done.code == 2
    assert "\x1b" not in done.out + done.err
    assert "\\x1b[2J[/bold]<script>" in done.out
    page = (harness.folder / "out/index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
