"""What a commit must not hold: checkpoints and large weights, and code before its note; by real git (S79, S71)."""

import os
from pathlib import Path

import pytest
from repositories import CLAIM, Repository, orders

from golf.cli import main
from golf.desk.commits import staged
from golf.hooks.guard import decide
from golf.hooks.state import State
from golf.play import experiments
from golf.workspace import Workspace

ZIP = b"PK\x03\x04" + bytes(5000)
"""What torch.save writes begins so."""


@pytest.fixture
def hooked(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository whose commits go through the hook that `golf check-commit --install` writes."""
    monkeypatch.chdir(repository.root)
    assert main(["check-commit", "--install"]) == 0
    return repository


def put(repository: Repository, name: str, content: bytes) -> None:
    (repository.root / name).parent.mkdir(parents=True, exist_ok=True)
    (repository.root / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("outputs/checkpoints/step_100.pt", ZIP),
        ("outputs/checkpoints/best", ZIP),
        ("outputs/run1/model.safetensors", b"{}"),
        ("checkpoints/last.ckpt", b"x"),
        ("models/final_model.int8.ptz", bytes(1_000_001)),
        ("pytorch_model.BIN", bytes(1_000_001)),
        ("a folder/wëights.safetensors", bytes(2_000_000)),
    ],
)
def test_s79_a_checkpoint_is_not_committed_by_real_git_without_codex(
    hooked: Repository, name: str, content: bytes
) -> None:
    put(hooked, name, content)
    hooked.git("add", "--all", "--force")
    said = hooked.git("commit", "--message", "all of it", fails=True)
    assert "error: WEIGHTS: " in said and name.rpartition("/")[2][:4] in said
    assert "fix: git restore --staged" in said
    assert "meant all the same: git commit --no-verify" in said
    hooked.git("restore", "--staged", name)
    hooked.git("commit", "--quiet", "--allow-empty", "--message", "without it")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tests/fixtures/tiny.pt", ZIP),
        ("outputs/eval_report.md", b"# fine\n"),
        ("outputs/loss.png", b"\x89PNG\0"),
        ("outputs/checkpoints/.gitkeep", b""),
        ("outputs/checkpoints/config.yaml", b"width: 3\n"),
        ("data/table.csv", bytes(3_000_000)),
        ("weights.pt.md", b"about weights\n"),
    ],
)
def test_s79_what_is_no_checkpoint_is_committed(hooked: Repository, name: str, content: bytes) -> None:
    put(hooked, name, content)
    hooked.git("add", "--all", "--force")
    hooked.git("commit", "--quiet", "--message", "fine")


def test_s79_the_index_counts_whatever_lies_in_the_working_tree(hooked: Repository) -> None:
    put(hooked, "model.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    hooked.git("add", "model.pt")
    put(hooked, "model.pt", bytes(2_000_000))
    hooked.git("commit", "--quiet", "--message", "the pointer only")
    said = hooked.git("commit", "--all", "--message", "now the weights", fails=True)
    assert "WEIGHTS" in said
    put(hooked, "other.txt", b"x")
    hooked.git("add", "other.txt")
    hooked.git("commit", "--quiet", "--message", "this file alone", "--", "other.txt")


def test_s79_the_first_commit_of_all_is_guarded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    repository = Repository(tmp_path / "new")
    monkeypatch.chdir(repository.root)
    put(repository, "checkpoints/a.pt", ZIP)
    repository.git("add", "--all")
    assert staged.check(repository.root).is_refused


def test_s79_somebodys_own_hook_is_left_alone_and_the_line_is_said(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.root)
    hook = repository.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    assert main(["check-commit", "--install"]) == 2
    assert "golf.cli check-commit || exit 1" in capsys.readouterr().err
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"
    hook.unlink()
    assert main(["check-commit", "--install"]) == main(["check-commit", "--install"]) == 0
    assert os.access(hook, os.X_OK)


def test_s79_the_guard_of_codex_refuses_the_same(workspace: Workspace) -> None:
    def said(line: str) -> str | None:
        event = {"tool_name": "Bash", "tool_input": {"command": line}, "cwd": str(workspace.root)}
        return decide(event, State(workspace.root))

    for name, content in {
        "small.pt": ZIP,
        "large.safetensors": bytes(1_000_001),
        "outputs/checkpoints/a.pt": ZIP,
    }.items():
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(content)
    assert said("git add small.pt") is None
    assert "never committed" in (said("git add large.safetensors") or "")
    assert "never committed" in (said("git add -A && git commit -m x") or "")
    assert "never committed" in (said("git add outputs/checkpoints/a.pt") or "")


def test_s79_the_hook_for_the_pre_commit_framework_names_verbs_that_exist() -> None:
    import yaml

    hooks = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert {hook["id"] for hook in hooks} == {"golf-check-commit", "golf-notebook"}
    for hook in hooks:
        program, verb, *_ = hook["entry"].split()
        assert program == "golf" and hook["pass_filenames"] is False and hook["always_run"] is True
        with pytest.raises(SystemExit, match="0"):
            main([verb, "--help"])


def test_s71_the_commit_hook_wants_the_note_before_the_code(
    claimed: tuple[Workspace, Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, repository = claimed
    monkeypatch.chdir(workspace.root)
    assert main(["check-commit", "--install"]) == 0
    folder = "experiments/2026-05-01_by-hand"
    config = experiments.dump(experiments.Experiment(parent="base", script="train_gpt.py", **CLAIM))
    repository.write(f"{folder}/config.yaml", config)
    repository.write(f"{folder}/train_gpt.py", "x = 5\n")
    repository.git("add", folder)
    said = repository.git("commit", "--message", "both at once", fails=True)
    assert "ORDER_UNCLEAR" in said and "commit the note alone first" in said
    repository.git("commit", "--quiet", "--message", "Claim it", "--", f"{folder}/config.yaml")
    repository.git("commit", "--quiet", "--message", "Write it")
    assert orders(workspace)["by-hand"] == "note first"


def test_s71_the_commit_hook_lets_a_claim_of_golf_new_in_at_once(
    claimed: tuple[Workspace, Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, repository = claimed
    monkeypatch.chdir(workspace.root)
    assert main(["check-commit", "--install"]) == 0
    folder = experiments.claim(workspace, "wider", parent="base", **CLAIM)
    (folder / "train_gpt.py").write_text("x = 2\n")
    repository.commit()
