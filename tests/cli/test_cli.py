"""Every verb, in text and as JSON, through the entry point; every error reads well and has its exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scene import eventually, git

from golf.cli import build_parser, main
from golf.jobs import process
from golf.jobs.local import LocalJobs
from golf.play import experiments
from golf.workspace import Workspace

VERBS = sorted(build_parser()._subparsers._group_actions[0].choices)


def golf(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def here(played: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(played.root)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    return played


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_s_help_ends_in_an_example_that_parses(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    example = capsys.readouterr().out.split("example:\n")[1].strip()
    parsed = build_parser().parse_args(shlex.split(example)[1:])
    assert parsed.verb == verb


SHOWN = [
    (["history"], "val_bpb", "rows"),
    (["history", "--best", "-n", "1", "--tier", "tiny", "--status", "keep"], "base", "best"),
    (["jobs"], "done", "state"),
    (["measure-artifact", "base"], "status: OK", "headroom_bytes"),
    (["measure-artifact", "base", "--seed", "2"], "artifact_bytes: ", "artifact_bytes"),
    (["check-budget"], "remaining_usd: 500.00", "remaining_usd"),
    (["check-budget", "--cost", "3.50"], "verdict: ok", "verdict"),
    (["read-log", "experiments/{name}/logs/train_seed1.log"], "final_bpb", "final_bpb"),
    (["doctor"], "python", "checks"),
    (["run", "base", "--dry-run"], "command", "settings"),
]


@pytest.mark.parametrize(
    ("argv", "text", "field"), SHOWN, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else ""
)
def test_a_verb_shows_text_and_the_same_as_json(
    here: Workspace, capsys: pytest.CaptureFixture[str], argv: list[str], text: str, field: str
) -> None:
    argv = [word.format(name=experiments.find(here, "base").name) for word in argv]
    code, out, _ = golf(capsys, *argv)
    assert code == 0
    assert text in out
    code, out, _ = golf(capsys, *argv, "--json")
    value = json.loads(out)
    assert code == 0
    assert field in (value[0] if isinstance(value, list) else value)


def test_measure_artifact_prints_the_three_lines_people_grep_for(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = golf(capsys, "measure-artifact", "base")[1].splitlines()
    values = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert int(values["artifact_bytes"]) + int(values["headroom"]) == 16_000_000
    assert values["status"] == "OK"


def test_an_artifact_over_the_limit_is_exit_1_and_still_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train_gpt.py").write_bytes(b"x" * 10)
    for model_bytes, code, status in ((15_999_990, 0, "OK"), (15_999_991, 1, "OVER LIMIT")):
        with open(tmp_path / "final_model.int8.ptz", "wb") as file:
            file.truncate(model_bytes)
        ended, out, _ = golf(capsys, "measure-artifact", str(tmp_path))
        assert ended == code
        assert f"status: {status}" in out


def test_the_first_baseline_does_not_pass_the_gates(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = golf(capsys, "check-promotion", "base")
    assert code == 1
    assert "gate promotion" in out


def test_s120_a_score_is_evaluated_in_a_job_with_its_scope_said(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = golf(capsys, "evaluate-bpb", "base", "--tokens", "2000", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["is_subset"] and found["scored_tokens"] <= 2048 < found["total_tokens"]


def test_s120_eval_py_is_the_seeds_spelling_of_the_same_verb(here: Workspace) -> None:
    artifact = experiments.artifact_folder(experiments.find(here, "base"))
    script = Path(__file__).parents[2] / "eval.py"
    done = subprocess.run(
        [sys.executable, str(script), "--checkpoint", str(artifact)],
        cwd=here.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = experiments.read_result(experiments.find(here, "base"))
    assert result is not None
    scores = {seed.val_bpb for seed in result.seeds}
    shown = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("val_bpb:"))
    assert any(shown == pytest.approx(score, abs=1e-6) for score in scores)


ERRORS = [
    (["run", "nothing"], 2, "golf history"),
    (["run", "x", "--hypothesis", "h"], 2, "script"),
    (["run", "x", "--hypothesis", " ", "--parent", "base"], 2, "hypothesis"),
    (["run", "base"], 2, "--again"),
    (["new", "UPPER", "--hypothesis", "h", "--parent", "base"], 2, "a-z"),
    (["new", "x", "--hypothesis", "h", "--parent", "base", "--seeds", "one"], 2, "whole numbers"),
    (["new", "x", "--hypothesis", "h", "--parent", "base", "--env", "NOVALUE"], 2, "KEY=VALUE"),
    (["new", "x", "--hypothesis", "h", "--parent", "base", "--tier", "moon"], 2, "no tier 'moon'"),
    (["measure-artifact", "/nowhere"], 2, "nothing at /nowhere"),
    (["measure-artifact", "golf.toml"], 2, "golf.toml"),
    (["evaluate-bpb", "/nowhere"], 2, "nowhere"),
    (["evaluate-bpb", "base", "--stride", "0"], 2, "stride"),
    (["read-log", "/nowhere"], 2, "nowhere"),
    (["check-promotion", "nothing"], 2, "golf history"),
    (["check-budget", "--cost", "-1"], 2, "-1"),
    (["job", "nothing"], 2, "golf jobs"),
    (["cancel", "nothing"], 2, "golf jobs"),
    (["wait", "nothing"], 2, "golf jobs"),
    (["-w", "/nowhere", "history"], 2, ""),
]


@pytest.mark.parametrize(
    ("argv", "code", "message"), ERRORS, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else ""
)
def test_an_error_says_what_to_do_on_stderr_and_prints_no_result(
    here: Workspace, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, message: str
) -> None:
    try:
        ended, out, err = golf(capsys, *argv)
    except SystemExit as refused:  # argparse's own refusals
        ended, (out, err) = refused.code, capsys.readouterr()
    assert ended == code
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_outside_a_workspace_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    assert golf(capsys, "history")[0] == 2
    monkeypatch.setenv("GOLF_WORKSPACE", str(tmp_path))
    code, _, err = golf(capsys, "history")
    assert code == 2
    assert "golf init" in err


def test_a_misspelt_key_in_golf_toml_is_an_error_that_names_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "golf.toml").write_text("[budget]\ntotal_used = 500\n")
    code, _, err = golf(capsys, "check-budget")
    assert code == 2
    assert "budget.total_used" in err


def test_init_makes_a_workspace_once_and_undo_takes_back_exactly_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text("mine")
    assert golf(capsys, "init", str(tmp_path), "--dry-run")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.py"]
    assert golf(capsys, "init", str(tmp_path))[0] == 0
    first = json.loads(golf(capsys, "init", str(tmp_path), "--json")[1])
    assert first["wrote"] == []
    (tmp_path / "golf.toml").write_text("[budget]\ntotal_usd = 10\n")
    undone = json.loads(golf(capsys, "init", str(tmp_path), "--undo", "--json")[1])
    assert undone["kept"] == ["golf.toml"]
    assert (tmp_path / "train.py").read_text() == "mine"
    assert not (tmp_path / "baselines").exists()
    assert golf(capsys, "init", str(tmp_path), "--undo")[0] == 2


def test_init_adopts_the_challenge_s_checkout_without_touching_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("train_gpt.py", "data/cached_challenge_fineweb.py"):
        (tmp_path / name).write_text("theirs")
    git(tmp_path, "init", "--quiet")
    wrote = json.loads(golf(capsys, "init", str(tmp_path), "--json")[1])["wrote"]
    assert {"golf.toml", "baselines/naive.json"} <= set(wrote)
    assert not [name for name in wrote if name.startswith(("baselines/naive/", "data/"))]
    assert (tmp_path / "train_gpt.py").read_text() == "theirs"


def test_a_pipe_that_closes_early_is_no_error(here: Workspace) -> None:
    done = subprocess.run(
        f"{sys.executable} -m golf.cli history --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=here.root,
    )
    assert done.stderr == ""


def test_the_version_and_the_list_of_verbs_need_no_workspace(tmp_path: Path) -> None:
    env = {**os.environ, "GOLF_WORKSPACE": str(tmp_path)}
    for argument in ("--version", "--help"):
        done = subprocess.run([sys.executable, "-m", "golf.cli", argument], capture_output=True, text=True, env=env)
        assert done.returncode == 0
        assert "addie" in done.stdout


def test_ctrl_c_ends_the_run_whole_and_records_nothing(course_workspace: Workspace) -> None:
    (course_workspace.root / "sleeper.py").write_text("import time; print('up', flush=True); time.sleep(600)")
    command = [
        sys.executable,
        "-m",
        "golf.cli",
        "run",
        "s",
        "--hypothesis",
        "h",
        "--script",
        "sleeper.py",
        "--tier",
        "tiny",
    ]
    with subprocess.Popen(
        command,
        cwd=course_workspace.root,
        stderr=subprocess.PIPE,
        text=True,
        # as at a terminal: whoever runs the suite in the background has SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:
        logs = course_workspace.experiments
        eventually(lambda: any("up" in path.read_text() for path in logs.glob("*/logs/*.log")))
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    job = LocalJobs(course_workspace).recent(1)[0]
    assert job.state == "cancelled"
    assert process.marked(job.id) == []
    assert not course_workspace.ledger.exists()
    assert not list(course_workspace.worktrees.glob("*"))
