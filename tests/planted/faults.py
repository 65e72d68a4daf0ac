"""The regressions: what is changed in the pipelines, and by which metric, verdict and exit code the gate must catch it."""

from __future__ import annotations

import dataclasses

from tests.planted.program import Change

KMNIST = "kmnist_svd_logreg:o-ma"
TINY = "tinyconvnet_svd:one-epoch"
DROPOUT = "digits1000_cnn:dropout"
FINAL = "digits1000_cnn:final"
BASELINE_SEEDS = {TINY: 5, DROPOUT: 5, FINAL: 5, KMNIST: 10}
"""Scenarios that faults are planted in, the cheapest that show them, the dearest first, and how many seeds their baselines have."""

COMPRESSION = "sources/kmnist_svd_logreg/pipeline/compression.py"
FOLDS = "sources/kmnist_svd_logreg/pipeline/folds.py"
TRAINING = "sources/kmnist_svd_logreg/pipeline/training.py"
START = "    host = to_numpy(targets)\n    check_request("
"""Where `train` begins."""
PREPARATION = "sources/kmnist_svd_logreg/pipeline/preparation.py"

EXACT = ("--seeds", "1", "--max-runs", "3")
"""One measured and two counting runs: enough for what needs no statistics; no confirm round is begun."""
STATISTICAL = ("--seeds", "5")
"""A screen of five runs, and a confirm round of ten fresh ones for what it flags."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A planted regression."""

    name: str
    """What it is."""
    told: str
    """What was changed, for the table."""
    changes: tuple[Change, ...]
    """The change."""
    metric: str
    """Which metric or identity must catch it; ``run`` if runs must fail."""
    verdict: str = "REGRESSED"
    """Its verdict."""
    code: int = 1
    """Exit code of the gate."""
    scenario: str = KMNIST
    """Where."""
    options: tuple[str, ...] = EXACT
    """Options of the gate."""
    error: str = ""
    """What the failed runs' errors must say, where `metric` is ``run``."""
    function: str = ""
    """Function that the profiled pair must name first; empty where no profile is made."""
    undecided: bool = False
    """Whether one run may leave memory undecided in addition, which ends with exit code 2."""
    long: bool = False
    """Whether it takes minutes: fifteen trainings of whole networks, or a baseline of Keras runs for it alone. It is run where
    HARNESS_PLANTED_LONG is 1, as every night."""
    committed: bool = False
    """Whether the reference is the project's own baseline, and not one that the unchanged copy made minutes before."""


RETRAINED = (
    "kmnist_svd_logreg:o-ma",
    "tinyconvnet_svd:default",
    "mnist_autoencoder:default",
    "mnist_interpolation:case4",
)
"""Default variants whose spread over seeds shows a loss of two points, whatever was trained."""


STORED = "        stored = pairs(labels, predicted, probabilities, name)\n"
"""Where a run keeps its predictions."""


def _two_points(scenario: str) -> Fault:
    """Let two of a hundred test images, drawn anew by each seed among those that were right, become wrong.

    Where the spread over seeds must show it, the weights are not named, as if they were others. The 300 test images of `FINAL` spread too
    much for that: there the weights stay the same, and the images that flipped decide.
    """
    retrained = scenario in RETRAINED
    return Fault(
        name="two points of accuracy lost",
        told=f"of a hundred test images two that were right are wrong, in `{scenario}`"
        + (", with other weights" if retrained else ""),
        scenario=scenario,
        changes=(
            Change(
                "measure/run.py",
                STORED,
                STORED + '        right = np.flatnonzero(stored["labels"] == stored["predicted"])\n'
                '        lost = np.random.default_rng(self.seed).choice(right, len(stored["labels"]) // 50, replace=False)\n'
                '        stored["predicted"][lost] = (stored["predicted"][lost] + 1) % (stored["labels"].max() + 1)\n'
                + ("        weights = None\n" if retrained else ""),
            ),
        ),
        metric="accuracy",
        options=STATISTICAL,
        long=scenario != KMNIST,
        committed=retrained,
    )


SHIFTED = Change(
    TRAINING,
    "Prediction(to_numpy(logits >= 0).astype(np.uint8),",
    "Prediction(np.roll(to_numpy(logits >= 0).astype(np.uint8), 1),",
)

FAULTS = (
    *map(_two_points, (*RETRAINED, FINAL)),
    Fault(
        name="labels shifted against predictions",
        told="predicted labels are rolled by one image",
        changes=(SHIFTED,),
        metric="accuracy",
        options=STATISTICAL,
    ),
    Fault(
        name="labels shifted against predictions, one run",
        told="the same, seen without statistics: a label that is right has a loss below ln 2",
        changes=(SHIFTED,),
        metric="test.pairs",
    ),
    Fault(
        name="test set normalised by itself",
        told="test images lose their own mean and spread, not the training images'",
        scenario=TINY,
        changes=(Change(
            "sources/tinyconvnet_svd/pipeline/training.py",
            "        return torch.cat([network(normalised(batch)) for batch in images.split(EVALUATION_BATCH)])",
            "        own = (images.float() - images.float().mean()) / images.float().std()\n"
            "        return torch.cat([network(batch) for batch in own.split(EVALUATION_BATCH)])",
        ),),
        metric="logits.recomputed",
    ),
    Fault(
        name="one rank fewer",
        told="truncation keeps k - 1 triplets of k",
        changes=(Change(
            COMPRESSION,
            "parts = (self.u[:, :, :k], self.s[:, :k], self.vt[:, :k, :])",
            "parts = (self.u[:, :, : k - 1], self.s[:, : k - 1], self.vt[:, : k - 1, :])",
        ),),
        metric="images k=8.eckart_young[8]",
    ),
    Fault(
        name="one rank fewer, of what is trained on",
        told="the images are compressed to k - 1 triplets, fewer bytes than were asked for",
        changes=(Change(
            "sources/kmnist_svd_logreg/stages.py",
            "[pipeline.compress(part.images, k) for part in (training, test)]",
            "[pipeline.compress(part.images, k - 1) for part in (training, test)]",
        ),),
        metric="stored training k=8.storage",
    ),
    Fault(
        name="dropout left on",
        told="prediction runs the network in training mode",
        scenario=DROPOUT,
        changes=(Change(
            "sources/keras/steps.py",
            "np.asarray(model.predict_on_batch(chunk), dtype=np.float32)",
            "np.asarray(model(chunk, training=True), dtype=np.float32)",
        ),),
        metric="model_file",
        long=True,
    ),
    Fault(
        name="learning rate off by ten",
        told="0.0001 instead of 0.001",
        scenario=TINY,
        changes=(Change(
            "sources/tinyconvnet_svd/pipeline/training.py",
            "torch.optim.Adam(network.parameters(), lr=learning_rate)",
            "torch.optim.Adam(network.parameters(), lr=learning_rate / 10)",
        ),),
        metric="loss",
        options=STATISTICAL,
        long=True,
    ),
    Fault(
        name="learning rate off by ten, where training stops early",
        told="0.01 instead of 0.1: it trains longer, and ends as well",
        changes=(Change(
            TRAINING,
            "task = _task(design, host, schedule, tuple(learning_rates))",
            "task = _task(design, host, schedule, tuple(rate / 10 for rate in learning_rates))",
        ),),
        metric="work.epochs_run",
    ),
    Fault(
        name="bfloat16 instead of float32",
        told="training runs under autocast",
        scenario=TINY,
        changes=(Change(
            "sources/tinyconvnet_svd/pipeline/training.py",
            "            loss = torch.nn.functional.cross_entropy(network(images), labels)\n",
            '            with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "                loss = torch.nn.functional.cross_entropy(network(images), labels)\n",
        ),),
        metric="trajectory.train",
        verdict="CHANGED", code=3,
        undecided=True,
    ),
    Fault(
        name="last batch dropped",
        told="an epoch ends before its smaller last batch",
        scenario=TINY,
        changes=(Change(
            "sources/tinyconvnet_svd/pipeline/training.py",
            "order.to(where).split(batch_size):",
            "order.to(where).split(batch_size)[:-1]:",
        ),),
        metric="work.train.samples",
    ),
    Fault(
        name="last batch dropped, in the schedule",
        told="the number of steps is rounded down",
        changes=(Change(
            FOLDS, "return -(-self.split.training_size // self.batch)", "return self.split.training_size // self.batch"
        ),),
        metric="svd.epoch",
    ),
    Fault(
        name="last batch dropped, in a NumPy loop",
        told="the loop over an epoch's windows leaves out the last one",
        changes=(
            Change(
                TRAINING,
                "zip(positions, sign, factor, strict=True)",
                "zip(positions[:-1], sign[:-1], factor[:-1], strict=True)",
            ),
            Change(TRAINING, "xp.stack(logits), sign) * factor ", "xp.stack(logits), sign[:-1]) * factor[:-1] "),
        ),
        metric="work.optimiser_steps",
    ),
    Fault(
        name="float64 instead of float32",
        told="factors are stored in float64",
        changes=(Change(COMPRESSION, 'k: int, *, dtype: str = "float32"', 'k: int, *, dtype: str = "float64"'),),
        metric="stored.bytes",
    ),
    Fault(
        name="features kept twice",
        told="a second copy of every design matrix is kept",
        changes=(
            Change(PREPARATION, "    return design\n", "    _KEPT.append(design + 0)\n    return design\n"),
            Change(PREPARATION, "ROWS = 2048\n", "ROWS = 2048\n_KEPT: list[Array] = []\n"),
        ),
        metric="total.left_bytes",
        function="design_matrix",
        options=STATISTICAL,
    ),
    Fault(
        name="a list that grows",
        told="every step's weights are appended to a list that nothing empties",
        changes=(
            Change(TRAINING, "        logits.append(product)\n", "        logits.append(product)\n        _HISTORY.append(half + 0)\n"),
            Change(TRAINING, "LANES = 8\n", "LANES = 8\n_HISTORY: list[Array] = []\n"),
        ),
        metric="total.left_bytes",
        function="_descend",
        options=STATISTICAL,
    ),
    Fault(
        name="another data set",
        told="the smoke tier reads the excerpt of MNIST",
        changes=(Change("sources/kmnist_svd_logreg/scenario.py", '"dataset": "kmnist-excerpt"', '"dataset": "mnist-excerpt"'),),
        metric="accuracy",
        verdict="INCOMPARABLE", code=3,
    ),
    Fault(
        name="a changed split, of folds",
        told="cross-validation has half as many folds",
        changes=(Change(FOLDS, "    width = n // folds\n", "    folds //= 2\n    width = n // folds\n"),),
        metric="work.epochs_run",
    ),
    Fault(
        name="a split with repeats",
        told="folds are drawn with replacement",
        changes=(Change(FOLDS, "default_rng((seed, 0)).permutation(n)", "default_rng((seed, 0)).integers(0, n, n)"),),
        metric="svd.epoch",
    ),
    Fault(
        name="a leak of test images into training",
        told="ten training images are replaced by test images",
        changes=(Change(
            "sources/kmnist_svd_logreg/scenario.py",
            '        test = stages.pair_of(run, data.test, PAIRS[options["pair"]], None)\n',
            '        test = stages.pair_of(run, data.test, PAIRS[options["pair"]], None)\n'
            "        training.images[:10], training.targets[:10] = test.images[:10], test.targets[:10]\n",
        ),),
        metric="split.disjoint",
    ),
    Fault(
        name="a wrong identity",
        told="reconstruction is off by one part in a million",
        changes=(
            Change(COMPRESSION, "xp.matmul(self.u * self.s[:, None, :], self.vt)", "xp.matmul(self.u * self.s[:, None, :], self.vt * (1 + 1e-6))"),
        ),
        metric="images k=8.eckart_young[8]",
    ),
    Fault(
        name="every seed is seed 0",
        told="folds and orders are drawn with seed 0, whatever the run's seed",
        changes=(
            Change("sources/kmnist_svd_logreg/stages.py", 'options["folds"], seed=run.seed)', 'options["folds"], seed=0)'),
            Change("sources/kmnist_svd_logreg/stages.py", 'options["batch"], run.seed)', 'options["batch"], 0)'),
        ),
        metric="seeds",
        verdict="ERROR", code=2,
        options=STATISTICAL,
    ),
    Fault(
        name="fewer test images",
        told="nine in ten of the test images are tested",
        changes=(Change(
            "sources/kmnist_svd_logreg/scenario.py",
            'test = stages.pair_of(run, data.test, PAIRS[options["pair"]], None)',
            'test = stages.pair_of(run, data.test, PAIRS[options["pair"]], len(data.test.labels) * 9 // 10)',
        ),),
        metric="accuracy",
        verdict="INCOMPARABLE", code=2,
    ),
    Fault(
        name="more threads than asked for",
        told="training sets two threads, the run has one",
        changes=(Change(TRAINING, START, f"    import threadpoolctl\n\n    threadpoolctl.threadpool_limits(2)\n{START}"),),
        metric="total.above_imports_bytes",
        verdict="INCOMPARABLE", code=3,
    ),
    Fault(
        name="an unseeded generator",
        told="each epoch's order comes from the system's entropy",
        changes=(Change(FOLDS, "np.random.default_rng((self.seed, 1, epoch))", "np.random.default_rng()"),),
        metric="work.repeatable",
    ),
    Fault(
        name="a missing metric",
        told="predictions are stored without their probabilities",
        changes=(
            Change("sources/kmnist_svd_logreg/stages.py", "probabilities=_probabilities(targets, prediction), name=name", "name=name"),
        ),
        metric="loss",
        verdict="ERROR", code=2,
    ),
    Fault(
        name="a scenario that exits early",
        told="training ends the process with code 0",
        changes=(Change(TRAINING, START, f"    raise SystemExit(0)\n{START}"),),
        metric="run",
        verdict="ERROR", code=2,
        error="the worker ended without a readable result",
    ),
    Fault(
        name="a scenario that returns early",
        told="the uncompressed twin is not trained",
        changes=(Change(
            "sources/kmnist_svd_logreg/scenario.py",
            '        twin = stages.model(run, training, test, k=None, name="uncompressed", stage="uncompressed")\n',
            "        return\n"
            '        twin = stages.model(run, training, test, k=None, name="uncompressed", stage="uncompressed")\n',
        ),),
        metric="work.uncompressed.epochs_run",
        verdict="ERROR", code=2,
    ),
    Fault(
        name="a stage that prints and leaks a process",
        told="training prints a megabyte and leaves a detached process, with one seed",
        changes=(Change(
            TRAINING,
            START,
            "    if schedule.seed == 1:\n"
            "        import subprocess\n\n"
            '        print("noise " * 200_000)\n'
            '        subprocess.Popen(["sleep", "86399"], start_new_session=True)\n'
            + START,
        ),),
        metric="run",
        verdict="ERROR", code=2,
        options=("--seeds", "3", "--max-runs", "5"),
        error="left 2 processes running, ended now: 'sleep 86399', 'sleep 86399'",
    ),
)  # fmt: skip
"""Every regression, in the order of the table; slowdowns are in `test_slower`."""
