"""Runs of both sides, pair by pair: which comes first is decided by a coin, and by the same coin after a resume."""

from __future__ import annotations

import hashlib
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.records import RunRequest


def interleave(requests: Iterable[RunRequest], seed: int) -> list[RunRequest]:
    """Put the base and the head of each pair next to each other, in the order that the pair's coin says.

    Machines drift, heat up and fill their caches: with a fixed order, or one that alternates, that would look like a difference of
    the code. A fair coin for each pair is what makes the sign-flip test exact.

    Parameters
    ----------
    requests : iterable of RunRequest
        Runs of both sides; those of a pair differ in side, code and scenario files only.
    seed : int
        Seed of the coin, at least 0.

    Returns
    -------
    list of RunRequest
        The same runs; pairs in the order of their first run, runs without a partner where they were.

    Raises
    ------
    ValueError
        If a pair has a side twice.
    """
    pairs: dict[tuple[object, ...], list[RunRequest]] = {}
    for request in requests:
        pairs.setdefault(_pair(request), []).append(request)
    return [request for key, pair in pairs.items() for request in _ordered(key, pair, seed)]


def _pair(request: RunRequest) -> tuple[object, ...]:
    """Return everything about a run but its side and where its code lies."""
    return (
        request.scenario, request.variant, request.seed, request.tier, request.device, request.backend, request.threads,
        request.time_limit, request.memory_limit, request.purpose, request.repeat, request.round,
    )  # fmt: skip


def _ordered(key: tuple[object, ...], pair: list[RunRequest], seed: int) -> list[RunRequest]:
    sides = sorted(pair, key=lambda request: request.side)
    if len({request.side for request in sides}) < len(sides):
        raise ValueError(f"the run {sides[0].key} is asked for twice")
    return sides[::-1] if _heads(key, seed) else sides


def _heads(key: tuple[object, ...], seed: int) -> bool:
    """Throw the coin of a pair; words enter as hashes, so that it falls alike in every process."""
    import numpy as np

    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return bool(np.random.default_rng([seed, int.from_bytes(digest, "big")]).integers(2))
