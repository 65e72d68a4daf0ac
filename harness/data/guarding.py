"""Downloads that stay within bounds: encrypted connections only, redirects too, and no answer longer than any original."""

from __future__ import annotations

import contextlib
import socket
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK_SECONDS = 30.0
"""How long a silent connection is waited for."""
MOST_BYTES = 64 << 20
"""No original is larger than 20 MB."""
_OWN = ("127.0.0.1", "::1", "localhost")
"""This machine itself may answer unencrypted: nobody stands between."""


class TooLongError(OSError):
    """An answer that is longer than any original."""


class _Guard(urllib.request.BaseHandler):
    """Refuses plain connections before they are made, and cuts answers that are too long."""

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Refuse an address that is not encrypted; a redirect comes by here too."""
        if urllib.parse.urlsplit(request.full_url).hostname not in _OWN:
            raise urllib.error.URLError(f"only https is used, not {request.full_url}")
        return request

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ANN401, ARG002 - urllib's signature
        """Count what is read of an answer."""
        read, left = response.read, MOST_BYTES

        def limited(amount: int | None = None) -> bytes:
            nonlocal left
            block: bytes = read(left + 1 if amount is None else amount)
            left -= len(block)
            if left < 0:
                raise TooLongError(f"the answer is longer than {MOST_BYTES:,} bytes")
            return block

        response.read = limited
        return response

    https_response = http_response


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let urllib, whoever calls it, keep these bounds for a while; connections that fall silent fail."""
    before, opener = socket.getdefaulttimeout(), urllib.request._opener  # type: ignore[attr-defined]  # noqa: SLF001 - to put it back
    socket.setdefaulttimeout(NETWORK_SECONDS)
    urllib.request.install_opener(urllib.request.build_opener(_Guard))
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
        urllib.request.install_opener(opener)


def encrypted(addresses: list[str]) -> list[str]:
    """Return addresses with https for http, but those of this machine."""
    return [_encrypted(address) for address in addresses]


def _encrypted(address: str) -> str:
    parts = urllib.parse.urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname not in _OWN
    return urllib.parse.urlunsplit(parts._replace(scheme="https")) if plain else address
