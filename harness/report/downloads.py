"""Numbers that travel within the page: as CSV where they are few, else as NumPy's own archive; offline and without scripts."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import typing
import zipfile

import numpy as np

from harness.store.visible import harmless

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

MOST_CSV_BYTES = 24_000
"""Numbers up to this size are written as CSV."""
MOST_ARCHIVE_BYTES = 100_000
"""Archives up to this size travel within the page."""


@dataclasses.dataclass(frozen=True, slots=True)
class Download:
    """A file within the page."""

    address: str
    """Data address."""
    suffix: str
    """End of the file's name."""
    label: str
    """What the link says."""


def address(kind: str, content: bytes) -> str:
    """Return content as a data address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def table(rows: Iterable[Sequence[object]]) -> Download:
    """Write rows as CSV (RFC 4180); a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return Download(address("text/csv;charset=utf-8", out.getvalue().encode()), "csv", "Data (CSV)")


def arrays(labels: Sequence[str], stored: Sequence[NDArray[np.generic]]) -> Download | None:
    """Write arrays as CSV in long form (series, index along each axis, value), as an archive if that is too long, or not at all."""
    if sum(values.size for values in stored) * 12 <= MOST_CSV_BYTES:
        found = table(_long(labels, stored))
        if len(found.address) * 3 // 4 <= MOST_CSV_BYTES:
            return found
    content = _archive(
        {
            f"{index} {label}".strip(): values
            for index, (label, values) in enumerate(zip(labels, stored, strict=True))
        }
    )
    if len(content) > MOST_ARCHIVE_BYTES:
        return None
    return Download(address("application/zip", content), "npz", "Data (NumPy .npz)")


def _long(labels: Sequence[str], stored: Sequence[NDArray[np.generic]]) -> Iterable[Sequence[object]]:
    depth = max(values.ndim for values in stored)
    yield ["series", *(f"index{axis}" for axis in range(depth)), "value"]
    for label, values in zip(labels, stored, strict=True):
        for index, value in np.ndenumerate(values):
            yield [label, *index, *[""] * (depth - len(index)), f"{value:.9g}"]


def _archive(named: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Pack arrays as ``.npz``; unlike NumPy's writer without the time, so that equal arrays give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for index, (name, values) in enumerate(named.items()):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            safe = "".join(sign if sign.isalnum() else "_" for sign in name)[:80] or str(index)
            info = zipfile.ZipInfo(f"{safe}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(info, member.getvalue(), compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
    return out.getvalue()
