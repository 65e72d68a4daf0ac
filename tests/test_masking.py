"""Secrets of the environment reach no file, and text from files reaches a terminal as text."""

from __future__ import annotations

import json
import typing

import pytest

from harness import masking
from harness.visible import marked, visible

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

SECRET = 'hunter2"\\s3cret'  # noqa: S105 - looked for
LEAKS = """
import os, sys

def measure(run):
    secret = os.environ["MY_API_TOKEN"]
    print("log:", secret, file=sys.stderr)
    run.record("x", float("nan"), unit=secret)
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
