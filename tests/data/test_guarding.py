"""Downloads use encrypted connections only, and end where no original would be as long."""

from __future__ import annotations

import http.server
import threading
import typing
import urllib.error
import urllib.request

import pytest

from harness.data import guarding

if typing.TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with a thousand bytes, or leads elsewhere."""

    def do_GET(self) -> None:
        """Answer."""
        away = self.path == "/away"
        self.send_response(302 if away else 200)
        if away:
            self.send_header("Location", "http://192.0.2.1/plain")
        self.end_headers()
        self.wfile.write(b"" if away else b"x" * 1000)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Serve on this machine and give the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_plain_connections_are_refused(server: str) -> None:
    """An address without encryption, typed or reached by a redirect, is refused before anything is sent; afterwards all is as before."""
    before = urllib.request._opener  # type: ignore[attr-defined]
    with guarding.guarded():
        for address in ("http://192.0.2.1/x", f"{server}/away"):
            with pytest.raises(urllib.error.URLError, match="only https is used"):
                urllib.request.urlopen(address)  # noqa: S310 - refused
    assert urllib.request._opener is before  # type: ignore[attr-defined]


@pytest.mark.parametrize("amount", [None, 100])
def test_long_answers_are_cut(server: str, monkeypatch: pytest.MonkeyPatch, amount: int | None) -> None:
    """An answer is read up to the bound and no further, in one piece or in blocks."""
    with guarding.guarded(), urllib.request.urlopen(server) as answer:  # noqa: S310 - this machine
        assert len(answer.read()) == 1000
    monkeypatch.setattr(guarding, "MOST_BYTES", 999)
    with (
        guarding.guarded(),
        urllib.request.urlopen(server) as answer,  # noqa: S310 - this machine
        pytest.raises(guarding.TooLongError, match="longer than 999 bytes"),
    ):
        list(iter(lambda: answer.read(*([] if amount is None else [amount])), b""))


def test_mirrors_are_asked_with_encryption() -> None:
    """Plain addresses become encrypted ones, but for this machine."""
    assert guarding.encrypted(["http://a.example/x/", "https://b.example/", "http://127.0.0.1:1/"]) == [
        "https://a.example/x/", "https://b.example/", "http://127.0.0.1:1/",
    ]  # fmt: skip
