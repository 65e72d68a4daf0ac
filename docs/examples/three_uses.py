# %% [markdown]
# # Three uses, in one notebook
#
# A gate in CI, a published value, and one device against another. Each cell is executed by the tests. Run it from top to bottom
# in an empty folder: as a notebook (VS Code and Jupytext open this file as one), or as `python three_uses.py`.

# %%
import subprocess
import sys
from pathlib import Path

import harness

init = [sys.executable, "-m", "harness", "init", ".", "--name", "mine", "--framework", "numpy"]
subprocess.run(init, check=True)  # writes mine.py, a classifier by class means, and harness.toml
SCENARIO = Path("mine.py")
text = SCENARIO.read_text()


def commit(message: str) -> None:
    """Commit everything in this folder."""
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", "add", "--all"], check=True)
    subprocess.run(["git", *me, "commit", "-qm", message], check=True)


subprocess.run(["git", "init", "-q"], check=True)
commit("a classifier")

# %% [markdown]
# ## 1. CI: did this change make it worse?
#
# A gate runs two commits in turns and asks fresh seeds before it fails. Here a second commit trains on a tenth of the images. In
# CI this is `harness gate --against`, whose exit code is the job's.

# %%
SCENARIO.write_text(text.replace('"train_images": 1000', '"train_images": 100'))
commit("less to train on")
gate = harness.gate("mine", against="HEAD~1", out="reports/gate")
gate  # a notebook shows the last value of a cell: here a table of verdicts

# %%
print(gate.exit_code)  # 0 passed, 1 worse, 2 could not be measured, 3 a person must decide
SCENARIO.write_text(text)
commit("as much as before")

# %% [markdown]
# ## 2. A publication: does the printed number hold?
#
# `mine.py` declares the number with its place and a tolerance. It is REPRODUCED if the runs show that it lies within.

# %%
job = harness.run("mine", seeds=5, out="reports/published")
(published,) = (one for one in job.comparisons[0].judgements if one.against == "expectation")
print(published.verdict, published.value, published.reason)

# %%
frame = job.to_frame()  # one row for every number of every run
frame[frame["metric"] == "accuracy"]["value"].describe()

# %% [markdown]
# ## 3. CPU against GPU: is it the same system?
#
# Two jobs side by side, with a margin in your own units. On a machine with an accelerator give `device="cuda"` to a scenario
# that declares it, such as `tinyconvnet_svd`; this one compares one thread with two.

# %%
for threads in (1, 2):
    harness.run("mine", seeds=4, threads=threads, out=f"reports/threads-{threads}")
compared = harness.compare("reports/threads-1", "reports/threads-2", margin="5%")
compared

# %%
scores = compared.to_frame().query("kind == 'accuracy' and verdict != ''")
print(scores[["side", "metric", "change", "margin", "verdict"]].to_string(index=False))
