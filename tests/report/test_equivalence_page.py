"""The page of a comparison: well-formed, escaped, without scripts, every verdict and number in it, and the same bytes each time."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest

from harness.records import (
    Amount,
    Compared,
    Contrast,
    Equivalence,
    IdentitySide,
    IdentitySides,
    SameWeights,
    Score,
    ScoreSide,
    SideJob,
    SideRuns,
    VariantSides,
)
from harness.report import equivalence_page, strips
from tests.report.parsed import Parsed

HOSTILE = "<script>alert(1)</script>\"'</style></title>{{ 7 * 7 }}&amp;"
NOWHERE = (Path("nowhere"),) * 3


def contrast(stage: str, metric: str, a: float, *others: float | None, **changes: typing.Any) -> Contrast:
    """Set one metric in relation."""
    kinds: dict[str, tuple[str, typing.Any]] = {
        "bytes": ("B", "memory"),
        "conds": ("s", "runtime"),
        "econd": ("1/s", "runtime"),
    }
    unit, kind = kinds[metric[-5:]]
    first = Amount(median=a, runs=3, disturbed=False)
    sides = [
        None
        if b is None
        else dataclasses.replace(
            first, median=b, ratio=b / a, lower=b / a / 1.1, upper=b / a * 1.1, coverage=0.9, **changes
        )
        for b in others
    ]
    return Contrast(stage=stage, metric=metric, unit=unit, kind=kind, sides=(first, *sides))


def score(
    metric: str, verdict: typing.Any, *, unit: str = "", share: bool = True, **changes: typing.Any
) -> Score:
    """Judge one score of two sides."""
    judged = Equivalence(
        verdict=verdict, difference=-0.01, lower=-0.012, upper=-0.008, margin=0.004, p=0.9, runs_to_decide=None,
        reason="the difference lies beyond the margin",
    )  # fmt: skip
    first = ScoreSide(mean=0.95, spread=0.002, runs=5, judged=None)
    other = ScoreSide(mean=0.94, spread=0.003, runs=5, judged=dataclasses.replace(judged, **changes))
    return Score(metric=metric, unit=unit, share=share, sides=(first, other))


def variant(name: str = "default") -> VariantSides:
    """Compare one variant, with everything that can be shown."""
    a = SideRuns(
        name="tensorflow", job=0, variant=name, backend="tensorflow", device="cpu", seeds=(0, 1, 2), failed=0, disturbed=0,
        calibration_seconds=0.002, environment={},
    )  # fmt: skip
    b = dataclasses.replace(
        a,
        name=f"torch {HOSTILE}",
        job=1,
        backend="torch",
        device="cuda",
        environment={"gpu": f"GPU {HOSTILE}"},
    )
    good = IdentitySide(dtype="float32", error=1e-6, tolerance=1e-4, holds=True)
    exact = dataclasses.replace(good, error=0.0, tolerance=0.0)
    return VariantSides(
        scenario=f"probe{HOSTILE}", tier="smoke", sides=(a, b), notes=(f"two machines {HOSTILE}",), environment=(("cpu", (HOSTILE, "B")),),
        contrasts=(
            contrast("imports", "seconds", 2.0, 3.0), contrast("train", "seconds", 10.0, 0.5, disturbed=True),
            contrast("train", "images_per_second", 100.0, 2000.0), contrast("train", "first_step_seconds", 1.0, 4.0),
            contrast("train", "step_seconds", 0.25, 0.01), contrast("train", "above_imports_bytes", 2**27, 2**28),
            contrast("train", "device_allocated_bytes", 2**20, None), contrast("total", "seconds", 10.0, 0.5),
        ),
        scores=(
            score("accuracy", "different"), score("f1_macro", "equivalent", reason="the difference lies within the margin"),
            score("loss", "INCONCLUSIVE", unit="nat", share=False, runs_to_decide=42, lower=None, upper=None, margin=None),
        ),
        weights=(SameWeights(side=1, set="test", labels=400, runs=1, checkpoints=1, changed=4, worse=3, better=1, p=0.625, tested=1),),
        flips=((),),
        identities=(
            IdentitySides(name=f"w{HOSTILE}", formula="a = b", sides=(good, dataclasses.replace(good, holds=False, error=1.0))),
            IdentitySides(name="exact", formula="c", sides=(exact, None)),
        ),
    )  # fmt: skip


def beside(*variants: VariantSides, left_out: tuple[str, ...] = ()) -> Compared:
    """Put variants into a comparison."""
    side = SideJob(
        folder=f"reports/{HOSTILE}",
        created="2026-01-01T00:00:00+00:00",
        commit="a" * 40 + "+dirty",
        command="harness run",
    )
    return Compared(
        schema=3, created=side.created, command=f"harness compare {HOSTILE}", version="0.1", jobs=(side, side, side), variants=variants,
        left_out=left_out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    """Write the page of two variants."""
    return equivalence_page.render(
        beside(variant(), variant("other"), left_out=(f"third {HOSTILE}",)), NOWHERE
    )


def test_it_is_well_formed_escaped_and_without_scripts(page: str) -> None:
    """Every tag ends, ids are unique, links lead somewhere, no name becomes markup, and no script is there or allowed."""
    found = Parsed(page)
    assert "script" not in found.tags
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "script-src 'none'" in page
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert HOSTILE in found.text
    assert "http" not in page.replace("http-equiv", "")


def test_everything_that_was_found_is_said(page: str) -> None:
    """Verdicts, runs that would decide, ratios, coverage, first steps, labels, identities, and what was not compared."""
    text = " ".join(Parsed(page).text.split())
    for told in (
        "An identity is violated.", "2 different, 2 INCONCLUSIVE, 2 equivalent", "about 42 runs a side would decide", "−1.2 to −0.8",
        "×0.05", "0.0455 to 0.055 (90%)", "disturbed", "2,000/s", "750 ms", "3.99 s", "2 variants of 3 jobs compared",
        "4 labels changed, 3 for the worse", "p = 0.62",
        "REGRESSED", "third", "+dirty", "128.0\N{NARROW NO-BREAK SPACE}MiB",
    ):  # fmt: skip
        assert told.replace("\N{NARROW NO-BREAK SPACE}", " ") in text.replace(
            "\N{NARROW NO-BREAK SPACE}", " "
        ), told


def test_the_same_input_gives_the_same_page(page: str) -> None:
    """Nothing on the page depends on when it is written."""
    again = beside(variant(), variant("other"), left_out=(f"third {HOSTILE}",))
    assert equivalence_page.render(again, NOWHERE) == page


@pytest.mark.parametrize(
    ("verdicts", "lead"),
    [
        (["equivalent", "equivalent"], "They score alike."),
        (["equivalent", "INCONCLUSIVE"], ": −1 points, undecided."),
        (["INCONCLUSIVE", "different"], ":default on torch"),
        ([], "Side by side."),
    ],
)
def test_the_headline_is_the_most_telling_verdict(verdicts: list[str], lead: str) -> None:
    """Different comes before undecided, and undecided before alike; what differs is named with its difference."""
    scores = tuple(score(f"m{index}", word) for index, word in enumerate(verdicts))
    found = dataclasses.replace(variant(), scores=scores, identities=())
    text = Parsed(equivalence_page.render(beside(found), NOWHERE)).text
    assert lead in text
    assert ("m1 of " in text.partition("compared; scores")[0]) == (lead.startswith(":"))
    assert ("differs by −1 points." in text) == ("different" in verdicts)


def test_a_third_job_is_a_third_column() -> None:
    """Every table has one more column, and the scores one more row."""
    two = variant()
    third = dataclasses.replace(two.sides[1], name="jax", job=2)
    more = tuple(dataclasses.replace(one, sides=(*one.sides, one.sides[1])) for one in two.contrasts)
    scores = tuple(dataclasses.replace(one, sides=(*one.sides, one.sides[1])) for one in two.scores)
    identities = tuple(dataclasses.replace(one, sides=(*one.sides, None)) for one in two.identities)
    three = dataclasses.replace(
        two,
        sides=(*two.sides, third),
        contrasts=more,
        scores=scores,
        identities=identities,
        flips=((), ()),
        environment=(),
    )
    page, before = (equivalence_page.render(beside(one), NOWHERE) for one in (three, two))
    assert page.count('<th class="num">jax') == 3  # summary, time, memory
    assert page.count("different</span>") == 2 * before.count("different</span>") - 1  # the words stand once


def test_nothing_to_compare_is_said() -> None:
    """Without a variant the page says so, with the reasons."""
    text = Parsed(equivalence_page.render(beside(left_out=("other data",)), NOWHERE)).text
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
