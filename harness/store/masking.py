"""Secrets of the environment, and credentials in addresses, never reach a file: whatever is recorded passes here first."""

from __future__ import annotations

import json
import os
import re
import typing

from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MASK = "***"
LEAST_LENGTH = 6
"""Shorter values are ordinary words and numbers: masking them would garble what is recorded, and tell them by its gaps."""
_SECRET = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|_PAT$|COOKIE|(?<!X)AUTH(?!OR)|(?<!HOST)_KEY$",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)")
_IN_ADDRESS_BYTES = re.compile(_IN_ADDRESS.pattern.encode())


def secrets(variables: Mapping[str, str]) -> list[str]:
    """Return the values of environment variables whose names say that they are secret, longest first."""
    found = {
        value for name, value in variables.items() if _SECRET.search(name) and len(value) >= LEAST_LENGTH
    }
    # a path tells where a secret lies, and is needed to make sense of messages
    return sorted((value for value in found if not value.startswith(("/", "~"))), key=len, reverse=True)


def masked(text: str) -> str:
    """Return text without the secrets of this process's environment, and without user and password in addresses."""
    return _without(secrets(os.environ), text)


def _without(hidden: Iterable[str], text: str) -> str:
    for secret in hidden:
        text = text.replace(secret, MASK)
    return _IN_ADDRESS.sub(MASK, text)


def mask_files(paths: Iterable[Path]) -> None:
    """Write files of text or JSON anew where a secret of this process's environment stands in them, or user and password in an address.

    Raises
    ------
    StorageError
        If one cannot be written.
    """
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        clean = _masked_json(content) if path.suffix == ".json" else _masked_bytes(content)
        if clean != content:
            files.write_bytes(path, clean)


def _masked_json(content: bytes) -> bytes:
    """Mask the strings of a JSON document however they are written there; its numbers stay numbers."""
    import msgspec

    try:
        plain = msgspec.json.decode(content)
        clean = _masked_strings(plain, secrets(os.environ))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # whoever reads it will say so
        return _masked_bytes(content)
    return content if clean == plain else msgspec.json.format(msgspec.json.encode(clean), indent=1) + b"\n"


def _masked_strings(value: typing.Any, hidden: Sequence[str]) -> typing.Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _without(hidden, value)
    if isinstance(value, list):
        return [_masked_strings(item, hidden) for item in value]
    if isinstance(value, dict):
        return {_without(hidden, name): _masked_strings(item, hidden) for name, item in value.items()}
    return value


def _masked_bytes(content: bytes) -> bytes:
    clean = _IN_ADDRESS_BYTES.sub(MASK.encode(), content)
    for value in secrets(os.environ):
        for secret in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            clean = clean.replace(os.fsencode(secret), MASK.encode())
    return clean
