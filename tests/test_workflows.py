"""CI files: valid by their schemas, what they refer to exists, and the gate's step does what its outputs say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.session import starter

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = ("ci.yml", "gate.yml", "nightly.yml", "starter", "docs")
GITHUB, GITLAB = "vendor.github-workflows", "vendor.gitlab-ci"


def snippets() -> dict[str, str]:
    """Return the YAML blocks of the CI page by the file name in their first line."""
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    return dict(blocks)


def problems(schema: str, text: str, folder: Path) -> str:
    """Return what the linter says of a file; empty if it is valid."""
    path = folder / "checked.yml"
    path.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    if schema == GITLAB:
        command += ["--data-transform", "gitlab-ci"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == done.stdout.startswith("ok --")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def parsed(text: str) -> dict[str, typing.Any]:
    """Read YAML into plain mappings and lists."""
    return typing.cast("dict[str, typing.Any]", json.loads(json.dumps(YAML(typ="safe").load(text))))


def files(folder: Path) -> dict[str, str]:
    """Return every GitHub workflow there is: the project's, the page's and that of `harness init`."""
    found = {path.name: path.read_text() for path in sorted(WORKFLOWS.glob("*.yml"))}
    starter.write(folder, "my_scenario")
    found["starter"] = (folder / ".github" / "workflows" / "my_scenario.yml").read_text()
    return {**found, "docs": snippets()[".github/workflows/gate.yml"]}


@pytest.mark.parametrize("name", NAMES)
def test_workflows_are_valid(tmp_path: Path, name: str) -> None:
    """Each workflow is what GitHub's schema describes; its scripts parse, and no expression is pasted into one: a branch may be called anything."""
    found = files(tmp_path / "starter")
    assert sorted(found) == sorted(NAMES)
    assert problems(GITHUB, found[name], tmp_path) == ""
    for job in parsed(found[name])["jobs"].values():
        for script in (step["run"] for step in job.get("steps", ()) if "run" in step):
            assert "${{" not in script
            done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_gitlab_s_jobs_are_valid(tmp_path: Path) -> None:
    """The page's job and those of `harness init` are what GitLab's schema describes."""
    starter.write(tmp_path, "my_scenario")
    for text in (snippets()[".gitlab-ci.yml"], (tmp_path / ".gitlab-ci.yml").read_text()):
        assert problems(GITLAB, text, tmp_path) == ""


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (GITHUB, "on: push\njobs:\n  gate:\n    runs_on: ubuntu-latest\n    steps: []\n"),
        (GITLAB, "gate:\n  script: true\n  artifacts:\n    reports:\n      junits: x.xml\n"),
    ],
)
def test_the_linter_finds_what_is_wrong(tmp_path: Path, schema: str, text: str) -> None:
    """A misspelt key is refused, so the tests above mean something."""
    assert problems(schema, text, tmp_path) != ""


def action() -> dict[str, typing.Any]:
    """Return the action."""
    return parsed((ROOT / "action.yml").read_text())


# -- what the schema does not see ------------------------------------------------------


def test_inputs_and_outputs_exist(tmp_path: Path) -> None:
    """Every input is used, every one used is declared, and outputs lead from the script to the caller; the page names them all."""
    text = files(tmp_path)["gate.yml"]
    workflow = parsed(text)
    call = workflow["on"]["workflow_call"]
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(call["inputs"])
    assert all("default" in declared and declared["description"] for declared in call["inputs"].values())
    job = workflow["jobs"]["gate"]
    (step,) = (step for step in job["steps"] if step.get("id") == "gate")
    written = set(re.findall(r'echo "([\w-]+)=.*>> "\$GITHUB_OUTPUT"', step["run"]))
    assert written == set(job["outputs"]) == set(call["outputs"]) == {"exit-code", "outcome"}
    page = (ROOT / "docs" / "ci.md").read_text()
    assert [name for name in call["inputs"] if f"`{name}`" not in page] == []
    caller = parsed(snippets()[".github/workflows/gate.yml"])["jobs"]["gate"]
    assert set(caller["with"]) <= set(call["inputs"])


def test_the_whole_history_is_there() -> None:
    """--against needs the other commit: the checkout is not shallow."""
    checkout = parsed((WORKFLOWS / "gate.yml").read_text())["jobs"]["gate"]["steps"][0]
    assert checkout["with"]["fetch-depth"] == 0
    assert parsed(snippets()[".gitlab-ci.yml"])["gate"]["variables"]["GIT_DEPTH"] == "0"


FAKE = """#!/usr/bin/env bash
printf '%s\\n' "$@" > words.txt
mkdir -p reports/gate
echo "the summary" > reports/gate/summary.md
printf '%s' "$JUNIT" > reports/gate/junit.xml
exit "$EXIT"
"""
SLOW = '<failure type="REGRESSED runtime" message="x">'
WORSE = '<failure type="REGRESSED memory" message="x">'
BOTH = pytest.mark.parametrize("where", ["workflow", "action"])
WRITTEN = [
    "--out",
    "reports/gate",
    "--junit",
    "reports/gate/junit.xml",
    "--summary",
    "reports/gate/summary.md",
]


def steps_of(where: str) -> list[dict[str, typing.Any]]:
    """Return the steps of gate.yml's job, or of the action."""
    found = (
        parsed((WORKFLOWS / "gate.yml").read_text())["jobs"]["gate"]
        if where == "workflow"
        else action()["runs"]
    )
    return typing.cast("list[dict[str, typing.Any]]", found["steps"])


def run_step(where: str, name: str, folder: Path, **variables: str) -> tuple[int, dict[str, str]]:
    """Run a step as the runner does, with a stand-in for `harness`; return exit code and outputs."""
    (step,) = (step for step in steps_of(where) if step.get("name") == name)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "harness").write_text(FAKE)
    (folder / "bin" / "harness").chmod(0o755)
    usual = {"TIER": "smoke", "SEEDS": "5", "MAX_RUNS": "400", "MAX_MINUTES": "60"}
    environment = {
        **os.environ, **dict.fromkeys(step["env"], ""), **usual, **variables,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "step.md"),
    }  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    output = folder / "output"
    lines = output.read_text().splitlines() if output.exists() else []
    return done.returncode, dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize(
    ("where", "code", "junit", "outcome"),
    [
        *(("workflow", "1", junit, outcome) for junit, outcome in ((SLOW, "slower"), (SLOW + WORSE, "worse"), ("", "worse"))),
        *(
            (where, code, "", outcome)
            for where in ("workflow", "action")
            for code, outcome in (
                ("0", "passed"), ("1", "worse"), ("2", "could-not-measure"), ("3", "approve"),
                ("130", "interrupted"),
                ("137", "could-not-measure"),
            )
        ),
    ],
)  # fmt: skip
def test_the_gate_step_tells_how_it_ended(
    tmp_path: Path, where: str, code: str, junit: str, outcome: str
) -> None:
    """Whatever the exit code, the step itself succeeds, its outputs say the code and what it means, and the summary is shown."""
    typed = {"TIER": "", "SEEDS": ""} if where == "action" else {}
    done, outputs = run_step(where, "Gate", tmp_path, EXIT=code, JUNIT=junit, **typed)
    assert (done, outputs) == (0, {"exit-code": code, "outcome": outcome})
    assert (tmp_path / "step.md").read_text() == "the summary\n"
    words = (tmp_path / "words.txt").read_text().splitlines()
    assert "--against" not in words
    assert where == "workflow" or words == ["gate", *WRITTEN, "--"]  # all is left to the configuration


@BOTH
def test_inputs_become_words_of_the_command(tmp_path: Path, where: str) -> None:
    """Each input is one word or several, never shell: a hostile name stays a name."""
    names = "a:b $(touch${IFS}evil)"
    run_step(
        where, "Gate", tmp_path, EXIT="0", JUNIT="", NAMES=names, SCENARIO=names, SCENARIO_FILES="x.py y.py",
        AGAINST="v1; touch evil",
        STRICT="true", EXPECTATIONS="true",
    )  # fmt: skip
    words = (tmp_path / "words.txt").read_text().splitlines()
    ends = ["--", "a:b", "$(touch${IFS}evil)"]
    if where == "action":
        assert words == [
            "gate",
            *WRITTEN,
            "--tier",
            "smoke",
            "--seeds",
            "5",
            "--against",
            "v1; touch evil",
            *ends,
        ]
    else:
        assert words == [
            "gate", "--tier", "smoke", "--seeds", "5", "--max-runs", "400", "--max-minutes", "60", *WRITTEN,
            "--scenarios", "x.py", "--scenarios", "y.py", "--against", "v1; touch evil", "--strict",
            "--expectations", *ends,
        ]  # fmt: skip
    assert not (tmp_path / "evil").exists()


@BOTH
@pytest.mark.parametrize(
    ("code", "fails", "ends"), [("0", "true", 0), ("1", "true", 1), ("2", "false", 2), ("3", "true", 3), ("3", "false", 0)]
)  # fmt: skip
def test_the_job_fails_as_asked(tmp_path: Path, where: str, code: str, fails: str, ends: int) -> None:
    """The job ends with the gate's code; an approval may be left to the outcome."""
    done, _ = run_step(where, "Outcome", tmp_path, CODE=code, OUTCOME="x", FAIL_ON_APPROVAL=fails)
    assert done == ends


@BOTH
def test_the_report_is_kept_whatever_happens(where: str) -> None:
    """The artifact is uploaded after a failure too, before the job is failed."""
    steps = steps_of(where)
    names = [step.get("name") for step in steps]
    assert steps[names.index("Keep the report")]["if"] == "always()"
    assert names.index("Gate") < names.index("Keep the report") < names.index("Outcome")


GH = """#!/usr/bin/env bash
printf '%s\\n' "$@" '' >> calls.txt
for word in "$@"; do if [[ "$word" == body=@* ]]; then cat "${word#body=@}" > body.md; fi; done
case " $* " in
  *" --paginate "*) printf "$COMMENTS"; exit "${LISTING:-0}";;
  *) exit "${WRITING:-0}";;
esac
"""


@pytest.mark.parametrize(
    ("comments", "writing"),
    [
        ("", ["POST", "repos/me/mine/issues/7/comments"]),
        ("12\\n", ["PATCH", "repos/me/mine/issues/comments/12"]),
        ("12\\n13\\n", ["PATCH", "repos/me/mine/issues/comments/12"]),
    ],
)
def test_the_action_writes_one_comment_anew(tmp_path: Path, comments: str, writing: list[str]) -> None:
    """The first run writes a comment, later ones the same; it begins with the marker by which it is found."""
    calls, done, _ = commented(tmp_path, COMMENTS=comments)
    assert done == 0
    assert len(calls) == 2
    assert "repos/me/mine/issues/7/comments" in calls[0]
    assert "select(.body | startswith(env.MARKER))" in calls[0][-1]
    assert calls[1][:5] == ["api", "--silent", "--method", *writing]
    assert (tmp_path / "body.md").read_text() == "<!-- marker -->\nthe summary\n"


@pytest.mark.parametrize(("fails", "calls"), [("LISTING", 1), ("WRITING", 2)])
def test_a_comment_that_cannot_be_written_is_a_warning(tmp_path: Path, fails: str, calls: int) -> None:
    """Without the permission the step succeeds, with a warning, and nothing is written where the comments cannot be listed."""
    made, done, said = commented(tmp_path, True, COMMENTS="", **{fails: "1"})
    assert (len(made), done) == (calls, 0)
    assert "::warning title=No comment::" in said


def test_without_a_summary_there_is_no_comment(tmp_path: Path) -> None:
    """A gate that ended before it had a summary leaves the old comment as it is."""
    calls, done, _ = commented(tmp_path, False, COMMENTS="12\\n")
    assert (calls, done) == ([], 0)


def commented(folder: Path, summary: bool = True, **variables: str) -> tuple[list[list[str]], int, str]:
    """Run the action's comment step with a stand-in for `gh`; return the words of its calls, the exit code and what was printed."""
    (step,) = (step for step in action()["runs"]["steps"] if step["name"] == "Comment")
    assert "github.event.pull_request.head.repo.full_name == github.repository" in step["if"]
    (folder / "bin").mkdir()
    (folder / "bin" / "gh").write_text(GH)
    (folder / "bin" / "gh").chmod(0o755)
    (folder / "reports" / "gate").mkdir(parents=True)
    if summary:
        (folder / "reports" / "gate" / "summary.md").write_text("the summary\n")
    environment = {
        **os.environ, "GH_TOKEN": "t", "NUMBER": "7", "MARKER": "<!-- marker -->", "GITHUB_REPOSITORY": "me/mine", "RUNNER_TEMP": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **variables,
    }  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    calls = folder / "calls.txt"
    words = calls.read_text().split("\n\n")[:-1] if calls.exists() else []
    return [call.splitlines() for call in words], done.returncode, done.stdout


def test_the_action_installs_the_version_that_is_used(tmp_path: Path) -> None:
    """The package comes from the action's own checkout, with the extras that were named; or nothing is installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > pip.txt\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    for extras, place in (("", "/action"), ("torch", "/action[torch]")):
        assert run_step("action", "Install", tmp_path, EXTRAS=extras, GITHUB_ACTION_PATH="/action")[0] == 0
        assert (tmp_path / "pip.txt").read_text().splitlines() == ["-m", "pip", "install", place]
    (tmp_path / "pip.txt").unlink()
    run_step("action", "Install", tmp_path, EXTRAS="none", GITHUB_ACTION_PATH="/action")
    assert not (tmp_path / "pip.txt").exists()


def test_the_action_uses_its_inputs() -> None:
    """Every input is used, every one used is declared, the page names them all; scripts hold no expression and name their shell."""
    whole, text = action(), (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(whole["inputs"])
    for step in (step for step in steps_of("action") if "run" in step):
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
    page = (ROOT / "docs" / "ci.md").read_text()
    assert [name for name in whole["inputs"] if f"`{name}`" not in page] == []
