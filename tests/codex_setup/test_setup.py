"""What a workspace holds for Codex: the real CLI takes it as it is, and it says what it must."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from codex_home import CODEX, ROOT, move_in, needs_codex

from golf.codex import merge, routing, setup
from golf.codex.app_server import AppServer
from golf.errors import BadConfig
from golf.play import init

POINTS = (
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CODEX_HOME that trusts tmp_path/ws and says nothing else."""
    config = move_in(monkeypatch, tmp_path / "user")
    config.write_text(f'{config.read_text()}[projects."{tmp_path / "ws"}"]\ntrust_level = "trusted"\n')
    return config.parent


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    init.init(tmp_path / "ws")
    return tmp_path / "ws"


def strict(ws: Path) -> str:
    """What the real CLI has against the settings it reads in this folder; empty when nothing."""
    assert CODEX
    done = subprocess.run(
        [CODEX, "app-server", "--strict-config", "--print-startup-config"],
        cwd=ws,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def warnings(ws: Path) -> str:
    with AppServer(cwd=ws) as server:
        server.call("config/read", {"cwd": str(ws)})
        return json.dumps([event.params for event in server.events("configWarning")])


# --- the real CLI ------------------------------------------------------------------------------


@needs_codex
def test_s107_codex_takes_the_settings_strictly(home: Path, ws: Path) -> None:
    assert strict(ws) == ""
    config = ws / ".codex" / "config.toml"
    config.write_text("bogus = 1\n" + config.read_text())
    assert "bogus" in strict(ws)  # so it did read them


@needs_codex
def test_codex_takes_settings_that_were_added_to_somebodys_own(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "ws" / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\nmodel = "gpt-6-sol"\n[agents]\nmax_threads = 2\n[mcp_servers.other]\ncommand = "x"')
    init.init(tmp_path / "ws")
    assert strict(tmp_path / "ws") == ""
    assert tomllib.loads(config.read_text())["mcp_servers"].keys() == {"other", "golf"}


@needs_codex
@pytest.mark.parametrize("name", setup.SNIPPETS)
def test_codex_takes_the_settings_with_a_snippet_appended(home: Path, ws: Path, name: str) -> None:
    config = ws / ".codex" / "config.toml"
    config.write_text(config.read_text() + (ws / ".codex" / "snippets" / f"{name}.toml").read_text())
    assert strict(ws) == ""
    assert len(tomllib.loads(config.read_text())["mcp_servers"]) == 2


@needs_codex
def test_s107_codex_takes_the_download_layer(home: Path, ws: Path) -> None:
    """`-p` does not go with app-server, so the layer is read as the user's own settings."""
    layer = (ws / ".codex" / setup.LAYER).read_text()
    config = home / "config.toml"
    config.write_text(config.read_text() + layer)
    assert strict(ws) == ""


@needs_codex
def test_codex_says_nothing_about_the_roles_and_the_rules(home: Path, ws: Path) -> None:
    assert not re.search(r"role|rule|[Ii]nvalid|golf", warnings(ws))
    critic = ws / ".codex" / "agents" / "critic.toml"
    critic.write_text(critic.read_text().replace("model_reasoning_effort", "reasoning"))
    assert "Ignoring malformed agent role" in warnings(ws)  # so it did read them


def network(ws: Path, *layer: str) -> str:
    """What a session here tells the model about the network."""
    assert CODEX
    done = subprocess.run(
        [CODEX, *layer, "debug", "prompt-input", "hello"],
        cwd=ws,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "`sandbox_mode` is `workspace-write`" in done.stdout, done.stderr
    return re.findall(r"Network access is (\w+)", done.stdout)[0]


@needs_codex
def test_s107_the_network_is_off_and_the_layer_turns_it_on(home: Path, ws: Path) -> None:
    """A word about the network in the project's settings outranks the layer, which is why they say none."""
    layer = ("-p", "ml-download")
    assert network(ws) == "restricted"
    (home / setup.LAYER).write_bytes((ws / ".codex" / setup.LAYER).read_bytes())
    assert network(ws) == "restricted"
    assert network(ws, *layer) == "enabled"
    config = ws / ".codex" / "config.toml"
    config.write_text(config.read_text() + "\n[sandbox_workspace_write]\nnetwork_access = false\n")
    assert network(ws, *layer) == "restricted"


@needs_codex
def test_the_command_trusts_after_it_said_so_and_undo_takes_it_back(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from golf.cli import main

    root, config = tmp_path / "other", home / "config.toml"
    before = config.read_text()
    assert main(["init", str(root)]) == 0
    assert main(["init", str(root), "--trust", "--dry-run"]) == 0
    assert config.read_text() == before
    capsys.readouterr()
    assert main(["init", str(root), "--trust", "--json"]) == 0
    said = capsys.readouterr()
    assert f"to be written into {config}" in said.err
    assert json.loads(said.out)["done"] is True
    assert str(root) in config.read_text()
    assert main(["init", str(root), "--undo"]) == 0
    assert config.read_text() == before


# --- what it says ------------------------------------------------------------------------------


def test_the_server_is_started_as_the_plugin_starts_it(ws: Path) -> None:
    ours = tomllib.loads((ws / ".codex" / "config.toml").read_text())["mcp_servers"]["golf"]
    assert ours["required"] is True
    assert ours["startup_timeout_sec"] >= 60
    assert "cwd" not in ours
    plugin = json.loads((ROOT / "plugins" / "caddie" / ".mcp.json").read_text())["mcpServers"]["golf"]
    assert ours == plugin


def test_s107_the_settings_restrict_and_say_nothing_of_the_network(ws: Path) -> None:
    settings = tomllib.loads((ws / ".codex" / "config.toml").read_text())
    assert (settings["sandbox_mode"], settings["approval_policy"]) == ("workspace-write", "on-request")
    assert settings["tool_output_token_limit"] <= 10_000
    assert "sandbox_workspace_write" not in settings


def test_s107_the_download_layer_opens_named_hosts_and_nothing_else(ws: Path) -> None:
    layer = tomllib.loads((ws / ".codex" / setup.LAYER).read_text())
    assert layer["sandbox_workspace_write"] == {"network_access": True}
    proxy = layer["features"]["network_proxy"]
    assert proxy["enabled"] is True
    assert set(proxy["domains"].values()) == {"allow"}
    assert not [host for host in proxy["domains"] if host in ("*", "**")]
    assert "sandbox_mode" not in layer


@pytest.mark.parametrize("name", setup.SNIPPETS)
def test_a_snippet_holds_no_token_and_gives_its_server_time(ws: Path, name: str) -> None:
    text = (ws / ".codex" / "snippets" / f"{name}.toml").read_text()
    (server,) = tomllib.loads(text)["mcp_servers"].values()
    assert server["startup_timeout_sec"] >= 60
    assert not re.search(r"hf_\w|Bearer|TOKEN *= *[\"']", text)
    assert not [key for key in server.get("env", {}) if "TOKEN" in key]
    if name == "mlflow":
        assert server["required"] is True
        assert server["startup_timeout_sec"] >= 120


@pytest.mark.parametrize("role", setup.ROLES)
def test_a_role_has_what_codex_wants_and_the_model_of_the_table(ws: Path, role: str) -> None:
    table = tomllib.loads((ws / ".codex" / "agents" / f"{role}.toml").read_text())
    chosen = routing.route(role)
    allowed = {"name", "description", "developer_instructions", "model", "model_reasoning_effort", "features"}
    assert set(table) <= allowed  # an unknown key drops the role
    assert (table["name"], table["model"], table["model_reasoning_effort"]) == (role, chosen.model, chosen.effort)
    assert len(table["developer_instructions"].split()) < 500


def test_only_the_critic_has_no_shell(ws: Path) -> None:
    tables = {role: tomllib.loads((ws / ".codex" / "agents" / f"{role}.toml").read_text()) for role in setup.ROLES}
    assert [role for role, table in tables.items() if "features" in table] == ["critic"]
    assert tables["critic"]["features"] == {"shell_tool": False}


def test_the_critic_is_told_to_settle_every_point_and_to_record_its_verdict(ws: Path) -> None:
    told = tomllib.loads((ws / ".codex" / "agents" / "critic.toml").read_text())["developer_instructions"]
    assert re.findall(r"^   - (\w+):", told, re.MULTILINE) == list(POINTS)
    conflicts = next(line for line in told.splitlines() if "conflicts:" in line)
    assert all(word in conflicts for word in ("EMA", "test-time training", "weight-tied recurrence"))
    assert told.index("review_submission") < told.index("record_note")
    for word in ("diff_sha256", "accept", "revise", "reject", "schemas/review.json", "never edit"):
        assert word in told


def test_the_critic_s_points_are_those_of_the_schema() -> None:
    from golf import answers

    assert answers.POINTS == POINTS


def test_the_triager_s_codes_are_those_of_the_schema(ws: Path) -> None:
    from golf.rulings import CODES

    told = tomllib.loads((ws / ".codex" / "agents" / "triager.toml").read_text())["developer_instructions"]
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", told))
    assert named and named <= set(CODES)
    assert all(verdict in told for verdict in ("block", "review", "clear"))


def test_golf_toml_chooses_a_role_s_model_and_a_second_init_renews_the_role(ws: Path) -> None:
    with open(ws / "golf.toml", "a") as file:
        file.write('\n[route.critic]\nmodel = "gpt-5.5"\neffort = "xhigh"\n')
    done = init.init(ws)
    assert done.changed == [".codex/agents/critic.toml"]
    assert '+model = "gpt-5.5"' in done.diff
    (ws / "golf.toml").write_text('[route.critic]\nmodel = "a\\"b"\n')
    with pytest.raises(BadConfig, match=r"route\.critic"):
        init.init(ws)


# --- AGENTS.md ---------------------------------------------------------------------------------


def test_agents_md_has_the_four_headings_and_says_when_to_spawn_the_critic(ws: Path) -> None:
    text = (ws / "AGENTS.md").read_text()
    headings = re.findall(r"^### (.+)", text, re.MULTILINE)
    assert headings[:4] == ["Environment", "Experiment Tracking", "Evaluation", "Constraints"]
    assert len(text.splitlines()) <= 60
    for word in ("16,000,000", "600 s", "1.2244", "baselines/naive.json", "`critic`", "nvidia-smi", "check_budget"):
        assert word in text


@pytest.mark.parametrize("kind", ["golf", "ml"])
def test_agents_md_names_only_tools_verbs_and_files_that_exist(tmp_path: Path, kind: str) -> None:
    from golf.cli import build_parser
    from mcp_server import tools

    init.init(tmp_path / "ws", agents=kind)
    text = (tmp_path / "ws" / "AGENTS.md").read_text()
    known = {function.__name__ for function, _ in tools.TOOLS}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)[ `]", text))
    assert named - known <= {"val_bpb", "fork_turns", "agent_type", "worker_init_fn"}
    verbs = build_parser()._subparsers._group_actions[0].choices
    assert set(re.findall(r"`golf ([a-z][a-z-]*)", text)) <= set(verbs)
    assert not re.findall(r"\{\w+\}", text)  # nothing left to fill in


def test_agents_md_has_the_limits_of_golf_toml(ws: Path) -> None:
    (ws / "golf.toml").write_text("[challenge]\nartifact_bytes_max = 1234567\n")
    assert init.init(ws).changed == ["AGENTS.md"]
    assert "1,234,567" in (ws / "AGENTS.md").read_text()


def test_the_engineering_text_names_the_conventions_and_the_folders_that_are_there(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    for place in ("src/models", "tests", "unusual"):
        (root / place).mkdir(parents=True)
    init.init(root, agents="ml")
    text = (root / "AGENTS.md").read_text()
    assert re.findall(r"^### (.+)", text, re.MULTILINE)[:3] == ["Repository Structure", "Conventions", "Build and Test"]
    for word in (
        "torch.manual_seed", "torch.cuda.manual_seed_all", "torch.amp.autocast", "mlflow.log_params", "Hydra",
        "outputs/checkpoints/", 'pip install -e ".[dev]"', "ruff check src/ tests/", "pyright src/",
        "pytest tests/ -x --timeout=60", "--config-name=smoke_test",
    ):  # fmt: skip
        assert word in text
    assert "- `src/models/`" in text
    assert "- `configs/`" not in text
    assert len(text.splitlines()) <= 60


def test_the_choice_of_text_is_remembered_and_can_be_changed(ws: Path) -> None:
    assert init.init(ws, agents="ml").changed == ["AGENTS.md"]
    assert init.init(ws).changed == []
    assert init.init(ws, agents="golf").changed == ["AGENTS.md"]
    with pytest.raises(BadConfig, match="golf, ml, none"):
        init.init(ws, agents="poetry")


def test_no_text_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    assert "AGENTS.md" not in init.init(tmp_path / "ws", agents="none").wrote
    assert not (tmp_path / "ws" / "AGENTS.md").exists()


def test_no_template_holds_a_mark_of_ours() -> None:
    for path in setup.TEMPLATES.glob("AGENTS*.md"):
        assert not merge.MARKS.search(path.read_text())
