"""The page of two jobs: well-formed, escaped, without scripts, every verdict and number in it, and the same bytes each time."""

from __future__ import annotations

import dataclasses
import html.parser
import typing
from pathlib import Path

import pytest

from harness.records import (
    Contrast,
    Equivalence,
    IdentityBeside,
    IdentitySide,
    SameWeights,
    SideBySide,
    SideJob,
    SideRuns,
    VariantBeside,
)
from harness.report import side_by_side, strips

HOSTILE = "<script>alert(1)</script>\"'</style></title>{{ 7 * 7 }}&amp;"
NOWHERE = (Path("nowhere"), Path("nowhere"))
VOID = {"meta", "img", "br", "wbr", "input"}


class Parsed(html.parser.HTMLParser):
    """A page as tags and text; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.tags += [tag, *(name for name, _ in attrs if name.startswith("on"))]

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Gather what a reader sees."""
        if self._open[-1:] not in (["style"], ["script"]):
            self.text += data


def contrast(stage: str, metric: str, a: float, b: float, **changes: typing.Any) -> Contrast:
    """Set one metric in relation."""
    kinds: dict[str, tuple[str, typing.Any]] = {"bytes": ("B", "memory"), "conds": ("s", "runtime"), "econd": ("1/s", "runtime")}  # fmt: skip
    unit, kind = kinds[metric[-5:]]
    made = Contrast(
        stage=stage, metric=metric, unit=unit, kind=kind, a=a, b=b, runs=(3, 3), ratio=b / a, lower=b / a / 1.1, upper=b / a * 1.1,
        coverage=0.9, disturbed=False,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def score(metric: str, verdict: typing.Any, **changes: typing.Any) -> Equivalence:
    """Judge one score."""
    made = Equivalence(
        metric=metric, unit="", verdict=verdict, mean=(0.95, 0.94), spread=(0.002, 0.003), runs=(5, 5), difference=-0.01, lower=-0.012,
        upper=-0.008, margin=0.004, p=0.9, runs_to_decide=None, reason="the difference lies beyond the margin",
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def variant(name: str = "default") -> VariantBeside:
    """Set one variant side by side, with everything that can be shown."""
    a = SideRuns(
        backend="tensorflow", device="cpu", seeds=(0, 1, 2), failed=0, disturbed=0, calibration_seconds=0.002, environment={}
    )  # fmt: skip
    b = dataclasses.replace(a, backend="torch", device="cuda", environment={"gpu": f"GPU {HOSTILE}"})
    good = IdentitySide(dtype="float32", error=1e-6, tolerance=1e-4, holds=True)
    return VariantBeside(
        scenario=f"probe{HOSTILE}", variants=(name, name), tier="smoke", a=a, b=b, notes=(f"two machines {HOSTILE}",),
        environment=(("cpu", HOSTILE, "B"),),
        contrasts=(
            contrast("imports", "seconds", 2.0, 3.0), contrast("train", "seconds", 10.0, 0.5, disturbed=True),
            contrast("train", "images_per_second", 100.0, 2000.0), contrast("train", "first_step_seconds", 1.0, 4.0),
            contrast("train", "step_seconds", 0.25, 0.01), contrast("train", "above_imports_bytes", 2**27, 2**28),
            contrast("train", "device_allocated_bytes", 2**20, 0.0, ratio=None, lower=None, upper=None),
            contrast("total", "seconds", 10.0, 0.5),
        ),
        equivalences=(
            score("accuracy", "DIFFERENT"), score("f1_macro", "EQUIVALENT", reason="the difference lies within the margin"),
            score("loss", "INCONCLUSIVE", unit="nat", runs_to_decide=42, lower=None, upper=None, margin=None, spread=(None, None)),
        ),
        weights=(SameWeights(set="test", labels=400, runs=1, checkpoints=1, changed=4, worse=3, better=1, p=0.625, tested=1),),
        flips=(),
        identities=(
            IdentityBeside(name=f"w{HOSTILE}", formula="a = b", a=good, b=dataclasses.replace(good, holds=False, error=1.0)),
            IdentityBeside(name="exact", formula="c", a=dataclasses.replace(good, error=0.0, tolerance=0.0), b=None),
        ),
    )  # fmt: skip


def beside(*variants: VariantBeside, left_out: tuple[str, ...] = ()) -> SideBySide:
    """Put variants into a comparison."""
    side = SideJob(
        folder=f"reports/{HOSTILE}",
        created="2026-01-01T00:00:00+00:00",
        commit="a" * 40 + "+dirty",
        command="harness run",
    )
    return SideBySide(
        schema=1, created=side.created, command=f"harness compare {HOSTILE}", version="0.1", a=side, b=side, variants=variants,
        left_out=left_out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    """Write the page of two variants."""
    return side_by_side.render(beside(variant(), variant("other"), left_out=(f"third {HOSTILE}",)), NOWHERE)


def test_it_is_well_formed_escaped_and_without_scripts(page: str) -> None:
    """Every tag ends, ids are unique, links lead somewhere, no name becomes markup, and no script is there or allowed."""
    found = Parsed(page)
    assert "script" not in found.tags
    assert "script-src 'none'" in page
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert HOSTILE in found.text
    assert "http" not in page.replace("http-equiv", "")


def test_everything_that_was_found_is_said(page: str) -> None:
    """Verdicts, runs that would decide, ratios, coverage, first steps, labels, identities, and what was not compared."""
    text = " ".join(Parsed(page).text.split())
    for told in (
        "An identity is violated.", "2 DIFFERENT, 2 INCONCLUSIVE, 2 EQUIVALENT", "about 42 runs a side would decide", "−1.2 to −0.8",
        "0.05", "0.0455 to 0.055 (90%)", "DISTURBED", "2,000", "750 ms", "3.99 s", "4 labels changed, 3 for the worse", "p = 0.62",
        "REGRESSED", "third", "+dirty", "128.0\N{NARROW NO-BREAK SPACE}MiB",
    ):  # fmt: skip
        assert told.replace("\N{NARROW NO-BREAK SPACE}", " ") in text.replace(
            "\N{NARROW NO-BREAK SPACE}", " "
        ), told


def test_the_same_input_gives_the_same_page(page: str) -> None:
    """Nothing on the page depends on when it is written."""
    again = beside(variant(), variant("other"), left_out=(f"third {HOSTILE}",))
    assert side_by_side.render(again, NOWHERE) == page


@pytest.mark.parametrize(
    ("verdicts", "lead"),
    [
        (["EQUIVALENT", "EQUIVALENT"], "They score alike."),
        (["EQUIVALENT", "INCONCLUSIVE"], "Not every score could be told."),
        (["INCONCLUSIVE", "DIFFERENT"], "They score differently."),
        ([], "Side by side."),
    ],
)
def test_the_headline_is_the_most_telling_verdict(verdicts: list[str], lead: str) -> None:
    """Different comes before undecided, and undecided before alike."""
    scores = tuple(score(f"m{index}", word) for index, word in enumerate(verdicts))
    found = dataclasses.replace(variant(), equivalences=scores, identities=())
    assert lead in Parsed(side_by_side.render(beside(found), NOWHERE)).text


def test_nothing_to_compare_is_said() -> None:
    """Without a variant the page says so, with the reasons."""
    text = Parsed(side_by_side.render(beside(left_out=("other data",)), NOWHERE)).text
    assert "Nothing can be compared." in text
    assert "other data" in text


def test_drawings_stay_within_their_axis() -> None:
    """No difference and equal times lie in the middle; what lies beyond the axis stands at its end."""
    middle = strips.WIDTH / 2
    assert strips.ratio_strip(1.0, None).dots == (middle,)
    far = strips.ratio_strip(1e9, (1e-9, 1e9))
    assert far.whisker is not None
    assert far.whisker[0] >= 0
    assert far.whisker[1] == far.dots[0] <= strips.WIDTH
    zero = strips.difference_strip(0.0, None, None)
    assert (zero.dots, zero.reference, zero.band) == ((middle,), middle, None)
    wide = strips.difference_strip(0.1, (-0.2, 0.4), 0.3)
    assert wide.band is not None
    assert wide.band[0] + wide.band[1] / 2 == pytest.approx(middle, abs=0.2)
