"""Figures as SVG and images, and what happens where arrays are missing or damaged."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import typing
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from harness.records import Figure
from harness.report import figures, palette, plots
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Job, RunResult

    Array = NDArray[typing.Any]

SHAPES: dict[str, tuple[int, ...]] = {
    "lines": (2, 30),
    "images": (2, 3, 5, 4),
    "heatmap": (4, 6),
    "scatter": (50, 2),
    "bars": (7,),
}


def draw(
    job: Job, folder: Path, figure: Figure, arrays: dict[str, Array], *, name: str = "run"
) -> figures.Drawing:
    """Store `arrays` as a run's and draw `figure` from them."""
    result = with_figure(job, figure, name)
    files.write_npz(folder / name / "arrays.npz", arrays)
    return figures.draw_all(result, folder, "variant", "s0")[0]


def with_figure(job: Job, figure: Figure, name: str) -> RunResult:
    """Return the job's first run with one figure and its files in the folder `name`."""
    first = job.results[0]
    assert first.measurement is not None
    measurement = dataclasses.replace(first.measurement, figures=(figure,))
    return dataclasses.replace(first, folder=name, measurement=measurement)


def make(kind: typing.Any, **more: typing.Any) -> Figure:
    """Declare a figure."""
    return Figure(name="f", kind=kind, title="Title", caption="Caption", series=("one",), **more)


@pytest.mark.parametrize("kind", ["lines", "heatmap", "scatter", "bars"])
def test_a_plot_is_well_formed_themed_and_described(job: Job, tmp_path: Path, kind: str) -> None:
    """Plots are XML, hold no colour but the theme's and the map's, and say in words what they show."""
    values = np.random.default_rng(0).normal(size=SHAPES[kind])
    svg = str(draw(job, tmp_path, make(kind, x="epoch", y="loss"), {"f/0": values}).panels[0].svg)
    root = ET.fromstring(svg)  # noqa: S314 - drawn above
    assert "Title (loss against epoch)" in root.attrib["aria-label"]
    assert not re.search(f"{palette.INK}|{palette.RULE}|{'|'.join(palette.SERIES)}", svg)
    assert "currentColor" in svg
    assert "<style" not in svg
    assert ">epoch</text>" in svg


def test_ids_are_those_referred_to_and_carry_the_anchor(job: Job, tmp_path: Path) -> None:
    """Every id in a drawing is referred to within it and starts with the figure's prefix."""
    svg = str(draw(job, tmp_path, make("scatter"), {"f/0": np.zeros((5, 2))}).panels[0].svg)
    ids = re.findall(r' id="([^"]+)"', svg)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", svg))
    assert ids
    assert set(ids) == used
    assert all(name.startswith("s0f0-") for name in ids)


def test_names_with_markup_dollars_and_other_scripts_stay_text(job: Job, tmp_path: Path) -> None:
    """Labels are text: no markup, no mathematics, any script."""
    hostile = "<script>alert(1)</script> $x^{2 お"
    svg = str(draw(job, tmp_path, make("lines", x=hostile), {"f/0": np.arange(4.0)}).panels[0].svg)
    texts = [node.text for node in ET.fromstring(svg).iter() if node.text]  # noqa: S314 - drawn above
    assert hostile in texts


def test_labels_keep_their_digits(job: Job, tmp_path: Path) -> None:
    """Coordinates are shortened, text never is."""
    figure = make("bars", columns=("0.12345", "2.71828"))
    svg = str(draw(job, tmp_path, figure, {"f/0": np.array([1.0, 1 / 3])}).panels[0].svg)
    assert {">0.12345</text>", ">2.71828</text>"} <= set(re.findall(r">[^<>]*</text>", svg))
    assert not re.search(r' (?:d|x|y|width|height)="[^"]*\d\.\d{3}', svg)


def test_images_show_the_stored_values(job: Job, tmp_path: Path) -> None:
    """Each image is a PNG of its own size whose grey values are the array's, on one scale."""
    values = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    figure = make("images", rows=("a", "b"), columns=("x", "y", "z"))
    drawing = draw(job, tmp_path, figure, {"f/0": values})
    address, alt = drawing.panels[0].rows[1].cells[2]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    assert alt == "b, z"
    assert shown.shape == (5, 4)
    assert shown[-1, -1] == 255
    np.testing.assert_allclose(shown, values[1, 2] / values.max() * 255, atol=0.51)


def test_signed_images_are_drawn_around_zero() -> None:
    """Filters with both signs get two colours of equal reach; slight overshoot stays grey."""
    signed, note = figures.shade(np.array([-2.0, 0.0, 1.0, 2.0]).reshape(1, 1, 2, 2))
    assert signed.shape == (1, 1, 2, 2, 3)
    assert "±2" in note
    red, _, blue = signed[0, 0, 0, 0]
    assert blue > red
    grey, _ = figures.shade(np.array([-3.0, 0.0, 128.0, 255.0]).reshape(1, 1, 2, 2))
    assert grey.tolist() == [[[[0, 0], [128, 255]]]]


def test_small_data_is_a_download_with_every_number(job: Job, tmp_path: Path) -> None:
    """The CSV holds each value by series and index."""
    values = np.array([0.5, 0.25, 0.125])
    figure = dataclasses.replace(make("lines"), series=('a "quoted", b', "c"))
    drawing = draw(job, tmp_path, figure, {"f/0": values, "f/1": values + 1})
    text = base64.b64decode(drawing.data.partition(",")[2]).decode().splitlines()
    assert text[0] == "series,index0,value"
    assert text[1] == '"a ""quoted"", b",0,0.5'
    assert len(text) == 7


def test_large_data_stays_in_its_file(job: Job, tmp_path: Path) -> None:
    """Arrays too large for the page are not embedded, and the page says where they lie."""
    noise = np.random.default_rng(0).normal(size=(2, 50_000))
    drawing = draw(job, tmp_path, make("lines"), {"f/0": noise})
    assert drawing.data == ""
    assert drawing.stored == "run/arrays.npz"


@pytest.mark.parametrize("count", [1, plots.WIDTH, plots.WIDTH + 1, 1750])
def test_a_band_of_many_steps_encloses_what_it_did(count: int) -> None:
    """Of the points that share a pixel the lowest and highest are drawn; a gap in one of them hides none."""
    rng = np.random.default_rng(0)
    low = rng.normal(size=count)
    high = low + rng.uniform(size=count)
    low[count // 2] = np.nan
    x, below, above = plots._columns(np.arange(count, dtype=np.float64), low, high)
    assert len(x) == len(below) == len(above) <= plots.WIDTH
    assert (np.diff(x) > 0).all()
    assert (np.nanmin(below, initial=9), above.max()) == (np.nanmin(low, initial=9), high.max())
    every = -(-count // plots.WIDTH)
    for place in range(len(x)):
        part = slice(place * every, (place + 1) * every)
        assert above[place] == high[part].max()
        assert every == 1 or below[place] == np.nanmin(low[part])


def test_a_band_whose_x_come_back_is_drawn_as_it_is() -> None:
    """Points in the order of a closed curve share no pixel with their neighbours."""
    x = np.cos(np.linspace(0, 6, 2 * plots.WIDTH))
    given = (x, x - 1, x + 1)
    assert all(a is b for a, b in zip(given, plots._columns(*given), strict=True))


def test_lines_are_the_mean_over_runs_within_a_band(job: Job, tmp_path: Path) -> None:
    """Runs with the same points are averaged, drawn and handed out; one of another length, or without the array, or gone, does not count."""
    figure = make("lines")
    result = with_figure(job, figure, "run")
    x = np.arange(5.0)
    stored = {
        "run": np.stack([x, x]),
        "low": np.stack([x, x - 1]),
        "high": np.stack([x, x + 4]),
        "short": np.stack([x[:4], x[:4]]),
    }
    for name, values in stored.items():
        files.write_npz(tmp_path / name / "arrays.npz", {"f/0": values})
    files.write_npz(tmp_path / "bare" / "arrays.npz", {"g/0": x})
    (alone,) = figures.draw_all(result, tmp_path, "variant", "s0")
    (drawn,) = figures.draw_all(result, tmp_path, "variant", "s0", ["low", "high", "short", "bare", "gone"])
    assert drawn.note == "Lines: mean over 3 runs; bands: lowest to highest."
    assert alone.note == ""
    assert str(drawn.panels[0].svg).count("var(--s0)") > str(alone.panels[0].svg).count("var(--s0)")
    assert last_values(alone) == [0, 1, 2, 3, 4]
    assert last_values(drawn) == [1, 2, 3, 4, 5]
    assert "Ranges: one 1 to 5." in str(drawn.panels[0].svg)


def last_values(drawing: figures.Drawing) -> list[float]:
    """Read the y values of a line's CSV download: those whose first index is 1."""
    text = base64.b64decode(drawing.data.partition(",")[2]).decode()
    rows = [line.split(",") for line in text.splitlines()[1:]]
    return [float(row[-1]) for row in rows if row[1] == "1"]


def test_many_points_are_thinned_and_said_so(job: Job, tmp_path: Path) -> None:
    """A scatter of 60,000 points draws a part and says which."""
    points = np.random.default_rng(0).normal(size=(60_000, 2))
    drawing = draw(job, tmp_path, make("scatter"), {"f/0": points})
    assert drawing.note == "One point in 50 is drawn."
    assert len(str(drawing.panels[0].svg)) < 250_000


@pytest.mark.parametrize("kind", list(SHAPES))
def test_a_wrong_shape_is_named_in_the_figures_place(job: Job, tmp_path: Path, kind: str) -> None:
    """An array that does not fit its kind is refused with both shapes."""
    drawing = draw(job, tmp_path, make(kind), {"f/0": np.zeros((3, 3, 3))})
    assert not drawing.panels
    assert "(3, 3, 3)" in drawing.problem
    assert kind in drawing.problem


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("f/0", np.array(["a"]), "holds no numbers"),
        ("f/0", np.zeros((0,)), "holds no numbers"),
        ("f/0", np.array([1 + 2j]), "holds no numbers"),
        ("g/0", np.zeros(3), "there is no array 'f/0'"),
    ],
)
def test_what_holds_no_numbers_is_refused(
    job: Job, tmp_path: Path, name: str, values: Array, problem: str
) -> None:
    """Text, empty, complex and missing arrays are named, not drawn."""
    assert problem in draw(job, tmp_path, make("bars"), {name: values}).problem


def test_values_that_are_not_finite_leave_gaps(job: Job, tmp_path: Path) -> None:
    """NaN and infinity do not stop a drawing, even if nothing else is there."""
    values = np.full((2, 3), np.nan)
    assert draw(job, tmp_path, make("heatmap"), {"f/0": values}).panels
    assert draw(job, tmp_path, make("lines"), {"f/0": np.array([1.0, np.inf, 2.0])}).panels


def test_damaged_files_are_told_from_missing_ones_and_never_unpickled(job: Job, tmp_path: Path) -> None:
    """Without a readable file each figure's place says why; pickled objects are refused."""
    result = with_figure(job, make("lines"), "run")
    path = tmp_path / "run" / "arrays.npz"
    missing = figures.draw_all(result, tmp_path, "v", "s0")[0].problem
    path.parent.mkdir()
    np.savez(path, np.array([{"a": 1}], dtype=object))
    pickled = figures.draw_all(result, tmp_path, "v", "s0")[0].problem
    path.write_bytes(b"PK\x03\x04 torn")
    torn = figures.draw_all(result, tmp_path, "v", "s0")[0].problem
    assert "run/arrays.npz is missing" in missing
    assert "allow_pickle" in pickled
    assert torn
    assert all(str(tmp_path) not in problem for problem in (missing, pickled, torn))


def test_torn_compressed_content_is_reported(job: Job, tmp_path: Path) -> None:
    """Bytes flipped inside the compressed stream are reported, wherever they hit."""
    result = with_figure(job, make("lines"), "run")
    path = tmp_path / "run" / "arrays.npz"
    files.write_npz(path, {"f/0": np.random.default_rng(0).normal(size=500)})
    content = bytearray(path.read_bytes())
    for start in range(60, 600, 90):
        torn = content.copy()
        torn[start : start + 8] = b"\xff" * 8
        path.write_bytes(torn)
        drawing = figures.draw_all(result, tmp_path, "v", "s0")[0]
        assert drawing.problem.startswith("The arrays of this run cannot be read")


def test_a_folder_outside_the_job_is_not_read(job: Job, tmp_path: Path) -> None:
    """A run record cannot make the report read files elsewhere."""
    outside = tmp_path / "outside"
    files.write_npz(outside / "arrays.npz", {"f/0": np.zeros(3)})
    inside = tmp_path / "job"
    inside.mkdir()
    drawing = figures.draw_all(with_figure(job, make("lines"), "../outside"), inside, "v", "s0")[0]
    assert "outside the job's folder" in drawing.problem


def test_a_label_that_is_a_formula_is_text_in_the_data(job: Job, tmp_path: Path) -> None:
    """Of the numbers behind a figure, as a page offers them, no cell begins as a formula does."""
    figure = Figure(name="f", kind="bars", title="t", caption="c", series=("=HYPERLINK(1)", "plain"))
    arrays = {"f/0": np.ones(2), "f/1": np.ones(2)}
    data = draw(job, tmp_path, figure, arrays).data
    text = base64.b64decode(data.partition(",")[2]).decode()
    assert "\n'=HYPERLINK(1),0,1\n" in text
    assert "\nplain,0,1\n" in text
