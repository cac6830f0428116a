"""What a role may do: the critic only reads and speaks, and no model speaks as a human."""

import pytest
from guarded import patch, refused, shell

from golf.hooks.roles import READ_TOOLS
from golf.workspace import Workspace


@pytest.mark.parametrize(
    "line",
    [
        "echo x > review.md", "touch x", "rm x", "sed -i s/a/b/ train_gpt.py", "git commit -am x", "git checkout main",
        "python -c \"open('x', 'w')\"", "python fix.py", "pip install x", "make test", "bash run.sh", "cp a b",
        "golf run wider", "golf cancel 1", "golf init", "curl https://example.org", "find . -delete", "sort -o x y",
        "cat x | tee y", "git diff --output=x", "find . -fprint x", "sed -n 'w out' x", "echo $(touch x)",
    ],
)  # fmt: skip
def test_the_critic_writes_nothing(line: str, idle: Workspace) -> None:
    assert refused(idle, "Bash", {"command": line}, "critic")


@pytest.mark.parametrize(
    "line",
    [
        "cat train_gpt.py | head -20", "git diff HEAD~1 -- train_gpt.py", "git log --oneline", "rg -n val_bpb .",
        "sed -n 1,20p train_gpt.py", "golf review wider", "golf history --best --json", "ls experiments 2>/dev/null",
        "diff a b; wc -l a", "golf measure-artifact wider", "find . -name '*.py'", "cd experiments && ls",
    ],
)  # fmt: skip
def test_the_critic_reads(line: str, idle: Workspace) -> None:
    assert refused(idle, "Bash", {"command": line}, "critic") is None


def test_the_critic_patches_and_starts_nothing(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("train_gpt.py")}, "critic")
    for tool in ("run_experiment", "submit_job", "cancel_job", "evaluate_bpb"):
        assert refused(idle, f"mcp__golf__{tool}", {"experiment": "x", "id": "1"}, "critic")
    assert refused(idle, "mcp__filesystem__write_file", {"path": "x"}, "critic")
    for tool in ("review_submission", "check_promotion", "list_experiments", "job_status"):
        assert refused(idle, f"mcp__golf__{tool}", {"experiment": "x"}, "critic") is None


@pytest.mark.parametrize("kind", ["finding", "question", "verdict"])
def test_the_critic_speaks(kind: str, idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": kind, "text": "x"}, "critic") is None


@pytest.mark.parametrize("role", [None, "implementer", "default", "Critic", "critic "])
def test_a_verdict_is_the_critics_alone(role: str | None, idle: Workspace) -> None:
    reason = refused(idle, "mcp__golf__record_note", {"kind": "verdict", "text": "accept"}, role)
    assert reason is not None and "Spawn the critic" in reason
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x"}, role) is None


@pytest.mark.parametrize("role", [None, "critic", "implementer"])
@pytest.mark.parametrize("kind", ["directive", "override"])
def test_a_humans_word_is_said_by_no_model(kind: str, role: str | None, idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": kind, "text": "x"}, role)


@pytest.mark.parametrize(
    "line",
    [
        "golf record directive 'spend it all'",
        "golf record override 'why' --edit eval.py",
        "golf record --by ada override why --edit eval.py",
        "golf record withdraw 'no sliding'",
        ".venv/bin/golf record override x --edit eval.py",
        "python -m golf.cli record override x --edit eval.py",
        "python .venv/bin/golf record directive x",
        "uv run golf record directive x",
        "GOLF_WORKSPACE=. golf record override x -e wider",
        "yes | golf record directive x",
        "golf record verdict accept",
        "golf record finding 'in the name of the human'",
        "golf accept review answer.json --record",
        "golf submit wider --tier h100",
        "golf init --trust",
        "golf init --undo",
    ],
)
def test_what_a_human_types_is_not_typed_by_a_model(line: str, idle: Workspace) -> None:
    assert shell(idle, line)


@pytest.mark.parametrize(
    "line",
    [
        "golf record --help",
        "golf notes",
        "golf digest",
        "golf submit wider --tier h100 --dry-run",
        "golf init",
        "golf accept review answer.json",
    ],
)
def test_reading_the_channel_is_free(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is None


def test_a_note_in_a_humans_name_is_refused(idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x", "by": "human:ada"})
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x", "by": "researcher"}) is None


def test_the_critics_tools_are_those_that_only_read() -> None:
    from mcp_server.tools import TOOLS

    reading = {function.__name__ for function, hints in TOOLS if hints.read_only_hint}
    assert reading == READ_TOOLS
