"""How the frameworks were set while stages ran: TF32, determinism, mixed precision."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Settings:
    """What each setting was at the end of each stage, where what was set for the stage alone still holds; `read` returns them by name."""

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read
        self._seen: dict[str, dict[str, list[str]]] = {}

    def note(self, stage: str) -> None:
        """Read the settings at the end of a stage."""
        for name, value in self._read().items():
            self._seen.setdefault(name, {}).setdefault(value, []).append(stage)

    def by_stage(self) -> dict[str, str]:
        """Return each setting's value, or which one it had in which stages."""
        known: dict[str, str] = {}
        for name, stages in self._seen.items():
            parts = [f"{value} in {', '.join(names)}" for value, names in stages.items()]
            known[name] = "; ".join(parts) if len(stages) > 1 else next(iter(stages))
        return known
