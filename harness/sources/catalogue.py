"""The scenarios there are: the built-in ones, installed packages' entry points, and files that the user names."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import os
import sys
import textwrap
import typing
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError, ScenarioError, unknown
from harness.machine import imports
from harness.machine.environment import EXTRAS
from harness.records import (
    BACKENDS,
    DEVICES,
    TIERS,
    Direction,
    Expectation,
    Kind,
    Metric,
    Rule,
    Scenario,
    Source,
    Variant,
    finite,
)
from harness.records.metrics import OWN, SCORES
from harness.sources.digits1000_cnn import scenario as digits1000_cnn
from harness.sources.kmnist_svd_logreg import scenario as kmnist_svd_logreg
from harness.sources.mnist_autoencoder import scenario as mnist_autoencoder
from harness.sources.mnist_interpolation import scenario as mnist_interpolation
from harness.sources.tinyconvnet_svd import scenario as tinyconvnet_svd
from harness.store import project

if typing.TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.machinery import ModuleSpec

BUILT_IN = (
    kmnist_svd_logreg.SCENARIO,
    tinyconvnet_svd.SCENARIO,
    mnist_autoencoder.SCENARIO,
    mnist_interpolation.SCENARIO,
    digits1000_cnn.SCENARIO,
)
ENTRY_POINTS = "harness.scenarios"
_FOLDERS: set[str] = set()
"""Folders of scenario files that were put on the path."""


def load_all(paths: Iterable[str] = ()) -> dict[str, Scenario]:
    """Collect every scenario by name.

    Parameters
    ----------
    paths : iterable of str
        Python files that define ``SCENARIO`` or ``SCENARIOS``; their code is executed. What they import is looked for in their project too, and
        its configuration may replace their gated metrics.

    Raises
    ------
    ScenarioError
        If a file cannot be loaded, a declaration contradicts itself, or two scenarios share a name.
    """
    imports.distrust_old_code()
    declared = [("the package", scenario) for scenario in BUILT_IN]
    declared += _installed()
    declared += [(path, scenario) for path in paths for scenario in _load_file(Path(path))]
    scenarios: dict[str, Scenario] = {}
    for origin, scenario in declared:
        check(scenario, origin)
        if scenario.name in scenarios:
            what = f"two scenarios are called '{scenario.name}', one of them from {origin}"
            raise ScenarioError(what, "Rename one")
        scenarios[scenario.name] = scenario
    return scenarios


def is_built_in(name: str) -> bool:
    """Return whether a scenario comes with the harness."""
    return any(scenario.name == name for scenario in BUILT_IN)


def _installed() -> list[tuple[str, Scenario]]:
    from importlib.metadata import entry_points

    found: list[tuple[str, Scenario]] = []
    for point in entry_points(group=ENTRY_POINTS):
        origin = f"entry point '{point.name}' ({point.value})"
        try:
            found += [(origin, scenario) for scenario in _scenarios_in(point.load(), origin)]
        except HarnessError:
            raise
        except Exception as error:
            step = "Mend or uninstall that package"
            raise ScenarioError(f"{origin} cannot be loaded: {error!r}", step) from error
    return found


def _load_file(path: Path) -> list[Scenario]:
    if not path.is_file():
        raise ScenarioError(f"there is no scenario file '{path}'", "Type: harness init")
    if path.suffix != ".py":
        raise ScenarioError(f"'{path}' is not a Python file", "Name a file that ends in .py")
    file, gated = path.resolve(), project.find(path.parent).gated
    try:
        if Path("matplotlibrc").exists():
            # matplotlib would take this file for its own, whatever variables say; in a damaged one its import fails
            imports.matplotlib()
        name = _made_importable(file)
        loader = imports.SourceLoader(name, str(path))
        spec = typing.cast("ModuleSpec", importlib.util.spec_from_file_location(name, path, loader=loader))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
    except HarnessError:
        raise
    except ModuleNotFoundError as error:
        raise not_found(error, path) from error
    except (Exception, SystemExit) as error:
        raise ScenarioError(f"scenario file '{path}' cannot be loaded: {error!r}", "Mend the file") from error
    declared = getattr(module, "SCENARIOS", None) or getattr(module, "SCENARIO", None)
    scenarios = _scenarios_in(declared, f"'{path}'")
    return scenarios if gated is None else [dataclasses.replace(one, gated=gated) for one in scenarios]


def not_found(error: ModuleNotFoundError, file: Path) -> ScenarioError:
    """Explain a missing import of a scenario file: where it was looked for, and the line that adds a folder.

    Parameters
    ----------
    error : ModuleNotFoundError
        What Python raised.
    file : Path
        The scenario file.
    """
    searched, above = _import_folders(file.resolve()), project.upwards(file.parent)
    own = project.find(file.parent)
    wanted = Path(own.file or project.nearest(above) / project.SHARED_FILE)
    top = str(error.name).partition(".")[0]
    patterns = (f"{up}{top}{end}" for up in ("*/", "*/*/") for end in (".py", "/__init__.py"))
    having = next((match for pattern in patterns for match in above[-1].glob(pattern)), None)
    folders: list[str | Path] = [
        *own.path,
        *([having.parents[having.name == "__init__.py"]] if having else []),
    ]
    names = [*(os.path.relpath(one, wanted.parent) for one in folders), *([] if having else ["FOLDER"])]
    listed = ", ".join(f'"{name}"' for name in names)
    table = "" if wanted.name == project.OWN_FILE else " below [tool.harness]"
    install = "Install it, or add" if having is None else "Add"
    where = ", ".join(f"'{os.path.relpath(one)}'" for one in searched)
    return ScenarioError(
        f"scenario file '{file}' cannot import '{error.name}': it is not installed, and not in {where}",
        f"{install} its folder to '{os.path.relpath(wanted)}'{table}: path = [{listed}]",
    )


def _import_folders(file: Path) -> list[Path]:
    return list(dict.fromkeys([file.parent, *project.import_folders(file)]))


def _made_importable(file: Path) -> str:
    """Put the folders that a scenario file imports from on the path, and return the name under which the file is imported.

    They come last, so that nothing installed is hidden: modules next to the file and those of its project are found, and helper processes
    (joblib, spawn, the workers of a DataLoader) find its functions by the file's own name, within a package by its full name, or, where another
    module has that name, by the folder's and the file's.
    """
    folders = _import_folders(file)
    _forget_neighbours(file, folders)
    _add_to_path(folders)
    package = next(folder for folder in file.parents if not (folder / "__init__.py").is_file())
    parts = file.relative_to(package).with_suffix("").parts
    inside = ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)
    for name in dict.fromkeys((inside, file.stem)):
        if _leads_to(name, file):
            return name
    _add_to_path([file.parent.parent])
    name = f"{file.parent.name}.{file.stem}"
    return name if _leads_to(name, file) else f"harness_user_{file.stem}"


def _add_to_path(folders: Iterable[Path]) -> None:
    """Append folders to the path, before those of scenario files that were loaded earlier."""
    wanted = [str(folder) for folder in folders if str(folder) not in sys.path]
    earlier = [index for index, entry in enumerate(sys.path) if entry in _FOLDERS]
    place = min(earlier, default=len(sys.path))
    sys.path[place:place] = wanted
    _FOLDERS.update(wanted)


def _forget_neighbours(file: Path, folders: Iterable[Path]) -> None:
    """Forget modules of other scenario files' folders that have the names of modules here; those files keep them."""
    ours = set(map(str, folders))
    names = {path.stem for folder in ours for path in Path(folder).glob("*.py")}
    names |= {path.parent.name for folder in ours for path in Path(folder).glob("*/__init__.py")}
    names -= {file.stem, "harness"}
    for top in names & set(sys.modules):
        origin = Path(getattr(sys.modules[top], "__file__", None) or "")
        if str(origin.parents[1] if origin.name == "__init__.py" else origin.parent) in _FOLDERS - ours:
            for name in [name for name in sys.modules if name.partition(".")[0] == top]:
                del sys.modules[name]


def _leads_to(name: str, file: Path) -> bool:
    """Return whether an import of a name gives a file."""
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except (ValueError, AttributeError):  # a module without a specification
        return False
    except ModuleNotFoundError as error:
        # a parent that is no package; what a parent itself lacks is the file's affair
        if name.startswith(str(error.name)):
            return False
        raise
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file


def _scenarios_in(declared: object, origin: str) -> list[Scenario]:
    found = list(declared) if isinstance(declared, (tuple, list)) else [declared]
    if not found or not all(isinstance(item, Scenario) for item in found):
        raise ScenarioError(f"{origin} declares no scenario", "Define SCENARIO = harness.Scenario(...)")
    return typing.cast("list[Scenario]", found)


MACHINE_UNITS = ("s", "B")
"""Units of times and memory: they depend on the machine, so nothing but a declaration says what agrees."""
BOUNDS: tuple[Rule, ...] = ("exact", "at_most", "at_least")


def check(scenario: Scenario, origin: str) -> None:
    """Refuse a declaration that contradicts itself.

    Raises
    ------
    ScenarioError
        Naming the first contradiction.
    """
    wrong_kind = _wrong_kind(scenario)
    if wrong_kind:
        raise ScenarioError(
            f"scenario '{scenario.name}' from {origin} has a {wrong_kind} of the wrong kind",
            "Mend its declaration",
        )
    names = [variant.name for variant in scenario.variants]
    problems = [
        (not names, "has no variant"),
        (len(set(names)) < len(names), "has two variants of one name"),
        (not _is_slug(scenario.name), "is not named in lower-case letters, digits and underscores"),
        (
            not all(_is_slug(name.replace("-", "_").replace(".", "_")) and name.strip(".") for name in names),
            "has a variant whose name is no slug",
        ),
        (not scenario.tiers, "declares no tier"),
        (not all(map(_is_slug, scenario.tiers)), "has a tier whose name is no slug"),
        (
            not set(scenario.backends) <= set(BACKENDS) or not scenario.backends,
            f"must declare backends among {BACKENDS}",
        ),
        (
            not set(scenario.devices) <= set(DEVICES) or not scenario.devices,
            f"must declare devices among {DEVICES}",
        ),
        (not set(scenario.needs) <= set(EXTRAS), f"needs an unknown extra; known: {', '.join(EXTRAS)}"),
        (
            any(e.variant not in names for e in scenario.expectations),
            "has an expectation of an undeclared variant",
        ),
        (
            any(_too_fine(e.half_width, e.test_images, e.rule) for e in scenario.expectations),
            "has a tolerance finer than one test image",
        ),
        *(
            (bool(told), f"has an expectation of '{e.metric}' {told}")
            for e in scenario.expectations
            if (told := _unsound(e, {**dict.fromkeys(TIERS), **scenario.tiers}))
        ),
    ]
    for wrong, what in problems:
        if wrong:
            raise ScenarioError(f"scenario '{scenario.name}' from {origin} {what}", "Mend its declaration")
    _check_metrics(scenario, origin)


def _check_metrics(scenario: Scenario, origin: str) -> None:
    """Refuse metrics that contradict each other or the harness's own, and names that nothing declares.

    Names are those in `gated`, those that expectations name, and those that the source of `measure` gives to ``run.record``
    as plain strings: a slip is found before hours of runs.
    """
    names = [metric.name for metric in scenario.metrics]
    whose = f"scenario '{scenario.name}' from {origin}"
    for metric in scenario.metrics:
        own = next((other for other in OWN if other.name == metric.name), None)
        if names.count(metric.name) > 1:
            raise ScenarioError(f"{whose} declares metric '{metric.name}' twice", "Remove one")
        if own is not None:
            raise ScenarioError(
                f"{whose} declares '{metric.name}', which is the harness's own", "Choose another name"
            )
        if metric.family and metric.score:
            raise ScenarioError(
                f"{whose} scores the family '{metric.name}'", "Declare each score by its full name"
            )
        if metric.family and metric.gated:
            raise ScenarioError(
                f"{whose} gates the family '{metric.name}'", "Declare each gated metric by its full name"
            )
    variants = tuple(f"{variant.name}." for variant in scenario.variants)
    expected = (
        # of several variants together: a metric has its variant's name before it
        next((name.removeprefix(v) for v in variants if name.startswith(v)), name)
        for expectation in scenario.expectations
        if not expectation.unreadable
        for name in expectation.order or (expectation.metric,)
    )
    for name in (*scenario.gated, *_recorded(scenario.measure), *expected):
        if scenario.metric(name) is None:
            raise ScenarioError(f"{whose}: {unknown('metric', name, [*names, *(m.name for m in SCORES)])}")


def _recorded(measure: typing.Callable[..., None]) -> list[str]:
    """List the names that ``run.record("name", ...)`` is given in the function's own source; empty where it has none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(measure)))
    except (OSError, TypeError, SyntaxError):
        return []
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "record"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "run"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


def _wrong_kind(scenario: Scenario) -> str:
    """Name the first field that holds something else than it is declared to; empty if none does."""
    sound = {
        "name": isinstance(scenario.name, str),
        "version": isinstance(scenario.version, int),
        "source": isinstance(scenario.source, Source),
        "measure": callable(scenario.measure),
        "variants": _all(scenario.variants, Variant) and all(map(_is_sound_variant, scenario.variants)),
        "tiers": isinstance(scenario.tiers, Mapping)
        and _all(tuple(scenario.tiers.values()), Mapping)
        and _all(tuple(scenario.tiers), str),
        "expectations": _all(scenario.expectations, Expectation),
        "metrics": _all(scenario.metrics, Metric) and all(map(_is_sound_metric, scenario.metrics)),
        "noun": isinstance(scenario.noun, str) and bool(scenario.noun),
        **{
            name: _all(getattr(scenario, name), str)
            for name in ("gated", "scores", "needs", "backends", "devices")
        },
    }
    return next((name for name, holds in sound.items() if not holds), "")


def _all(items: object, kind: type) -> bool:
    return isinstance(items, (tuple, list)) and all(isinstance(item, kind) for item in items)


def _is_sound_variant(variant: Variant) -> bool:
    texts = all(isinstance(text, str) for text in (variant.name, variant.doc, variant.fails))
    tiers = variant.tiers is None or _all(variant.tiers, str)
    return texts and tiers and isinstance(variant.options, Mapping)


def _is_sound_metric(metric: Metric) -> bool:
    closed = metric.kind in typing.get_args(Kind) and metric.better in typing.get_args(Direction)
    scored = isinstance(metric.score, str) or callable(metric.score)
    return (
        bool(closed and metric.name and scored)
        and isinstance(metric.name, str)
        and isinstance(metric.unit, str)
    )


def _too_fine(half_width: float, images: int, rule: str) -> bool:
    return rule == "exact" and images > 0 and half_width < 0.5 / images


def _unsound(expected: Expectation, tiers: Iterable[str]) -> str:
    """Say what of an expectation cannot be; judging would find out when every run has been made."""
    rules, directions = typing.get_args(Rule), typing.get_args(Direction)
    amounts = (
        expected.half_width,
        expected.test_images,
        expected.runs - 1,
        expected.tolerance or 0.0,
        expected.source_sd,
    )
    measured_here = expected.unit in MACHINE_UNITS and expected.value is not None
    checks = [
        (expected.rule in rules, f"whose rule is none of {', '.join(rules)}"),
        (expected.better in directions, f"whose direction is none of {', '.join(directions)}"),
        (set(expected.tiers) <= set(tiers), f"whose tiers are not among {', '.join(tiers)}"),
        (all(finite(amount) and amount >= 0 for amount in amounts), "whose half_width, test_images, runs, tolerance or source_sd is too small"),
        (expected.tolerance is None or bool(expected.tolerance_reason), "whose tolerance has no tolerance_reason"),
        (not measured_here or expected.rule in BOUNDS or expected.tolerance is not None, "which is a time or memory: declare its tolerance"),
        (expected.value is None or finite(expected.value), "whose value is no number or list of numbers, or not finite"),
        (expected.value is not None or bool(expected.order or expected.unreadable), "without value, order or reason"),
    ]  # fmt: skip
    return next((what for holds, what in checks if not holds), "")


def _is_slug(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()


def find(scenarios: Mapping[str, Scenario], name: str) -> Scenario:
    """Return the scenario called `name`, or raise with the nearest name."""
    if name not in scenarios:
        raise unknown("scenario", name, scenarios)
    return scenarios[name]
