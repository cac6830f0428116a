"""What the bundle and `golf init` bring into a session; hooks only once they are trusted."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from codex import ROOT, Home, Session
from hands import HANDS, PLAIN, Hand
from scene import git
from scripted import say, search

from golf.codex.app_server import AppServer
from golf.workspace import Workspace

SKILLS = ROOT / "plugins/caddie/skills"
NAMED = ("playing-a-round", "setting-goals")
ROLES = ("implementer", "critic", "researcher", "triager")
PATCH = "*** Begin Patch\n*** Add File: baselines/better.json\n+{}\n*** End Patch"


@pytest.fixture(scope="module")
def opened(home: Home, practice: Workspace) -> dict[str, Session]:
    """By model: a session that asks for a skill and looks for its sub-agents."""
    prompt = " and ".join(f"$caddie:{name}" for name in NAMED)
    return {
        hand.model: home.exec(
            hand, [*([search("spawn agent")] if hand is PLAIN else []), say("read")], cwd=practice.root, prompt=prompt
        )
        for hand in HANDS
    }


def test_skills_are_listed_unless_they_wait_to_be_called(opened: dict[str, Session], hand: Hand) -> None:
    """All are installed; those that wait are in the table of one that is listed."""
    told = opened[hand.model].first.text
    router = (SKILLS / "choosing-a-club/SKILL.md").read_text()
    for skill in SKILLS.iterdir():
        settings = skill / "agents/openai.yaml"
        waits = (
            settings.exists() and yaml.safe_load(settings.read_text())["policy"]["allow_implicit_invocation"] is False
        )
        assert (f"- caddie:{skill.name}: Use when" in told) != waits
        assert not waits or f"| {skill.name} |" in router


def test_a_skill_that_is_named_is_read_out(opened: dict[str, Session], hand: Hand) -> None:
    told = opened[hand.model].first.text
    bodies = {skill.name: (skill / "SKILL.md").read_text().split("---\n", 2)[2].strip() for skill in SKILLS.iterdir()}
    assert {name for name, body in bodies.items() if body in told} == set(NAMED)


def test_the_four_roles_are_offered(opened: dict[str, Session], hand: Hand) -> None:
    session = opened[hand.model]
    offered = session.first.tools.get("collaboration.spawn_agent") or session.outputs[0]
    for role in ROLES:
        assert f"{role}: {{" in str(offered)


def test_agents_md_is_part_of_every_session(opened: dict[str, Session], practice: Workspace, hand: Hand) -> None:
    assert (practice.root / "AGENTS.md").read_text().strip()[:500] in opened[hand.model].first.text


def test_nothing_went_wrong_in_silence(opened: dict[str, Session], hand: Hand) -> None:
    """A role with an unknown key, a skill without a description, a setting Codex does not know: all are notices."""
    notices = [event["item"] for event in opened[hand.model].events if event.get("item", {}).get("type") == "error"]
    assert notices == []
    assert "failed to load" not in opened[hand.model].stderr


def listed(home: Home, root: Path) -> dict[str, str]:
    """Our hooks by event, and whether Codex trusts them."""
    with AppServer(codex=home.codex, cwd=root, env=home.env) as server:
        hooks = server.call("hooks/list", {"cwds": [str(root)]})["data"][0]["hooks"]
    return {hook["eventName"]: hook["trustStatus"] for hook in hooks if hook["command"].startswith("golf-hook")}


def test_hooks_are_silently_off_until_golf_init_trusts_them(codex: Path, tmp_path: Path) -> None:
    """In a workspace of someone who did not install the bundle: `golf init` alone brings the tools."""
    home, root, hand = Home.make(codex, tmp_path / "home"), tmp_path / "repository", HANDS[0]
    root.mkdir()
    (root / "train.py").write_text("print('theirs')\n")
    git(root, "init", "--quiet")
    assert home.golf("init", cwd=root).returncode == 0
    script = [hand.tool("check_budget"), hand.patch(PATCH), hand.shell("nvidia-smi --gpu-reset"), say("tried")]

    untrusted = home.exec(hand, script, "--trust", cwd=root)  # the project, and not its hooks
    assert set(listed(home, root).values()) == {"untrusted"}
    assert "remaining_usd" in untrusted.outputs[0]
    assert "PreToolUse" not in untrusted.outputs[1] + untrusted.stderr + untrusted.stdout
    assert "rejected: Resetting the GPU" in untrusted.outputs[2]  # rules need no trust of their own
    (root / "baselines/better.json").unlink(missing_ok=True)

    assert home.golf("init", "--trust", cwd=root).returncode == 0
    assert set(listed(home, root)) == {"preToolUse", "sessionStart", "stop"}
    assert set(listed(home, root).values()) == {"trusted"}
    assert "blocked by PreToolUse hook" in home.exec(hand, script, cwd=root).outputs[1]
    assert not (root / "baselines/better.json").exists()


def test_s107_the_download_layer_opens_the_network_for_the_session_that_asks_for_it(
    home: Home, practice: Workspace
) -> None:
    """A trusted workspace's sandbox has none."""
    shutil.copy(practice.root / ".codex/ml-download.config.toml", home.config.parent)
    closed = home.exec(HANDS[0], [say("hm")], cwd=practice.root)
    opened = home.exec(HANDS[0], [say("hm")], "-p", "ml-download", cwd=practice.root)
    assert "Network access is restricted" in closed.first.text
    assert "Network access is enabled" in opened.first.text


@pytest.mark.usefixtures("sandbox")
def test_the_doctor_finds_nothing_to_mend(home: Home, practice: Workspace) -> None:
    """And sees it all through the same Codex."""
    seen = home.golf("doctor", "--codex", "--json", cwd=practice.root)
    assert seen.returncode == 0, seen.stdout
    assert [check for check in json.loads(seen.stdout)["checks"] if check["verdict"] != "ok"] == []
