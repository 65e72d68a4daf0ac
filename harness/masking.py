"""Secrets of the environment, and credentials in addresses, never reach a file: whatever is recorded passes here first."""

from __future__ import annotations

import json
import os
import re
import typing

from harness import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
    for secret in secrets(os.environ):
        text = text.replace(secret, MASK)
    return _IN_ADDRESS.sub(MASK, text)


def mask_files(paths: Iterable[Path]) -> None:
    """Write files of text or JSON anew where a secret of this process's environment stands in them, or user and password in an address.

    Raises
    ------
    StorageError
        If one cannot be written.
    """
    found = [secret.encode() for value in secrets(os.environ) for secret in {value, json.dumps(value)[1:-1]}]
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        clean = _IN_ADDRESS_BYTES.sub(MASK.encode(), content)
        for secret in found:
            clean = clean.replace(secret, MASK.encode())
        if clean != content:
            files.write_bytes(path, clean)
