"""What Codex installs is well formed, light and says when to use it."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKILLS = sorted((ROOT / "skills").glob("*/SKILL.md"))


def read(name: str) -> dict:
    return json.loads((ROOT / name).read_text())


def test_the_manifest_the_marketplace_and_the_package_agree() -> None:
    manifest, market = read(".codex-plugin/plugin.json"), read(".agents/plugins/marketplace.json")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest["name"] == market["plugins"][0]["name"] == project["name"]
    assert manifest["version"] == project["version"]
    for key in ("skills", "mcpServers"):
        assert (ROOT / manifest[key]).exists()


def test_the_server_is_required_starts_in_the_session_s_folder_and_is_given_time() -> None:
    server = read(".mcp.json")["mcpServers"]["golf"]
    assert server["required"] is True
    assert "cwd" not in server  # with one, it would start in the plugin cache and not see the workspace
    assert server["startup_timeout_sec"] >= 60
    assert "CUDA_VISIBLE_DEVICES" in server["env_vars"]


@pytest.mark.parametrize("path", SKILLS, ids=lambda path: path.parent.name)
def test_a_skill_says_when_to_use_it_and_is_short(path: Path) -> None:
    _, front, body = path.read_text().split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert fields["name"] == path.parent.name
    assert fields["description"].startswith("Use when")
    assert len(fields["description"]) <= 1024
    assert len(body.split()) < 500


@pytest.mark.parametrize("path", SKILLS, ids=lambda path: path.parent.name)
def test_a_skill_names_only_tools_that_exist(path: Path) -> None:
    from mcp_server import tools

    known = {function.__name__ for function, _ in tools.TOOLS}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", path.read_text()))
    assert named - known <= {"best_first", "rate_limited", "timed_out"}  # an argument and two states


def test_there_is_no_symlink_and_no_secret_name_in_the_tree() -> None:
    import subprocess

    listed = subprocess.run(
        ["git", "ls-files", "-s", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    entries = [line for line in listed.split("\0") if line]
    assert not [line for line in entries if line.startswith("120000")]
    assert not [line for line in entries if re.search(r"\.env$|\.pem$|id_rsa", line)]
