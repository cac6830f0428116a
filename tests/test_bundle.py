"""What Codex installs agrees with the package, is light, carries no secret, and starts its server in the workspace."""

import json
import math
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from golf import environment

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "plugins" / "caddie"


def read(path: str) -> dict:
    return json.loads((ROOT / path).read_text())


def manifest() -> dict:
    return read("plugins/caddie/.codex-plugin/plugin.json")


def server() -> dict:
    return read("plugins/caddie/.mcp.json")["mcpServers"]["golf"]


def files() -> list[Path]:
    """All that lies there, git-ignored or not: Codex copies it all."""
    return [path for path in BUNDLE.rglob("*") if path.is_symlink() or not path.is_dir()]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def test_the_manifest_the_marketplace_and_the_package_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = read(".agents/plugins/marketplace.json")["plugins"]
    assert entry["name"] == manifest()["name"] == project["name"] == BUNDLE.name
    assert manifest()["version"] == project["version"]
    assert manifest()["license"] == project["license"]
    assert (ROOT / entry["source"]["path"]).resolve() == BUNDLE


def test_what_the_manifest_points_to_is_in_the_bundle() -> None:
    paths = [text for text in strings(manifest()) if text.startswith((".", "/"))]
    assert len(paths) == 4  # skills, server, two icons
    for path in paths:
        assert path.startswith("./")
        assert (BUNDLE / path).resolve().is_relative_to(BUNDLE)
        assert (BUNDLE / path).exists(), path


def test_the_plugin_brings_no_hooks() -> None:
    """They would run in every session of the user, golf or not; `golf init` gives them to a workspace."""
    assert "hooks" not in manifest()
    assert not (BUNDLE / "hooks").exists()


def test_an_address_is_one_that_exists_or_none() -> None:
    interface = manifest()["interface"]
    for key in ("websiteURL", "privacyPolicyURL", "termsOfServiceURL"):
        assert interface[key] is None or interface[key].startswith("https://"), key


def test_prompts_fit_where_codex_shows_them() -> None:
    prompts = manifest()["interface"]["defaultPrompt"]
    assert 1 <= len(prompts) <= 3
    assert max(map(len, prompts)) <= 128


def test_the_server_is_required_and_given_time() -> None:
    """Without `required`, Codex says nothing when a server does not start, and the first request lacks the tools."""
    assert server()["required"] is True
    assert server()["startup_timeout_sec"] >= 60
    assert server()["tool_timeout_sec"] >= 300
    assert [server()["command"], *server()["args"]] == ["golf", "mcp"]


def test_the_server_starts_in_the_session_s_folder() -> None:
    """With a `cwd` it would start in the plugin cache and not see the workspace."""
    assert "cwd" not in server()


def test_no_tool_is_approved_in_advance() -> None:
    """Whether money may be spent is a person's to say."""
    assert "approve" not in set(strings(server()))


@pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "GOLF_WORKSPACE", "VIRTUAL_ENV"])
def test_codex_passes_on_what_a_gpu_and_a_workspace_need(name: str) -> None:
    """Codex starts servers with little more than HOME and PATH."""
    assert name in server()["env_vars"]


def test_what_codex_passes_on_reaches_the_trainer_and_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    names = server()["env_vars"]
    assert not [name for name in names if re.search(r"TOKEN|KEY|SECRET|PASSWORD", name)]
    for name in names:
        monkeypatch.setenv(name, "1")
    assert set(names) - set(environment.inherited()) == {"GOLF_WORKSPACE"}  # the server's own


def test_the_bundle_is_small_plain_text_and_nothing_hidden() -> None:
    """Codex copies ignored files too and drops symlinks: neither may be there."""
    found = files()
    assert not [path for path in found if path.is_symlink()]
    assert {path.suffix for path in found} <= {".json", ".md", ".yaml", ".svg"}
    hidden = [path.relative_to(BUNDLE) for path in found if any(part.startswith(".") for part in path.parts[-2:])]
    assert sorted(map(str, hidden)) == [".codex-plugin/plugin.json", ".mcp.json"]
    assert sum(path.stat().st_size for path in found) < 100_000


def test_openai_s_plugin_eval_finds_no_budget_exceeded() -> None:
    """What a session always pays, what opening a skill may cost, and the rest, in tokens of four characters.

    Source: openai/plugins, plugin-eval: "moderate" ends at 260, 1,200 and 900; skills that a session
    does not list count in none of the three.
    """

    def tokens(text: str) -> int:
        return math.ceil(len(text) / 4)

    always = tokens(manifest()["description"]) + tokens("\n".join(manifest()["interface"]["defaultPrompt"]))
    opened = tokens((BUNDLE / ".codex-plugin/plugin.json").read_text())
    skills = {path.parent: path.read_text() for path in BUNDLE.glob("skills/*/SKILL.md")}
    for folder, text in skills.items():
        if not (folder / "agents/openai.yaml").exists():  # listed
            always += tokens(yaml.safe_load(text.split("---\n")[1])["description"])
            opened += tokens(text)
    rest = [path for path in files() if path.name not in ("SKILL.md", "plugin.json")]
    assert always <= 260
    assert opened <= 1200
    assert sum(tokens(path.read_text()) for path in rest) <= 900


def test_the_bundle_holds_no_secret_and_no_place_of_one_machine() -> None:
    for path in files():
        text = path.read_text()
        assert not re.search(r"hf_[A-Za-z0-9]{20}|sk-[A-Za-z0-9_-]{20}|AKIA[0-9A-Z]{16}|-----BEGIN", text), path
        assert not re.search(r"(?<![\w.])/(home|root|Users|work|tmp|opt)/", text), path


def test_the_repository_has_no_symlink_and_no_secret_s_name() -> None:
    """A Git marketplace clones the whole repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-s", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    entries = [line for line in listed.split("\0") if line]
    assert not [line for line in entries if line.startswith("120000")]
    assert not [line for line in entries if re.search(r"\.env$|\.pem$|id_rsa", line)]
