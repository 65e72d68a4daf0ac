"""Numbers as text: one scale and one number of digits for everything that stands in a row."""

from __future__ import annotations

import dataclasses
import math
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.records import Kind, Value

NOT_MEASURED = "not measured"
NONE = "—"
_BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
_SECONDS = (
    (7200.0, 3600.0, "h"),
    (120.0, 60.0, "min"),
    (1.0, 1.0, "s"),
    (1e-3, 1e-3, "ms"),
    (0.0, 1e-6, "µs"),
)
"""From which duration on each unit is used, its length in seconds, its name."""
_LEAST_SHARE = 1e-3
"""Below this a number without a unit is more likely an error than a share, and is not written in percent."""
LEAST_WRITTEN_OUT = 1e-3
"""Below this a number has a power of ten, whatever its digits: nobody counts zeros."""
_NARROW = "\N{NARROW NO-BREAK SPACE}"


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """How to write the numbers of one row."""

    factor: float = 1.0  # what a value is multiplied by
    suffix: str = ""  # unit, with the space before it
    decimals: int | None = None  # digits after the point; None writes four significant digits

    def text(self, value: float | None, none: str = NONE) -> str:
        """Write one number with its unit; None gives `none`."""
        return none if value is None else self.bare(value) + self.suffix

    def printed(self, value: float) -> str:
        """Write a published number with the digits that were declared, and no more."""
        mantissa, power, exponent = f"{value * self.factor:,.10g}".partition("e")
        return f"{mantissa}{power}{int(exponent) if power else ''}".replace("-", "−") + self.suffix

    def small(self, value: float) -> str:
        """Write a spread or resolution; one that would round to nothing gets a power of ten."""
        rounded = self.text(value)
        if value and not any(digit in "123456789∞N" for digit in self.bare(value)):
            return scientific(value * self.factor) + self.suffix
        return rounded

    def bare(self, value: float) -> str:
        """Write one number without its unit."""
        scaled = value * self.factor + 0.0  # no negative zero
        if not math.isfinite(scaled):
            return scientific(scaled)
        decimals = self.decimals
        if decimals is None:
            if scaled == int(scaled) and abs(scaled) < 1e9:
                decimals = 0
            elif not LEAST_WRITTEN_OUT <= abs(scaled) < 1e9:
                return scientific(scaled)
            else:
                decimals = max(0, 3 - math.floor(math.log10(abs(scaled))))
        return f"{scaled:,.{decimals}f}".replace("-", "−")


def scientific(value: float) -> str:
    """Write a number with two significant digits and a power of ten, such as 8.9e-8."""
    if not math.isfinite(value):
        return str(value).replace("nan", "NaN").replace("inf", "∞")
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def scale(kind: Kind, unit: str, values: Iterable[float | None], step: float | None = None) -> Scale:
    """Choose unit and digits that suit all of `values`, given in `unit`.

    ``B`` and ``s`` are written in multiples, ``""`` within [0, 1] in percent, but only of kind accuracy. `step` is a resolution or
    spread in `unit`: digits end one place after its first.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    factor, suffix = _factor(kind, unit, known)
    return Scale(factor, suffix, _decimals(known, factor, step))


def _factor(kind: Kind, unit: str, known: list[float]) -> tuple[float, str]:
    largest = max(map(abs, known), default=0.0)
    if unit == "B":
        size, name = next((pair for pair in _BYTES if largest >= 10 * pair[0]), _BYTES[-1])
        size, name = (2**20, "MiB") if kind == "memory" else (size, name)
        return 1 / size, _NARROW + name
    if unit == "s":
        _, length, name = next(unit for unit in _SECONDS if largest >= unit[0])
        return (1 / length, _NARROW + name) if largest else (1.0, _NARROW + "s")
    share = kind == "accuracy" and not unit and all(0 <= value <= 1 for value in known)
    if share and largest >= _LEAST_SHARE:
        return 100.0, "%"
    return 1.0, unit if unit in {"", "%"} else _NARROW + unit


def _decimals(known: list[float], factor: float, step: float | None) -> int | None:
    scaled = [value * factor for value in known]
    largest = max(map(abs, scaled), default=0.0)
    if 0 < largest < LEAST_WRITTEN_OUT:
        return None
    whole = all(math.isclose(value, round(value), rel_tol=1e-6) for value in scaled)
    if step is not None and math.isfinite(step) and step > 0 and not (whole and step * factor < 1e-3):
        place = 1 - math.floor(math.log10(step * factor))
        room = 4 - math.floor(math.log10(largest)) if largest > 0 else 6
        return max(0, min(place, room, 9))
    if whole:
        return 1 if factor != 1 and scaled else None
    if largest >= 1e9:
        return None
    return max(0, min(9, 3 - math.floor(math.log10(largest))))


def seconds(value: float) -> str:
    """Write a duration with three significant digits and a unit that suits it."""
    return durations([value]).text(value)


def durations(values: Iterable[float]) -> Scale:
    """Choose a unit of time, and digits so that the longest of `values` has three."""
    known = list(values)
    longest = max(known, default=0.0)
    return scale("runtime", "s", known, 0.1 ** (1 - math.floor(math.log10(longest))) if longest > 0 else None)


def mebibytes(value: float | None) -> str:
    """Write bytes in MiB with one decimal; None is written as not measured."""
    return Scale(2**-20, _NARROW + "MiB", 1).text(value, none=NOT_MEASURED)


def flat(value: Value | None) -> list[float]:
    """Return the numbers of a value or nested list, in order; None has none."""
    if value is None:
        return []
    if isinstance(value, list):
        return [number for item in value for number in flat(item)]
    return [float(value)]


def number(value: Value | None) -> float | None:
    """Return the value if it is a single number, else None."""
    return None if value is None or isinstance(value, list) else float(value)


def shape(value: Value | None) -> str:
    """Describe the shape of a nested list, such as ``10 × 10``."""
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else 0.0
    return " × ".join(map(str, sizes))
