"""The bundle, installed by the real CLI: what arrives, and what Codex then sees."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from codex import ROOT, Home
from hands import Hand
from scene import git
from scripted import say

TOOLS = (
    "measure_artifact", "evaluate_bpb", "check_budget", "run_experiment", "submit_job", "job_status", "wait_for_job",
    "cancel_job", "check_promotion", "list_experiments", "review_submission", "record_note", "compare_runs",
    "triage_submissions",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace that Codex knows nothing of."""
    (tmp_path / "golf.toml").write_text("")
    git(tmp_path, "init", "--quiet")
    return tmp_path


def installed(home: Home) -> Path:
    listed = json.loads(home.cli("plugin", "list", "--json", cwd=home.folder).stdout)["installed"]
    plugin = next(plugin for plugin in listed if plugin["name"] == "caddie")
    assert plugin["enabled"]
    return home.config.parent / "plugins/cache/caddie/caddie" / plugin["version"]


def test_the_installed_copy_of_a_clone_is_the_bundle_and_nothing_else(home: Home) -> None:
    """Codex copies all it finds, git-ignored files too, and drops symlinks."""
    source, copy = ROOT / "plugins" / "caddie", installed(home)
    arrived = {path.relative_to(copy) for path in copy.rglob("*")}
    assert arrived == {path.relative_to(source) for path in source.rglob("*")}
    assert not {".git", ".venv", "node_modules", "__pycache__"} & {part for path in arrived for part in path.parts}
    assert sum(path.stat().st_size for path in copy.rglob("*")) < 500_000


def test_the_bundle_installs_from_a_git_marketplace(codex: Path, tmp_path: Path) -> None:
    """`owner/repo` is cloned by git, which here finds GitHub in a folder of this machine."""
    published, home = tmp_path / "published", Home.make(codex, tmp_path / "home")
    for part in (".agents", "plugins"):
        shutil.copytree(ROOT / part, published / part)
    git(published, "init", "--quiet")
    git(published, "add", ".")
    git(published, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "publish")
    github = "https://github.com/caddie/caddie.git"
    (home.folder / ".gitconfig").write_text(f'[url "{published}"]\ninsteadOf = {github}\n')
    for step in (("marketplace", "add", "caddie/caddie"), ("add", "caddie@caddie")):
        done = home.cli("plugin", *step, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (installed(home) / ".mcp.json").is_file()
    assert not any(path.name == ".git" for path in installed(home).rglob("*"))


def test_the_tools_are_known_from_the_first_request_and_work_in_the_sessions_own_folder(
    home: Home, workspace: Path, hand: Hand
) -> None:
    session = home.exec(hand, [hand.tool("list_experiments"), say("seen")], cwd=workspace)
    assert session.exit_code == 0, session.stderr
    assert "mcp__golf: Caddie" in session.first.text
    assert str(workspace / "results.tsv") in session.outputs[0]


def test_the_model_can_find_each_of_the_twelve_tools(home: Home, workspace: Path, hand: Hand) -> None:
    """None is in the first list: a default model looks through ALL_TOOLS, others search by words."""
    looks = [hand.find(tool.replace("_", " ")) for tool in TOOLS]
    session = home.exec(hand, [*looks, say("seen")], cwd=workspace)
    missed = [tool for tool, found in zip(TOOLS, session.outputs, strict=True) if tool not in found]
    assert not missed


def test_a_missing_golf_command_is_said_at_the_start(home: Home, workspace: Path, hand: Hand) -> None:
    """Without `required` a server that does not start is passed over in silence."""
    session = replace(home, has_golf=False).exec(hand, [say("never")], cwd=workspace)
    assert session.exit_code == 1
    assert "golf" in session.stderr
    assert not session.model.requests
