"""The ready-made pipelines: what they do without a model, and that the rest of them is what it says.

With a model they are played in tests/codex/, by the real Codex CLI.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from scene import git

from golf import answers
from golf.play import experiments
from golf.research import sections
from golf.research.sources import SOURCES
from golf.workspace import Workspace

WEB = sorted(SOURCES.keys() - {"notes"})
PIPELINES = Path(__file__).parents[2] / "pipelines"
SCRIPTS = sorted(PIPELINES.glob("*.sh"))
WORKFLOW = PIPELINES / "github-workflow.yml"


def pipeline(script: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GOLF_", "GIT_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [PIPELINES / script, *arguments],
        cwd=cwd,
        env={**kept, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


# --- without a model ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "answer"),
    [("experiment-summary.sh", "experiment-summary.json"), ("post-training-analysis.sh", "analysis.json")],
)
def test_s106_a_played_round_is_summed_up_without_a_model(played: Workspace, tmp_path: Path, script: str, answer: str):
    done = pipeline(script, "--no-model", "--out", str(tmp_path / "out put"), cwd=played.root)
    assert done.returncode == 0, done.stderr
    assert "_base, tiny, keep, val_bpb" in done.stdout
    accepted = answers.read("experiment-summary", (tmp_path / "out put" / answer).read_bytes())
    assert isinstance(accepted, answers.ExperimentSummary)
    result = experiments.read_result(experiments.find(played, "base"))
    assert result is not None
    assert result.val_bpb in [entry.val_bpb for entry in accepted.experiments]


def test_submissions_are_triaged_without_a_model_and_anywhere(tmp_path: Path):
    place = tmp_path / "the submissions" / "a"
    place.mkdir(parents=True)
    (place / "submission.json").write_text('{"val_bpb": 1.2, "bytes_total": 15000000}')
    done = pipeline("triage.sh", "--no-model", "the submissions", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert answers.read("triage", (tmp_path / "outputs" / "triage.json").read_bytes())
    (place / "submission.json").write_text('{"val_bpb": 1.2, "bytes_total": 17000000}')
    assert pipeline("triage.sh", "--no-model", "the submissions", cwd=tmp_path).returncode == 1
    assert pipeline("triage.sh", "--no-model", "nowhere", cwd=tmp_path).returncode == 2


def test_s105_changes_are_evaluated_without_a_model(course_workspace: Workspace, tmp_path: Path):
    script = tmp_path / "train_gpt.py"
    script.write_text("raise SystemExit('out of luck')\n")
    root = course_workspace.root
    git(root, "add", "--all")
    git(root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "c")
    arguments = ("--no-model", "--since", "HEAD", "--tier", "tiny")
    done = pipeline("evaluate-changes.sh", *arguments, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "no experiment changed" in done.stdout
    experiments.claim(course_workspace, "broken", hypothesis="h", script=script, tier="tiny")
    done = pipeline("evaluate-changes.sh", *arguments, cwd=root)
    assert done.returncode == 2
    assert "out of luck" in (root / "outputs" / "eval_report.md").read_text()
    assert json.loads((root / "outputs" / "evaluation.json").read_text())["verdict"] == "not measured"


def test_an_evaluation_that_could_not_begin_leaves_no_earlier_report(course_workspace: Workspace):
    report = course_workspace.root / "outputs" / "eval_report.md"
    report.parent.mkdir()
    report.write_text("yesterday's")
    arguments = ("--no-model", "--since", "nowhere", "--tier", "tiny")
    done = pipeline("evaluate-changes.sh", *arguments, cwd=course_workspace.root)
    assert done.returncode == 2
    assert "no commit here" in done.stderr
    assert not report.exists()


def test_research_without_a_model_reads_grades_and_writes_program_md(workspace: Workspace):
    (workspace.root / "notes").mkdir()
    (workspace.root / "notes" / "idea.md").write_text("# BigramHash\nIt improves val loss by 0.006 bpb.")
    (workspace.root / "golf.toml").write_text(f'[research]\nnotes = "notes"\noff = {json.dumps(WEB)}\n')
    sections.begin_file(workspace.root / "program.md")
    done = pipeline("research-refresh.sh", "--no-model", cwd=workspace.root)
    assert done.returncode == 0, done.stderr
    assert json.loads((workspace.root / "outputs" / "research-refresh.json").read_text())["closed"]["graded"] == 1
    assert "BigramHash" in done.stdout and "BigramHash" in (workspace.root / "program.md").read_text()


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("triage.sh", ()),
        ("triage.sh", ("a", "b")),
        ("triage.sh", ("--fast", "a")),
        ("research-refresh.sh", ("--fast",)),
        ("research-refresh.sh", ("nowhere",)),
        ("experiment-summary.sh", ("surplus",)),
        ("post-training-analysis.sh", ("--last",)),
        ("evaluate-changes.sh", ("--help",)),
    ],
)
def test_a_wrong_call_says_how_and_does_nothing(workspace: Workspace, script: str, arguments: tuple[str, ...]):
    before = sorted(workspace.root.rglob("*"))
    done = pipeline(script, *arguments, cwd=workspace.root)
    assert done.returncode in (1, 2)
    assert done.stderr.strip()
    assert sorted(workspace.root.rglob("*")) == before


# --- what they are made of ---------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_valid_bash_that_stops_at_the_first_failure(script: Path):
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_codex_reads_and_does_not_write_and_is_believed_only_after_accept(script: Path):
    text = script.read_text()
    is_asked_by_golf = script.name == "research-refresh.sh"  # its prompts are golf's, which warn of strangers' words
    stdin = '<"$out/$1.prompt.md"' if is_asked_by_golf else "</dev/null"
    (line,) = re.findall(f"codex exec (.*?){re.escape(stdin)}", text, re.DOTALL)
    named = r"^\s*(?:\[.*\|\| )?ask (\S+) \w+" if is_asked_by_golf else r"golf schema (\S+)"
    schemas = re.findall(named, text, re.MULTILINE)
    assert schemas and set(schemas) <= answers.ANSWERS.keys()
    assert "--sandbox read-only" in line
    assert "--ephemeral" in line
    assert "--output-schema" in line and " -o " in line
    assert is_asked_by_golf or "data to quote, and nothing in" in line
    after = text.split(stdin)[1]
    assert ('golf research "$2" --accept' if is_asked_by_golf else f"golf accept {schemas[0]} ") in after
    assert "dangerously" not in text and "--trust" not in text


def test_the_readme_names_every_pipeline_and_every_verb_it_needs():
    text = (PIPELINES / "README.md").read_text()
    for path in [*SCRIPTS, WORKFLOW]:
        assert path.name in text
    for verb in ("golf triage", "golf summary", "golf ci", "golf accept", "golf schema"):
        assert verb in text


def test_the_baseline_file_of_the_readme_is_one(tmp_path: Path):
    from golf.play import baseline

    (block,) = re.findall(r"```yaml\n(.*?)```", (PIPELINES / "README.md").read_text(), re.DOTALL)
    (tmp_path / "baseline.yaml").write_text(block)
    read = baseline.read(tmp_path / "baseline.yaml")
    assert read.of("2026-05-04_wider").keys() == {"train_time_s", "val_bpb"}


# --- the workflow ------------------------------------------------------------------------------

CODEX_ACTION = {
    "prompt", "prompt-file", "output-file", "openai-api-key", "responses-api-endpoint", "working-directory", "sandbox",
    "codex-version", "codex-args", "output-schema", "output-schema-file", "model", "effort", "codex-home",
    "safety-strategy", "codex-user", "allow-users", "allow-bots", "allow-bot-users",
}  # fmt: skip
"""Inputs of openai/codex-action. Source: its action.yml at v1.8."""


@pytest.fixture
def workflow() -> dict[Any, Any]:
    return yaml.safe_load(WORKFLOW.read_text())


def steps(job: dict[str, Any], action: str = "") -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(action)]


def test_s105_a_pull_request_runs_its_own_code_without_a_secret_and_with_a_token_that_only_reads(
    workflow: dict[Any, Any],
):
    assert set(workflow[True]) == {"pull_request"}  # never pull_request_target; YAML reads `on` as true
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"].items()) <= {("contents", "read")}
        runs_their_code = any("golf ci" in step.get("run", "") for step in job["steps"]) or steps(
            job, "actions/checkout"
        )
        assert not (runs_their_code and "secrets." in json.dumps(job))
    (checkout,) = steps(workflow["jobs"]["evaluate"], "actions/checkout")
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_the_key_is_only_seen_by_codex_action_and_never_by_a_fork(workflow: dict[Any, Any]):
    holders = [name for name, job in workflow["jobs"].items() if "secrets." in json.dumps(job)]
    assert holders == ["explain"]
    explain = workflow["jobs"]["explain"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in explain["if"]
    codex = explain["steps"][-1]  # last: what it leaves on its machine is nobody's to trust
    assert codex["uses"].startswith("openai/codex-action@")
    assert set(codex["with"]) <= CODEX_ACTION
    assert codex["with"]["openai-api-key"] == "${{ secrets.OPENAI_API_KEY }}"
    assert (codex["with"]["sandbox"], codex["with"]["safety-strategy"]) == ("read-only", "drop-sudo")
    assert json.loads(codex["with"]["codex-args"]) == ["--ephemeral"]
    assert json.dumps(explain).count("secrets.OPENAI_API_KEY") == 2  # given, and asked whether it is there


def test_every_action_is_pinned_to_a_commit():
    for line in WORKFLOW.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d", line), line


def test_nothing_from_a_pull_request_is_pasted_into_a_shell(workflow: dict[Any, Any]):
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            run = step.get("run", "")
            assert "${{" not in run
            subprocess.run(["bash", "-n"], input=run, text=True, check=True)


def test_s105_the_report_becomes_an_artifact_and_the_summary_and_the_answer_is_accepted(workflow: dict[Any, Any]):
    evaluate, accept = workflow["jobs"]["evaluate"], workflow["jobs"]["accept"]
    (upload,) = steps(evaluate, "actions/upload-artifact")
    assert "outputs/eval_report.md" in upload["with"]["path"].split()
    assert "!cancelled()" in upload["if"]  # of a regression above all
    play = next(step["run"] for step in evaluate["steps"] if "golf ci" in step.get("run", ""))
    assert "--report outputs/eval_report.md" in play and "GITHUB_STEP_SUMMARY" in play
    assert "golf accept experiment-summary -" in accept["steps"][-1]["run"]
    assert workflow["jobs"]["explain"]["outputs"]["answer"] == "${{ steps.codex.outputs.final-message }}"
    for before, after in (("evaluate", "explain"), ("explain", "accept")):
        assert workflow["jobs"][after]["needs"] == before
