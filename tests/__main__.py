"""Run every suite: ``python -m tests [SUITE ...]``.

Each framework's tests are a pytest process of their own: torch and TensorFlow in one process abort (LLVM registers an option twice).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest"]
TORCH = (
    "tests/pipelines", "tests/measure/test_work_torch.py", "tests/datasets/test_fetching.py",
    "tests/scenarios/test_given_weights.py",
)  # fmt: skip
KERAS = ("tests/pipelines", "tests/measure/test_work_keras.py", "tests/scenarios")
"""Where tests of a framework lie: each process collects no other files."""
SECOND_BACKEND = ("mnist_interpolation", "digits1000_cnn")
"""Pipelines whose tests train on torch as well."""
TWO = ["-n", "2", "--no-loadscope-reorder", "--dist"]
"""Two workers, in the order of `LONGEST` in ``tests/conftest.py``; each has its own cache, and with it its own measuring lock."""
FILES = [*TWO, "loadfile"]
"""Two files at a time, whose fixtures are made once."""
APART, SYSTEM = "torch or keras or planted", "system or browser"
"""Markers of suites of their own, and of `system`; `core` is what has none of them."""
TIMED = os.environ.get("HARNESS_PLANTED_TIME") == "1"
WORKFLOWS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
SUITES: dict[str, list[list[str]]] = {
    "lint": [
        [sys.executable, "-m", "ruff", "check"],
        [sys.executable, "-m", "ruff", "format", "--check"],
        [sys.executable, "-m", "mypy"],
        [str(Path(sys.executable).with_name("lint-imports"))],
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
    ],
    "core": [[*PYTEST, *FILES, "-m", f"not ({APART}) and not ({SYSTEM})"]],
    "system": [[*PYTEST, *FILES, "-m", f"not ({APART}) and ({SYSTEM})"]],
    # one gate after the other where their times are compared
    "planted": [[*PYTEST, *([] if TIMED else [*TWO, "loadgroup"]), "-m", "planted", "tests/planted"]],
    "torch": [[*PYTEST, *FILES, "-m", "torch", *TORCH]],
    "keras": [[*PYTEST, *FILES, "-m", "keras", *KERAS]],
    "keras-torch": [
        [
            *PYTEST,
            *FILES,
            "-m",
            "keras",
            *(f"tests/pipelines/test_{name}_experiment.py" for name in SECOND_BACKEND),
        ]
    ],
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""Two workers share two cores: on a busy machine a second OpenMP thread made these small networks up to thirty times slower."""
ENVIRONMENTS = {
    "torch": ONE_THREAD,
    "keras": {**QUIET, **ONE_THREAD, "KERAS_BACKEND": "tensorflow"},
    "keras-torch": {**QUIET, **ONE_THREAD, "KERAS_BACKEND": "torch"},
}
"""Variables that a suite needs before Python starts: Keras reads its backend when it is first imported."""


def main(names: list[str]) -> int:
    """Run the named suites, all by default; return 0 if every command succeeded."""
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"unknown suite {unknown[0]}; known: {', '.join(SUITES)}")
        return 2
    failed = []
    for name in names or SUITES:
        for command in SUITES[name]:
            start = time.perf_counter()
            print(f"--- {name}: {' '.join(Path(part).name for part in command)}", flush=True)
            code = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **ENVIRONMENTS.get(name, {})},
                check=False,
            ).returncode
            print(f"--- {name}: exit {code} after {time.perf_counter() - start:.0f} s", flush=True)
            failed += [name] if code else []
    print(f"failed: {', '.join(failed)}" if failed else "every suite passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
