# %% [markdown]
# # Three uses, in one notebook
#
# A gate in CI, a published value, and one device against another. Each cell is executed by the tests. Run it from top to bottom
# in an empty folder: as a notebook (VS Code and Jupytext open this file as one), or as `python three_uses.py`.

# %%
import subprocess
from pathlib import Path

import harness

SCENARIO = """
from functools import partial

import harness
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

SCENARIO = harness.sklearn_scenario(
    "digits",
    LogisticRegression(C=0.01, max_iter=300),
    partial(load_digits, return_X_y=True),
    scores=("balanced_accuracy",),
)
"""
Path("mine.py").write_text(SCENARIO)
Path("harness.toml").write_text('scenarios = ["mine.py"]\nseeds = 5\n')


# %% [markdown]
# ## 1. CI: did this change make it worse?
#
# A gate runs two commits in turns and asks fresh seeds before it fails. Here a second commit regularises far too much. In CI
# this is `harness gate --against`, whose exit code is the job's.


# %%
def commit(message: str) -> None:
    """Commit everything in this folder."""
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", "add", "mine.py", "harness.toml"], check=True)
    subprocess.run(["git", *me, "commit", "-qm", message], check=True)


subprocess.run(["git", "init", "-q"], check=True)
commit("a classifier")
Path("mine.py").write_text(SCENARIO.replace("C=0.01", "C=0.00001"))
commit("stronger regularisation")
gate = harness.gate("digits", against="HEAD~1", out="reports/gate")
gate  # the last value of a cell is shown: here a table of verdicts

# %%
assert gate.exit_code == 1  # 0 passed, 1 worse, 2 could not be measured, 3 a person must decide
Path("mine.py").write_text(SCENARIO)
commit("the first one again")

# %% [markdown]
# ## 2. A publication: does the printed number hold?
#
# The number is declared with its place and a tolerance. It is REPRODUCED if the runs show that it lies within.

# %%
PUBLISHED = """
import dataclasses

SCENARIO = dataclasses.replace(
    SCENARIO,
    expectations=(
        harness.Expectation(
            metric="accuracy", variant="default", value=0.96, unit="", half_width=0.005, test_images=450, rule="mean", runs=10,
            tolerance=0.03, tolerance_reason="other rows are held out", place="Table 1", row="logistic regression", tiers=("smoke",),
        ),
    ),
)
"""
Path("mine.py").write_text(SCENARIO + PUBLISHED)
job = harness.run("digits", seeds=10, out="reports/published")
(published,) = (one for one in job.comparisons[0].judgements if one.against == "expectation")
print(published.verdict, published.value, published.reason)

# %%
frame = job.to_frame()  # one row for every number of every run
frame[frame["metric"] == "accuracy"]["value"].describe()

# %% [markdown]
# ## 3. CPU against GPU: is it the same system?
#
# Two jobs side by side, with a margin in your own units. On a machine with an accelerator give `device="cuda"` to a scenario that declares it,
# such as `tinyconvnet_svd`; this one compares one thread with two.

# %%
for threads in (1, 2):
    harness.run("digits", threads=threads, out=f"reports/threads-{threads}")
compared = harness.compare("reports/threads-1", "reports/threads-2", margin="0.5points")
compared

# %%
scores = compared.to_frame().query("kind == 'accuracy' and verdict != ''")
print(scores[["side", "metric", "change", "margin", "verdict"]].to_string(index=False))
