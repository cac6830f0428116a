"""`golf doctor --codex` with the real Codex: each thing that is silent in Codex is found here, with its remedy."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from codex_home import ROOT, dress, move_in, needs_codex

from golf.codex import app_server, examine, trust
from golf.play.doctor import Check, Diagnosis


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's config.toml."""
    return move_in(monkeypatch, tmp_path / "user")


@pytest.fixture
def fresh(tmp_path: Path, config: Path) -> Path:
    """A workspace as `golf init` leaves it."""
    return dress(tmp_path / "ws")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The state `golf init --trust` leaves, made once: a workspace, and the user's settings."""
    place = tmp_path_factory.mktemp("trusted")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = move_in(monkeypatch, place / "user")
        root = dress(place / "ws")
        trust.carry_out(trust.plan(root))
    return root, config.read_text()


@pytest.fixture
def root(trusted: tuple[Path, str], tmp_path: Path, config: Path) -> Path:
    """A workspace of its own after `golf init --trust`: Codex's hashes do not depend on the place."""
    root = tmp_path / "ws"
    shutil.copytree(trusted[0], root)
    config.write_text(trusted[1].replace(str(trusted[0]), str(root)))
    return root


def check(diagnosis: Diagnosis, name: str) -> Check:
    return next(one for one in diagnosis.checks if one.name == name)


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def can_unshare() -> bool:
    try:
        command = ["unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces"]
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# --- all is well -------------------------------------------------------------------------------


@needs_codex
def test_a_workspace_after_init_and_trust_is_in_order(root: Path, config: Path) -> None:
    before = config.read_bytes(), sorted(path for path in root.rglob("*") if ".golf" not in path.parts)
    seen = examine.examine(root)
    wrong = [one for one in seen.checks if one.verdict == "missing" and one.name != "sandbox"]
    assert wrong == []
    assert [one.name for one in seen.checks] == [
        "codex",
        "golf",
        "golf-hook",
        "settings",
        "project",
        "hooks",
        "roles",
        "rules",
        "shell",
        "server",
        "sandbox",
        "plugin",
    ]
    assert f"connected, {len(tools(root))} tools, version {version('caddie')}" in check(seen, "server").found
    assert "critic (gpt-6-astra high)" in check(seen, "roles").found
    assert (config.read_bytes(), sorted(p for p in root.rglob("*") if ".golf" not in p.parts)) == before


def tools(root: Path) -> list[str]:
    """The names of our tools, from the server itself."""
    import asyncio

    from mcp_server.server import build

    return [tool.name for tool in asyncio.run(build().list_tools())]


@needs_codex
def test_the_sandbox_is_judged_as_it_is(root: Path) -> None:
    """Codex's own `sandbox` command is the second opinion."""
    works = subprocess.run([app_server.find_codex(), "sandbox", "--", "true"], capture_output=True, cwd=root)
    seen = check(examine.examine(root), "sandbox")
    assert seen.verdict == ("ok" if works.returncode == 0 else "missing"), seen
    if seen.verdict == "ok":
        assert seen.found == "works; sessions start with workspace-write"


@needs_codex
@pytest.mark.skipif(not can_unshare(), reason="user namespaces cannot be made here, so not be forbidden either")
def test_a_machine_that_forbids_user_namespaces_is_told_so(root: Path) -> None:
    inner = "from golf.codex.examine import examine; print(examine().model_dump_json())"
    command = f"echo 0 > /proc/sys/user/max_user_namespaces; exec '{sys.executable}' -c '{inner}'"
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", command], capture_output=True, text=True, cwd=root, check=True)
    seen = Diagnosis.model_validate_json(done.stdout)
    sandbox = check(seen, "sandbox")
    assert (seen.ready, sandbox.verdict) == (False, "missing")
    assert "namespace" in sandbox.found
    assert "sysctl -w user.max_user_namespaces" in sandbox.fix
    assert check(seen, "server").verdict == "ok"  # it runs outside the sandbox


# --- Codex and our programs --------------------------------------------------------------------


def test_without_codex_there_is_one_thing_to_do(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLF_CODEX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    seen = examine.examine(fresh)
    assert not seen.ready
    [only] = seen.checks
    assert (only.name, only.verdict, only.fix) == ("codex", "missing", "npm install -g @openai/codex@0.169.0")


@needs_codex
def test_outside_a_workspace_init_comes_first(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [only] = examine.examine().checks
    assert (only.name, only.verdict, only.fix) == ("workspace", "missing", "golf init")


@needs_codex
def test_a_codex_that_breaks_is_a_finding_and_no_crash(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "codex").write_text("#!/bin/sh\necho gone >&2; exit 3\n")
    (tmp_path / "codex").chmod(0o755)
    [only] = examine.examine(fresh, codex=str(tmp_path / "codex")).checks
    assert (only.name, only.verdict) == ("codex", "missing")
    assert "ended with exit code 3" in only.found


@needs_codex
def test_another_version_of_codex_is_mentioned_and_no_obstacle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_server, "TESTED_VERSION", "0.1.0")
    seen = check(examine.examine(root), "codex")
    assert seen.verdict == "optional"
    assert seen.found.endswith("Caddie was tested with 0.1.0")


@needs_codex
def test_golf_must_be_on_path_and_be_this_one(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("golf", "golf-hook"):
        (other / name).write_text("#!/bin/sh\n")
        (other / name).chmod(0o755)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{other}:/usr/bin:/bin:{Path(shutil.which('node') or '/usr/bin/node').parent}")
    seen = examine.examine(root)
    for name in ("golf", "golf-hook"):
        assert check(seen, name).found == f"{other / name} is another installation than this one, {here / name}"
        assert check(seen, name).fix.startswith(f"export PATH={here}:$PATH")
    assert check(seen, "server").verdict == "missing"  # that golf is no MCP server
    (other / "golf").unlink()
    assert check(examine.examine(root), "server").fix == f"export PATH={here}:$PATH"
    (other / "golf-hook").unlink()
    assert check(examine.examine(root), "golf-hook").found.startswith("not on PATH")


def test_a_guard_that_stops_a_harmless_command_is_found(tmp_path: Path) -> None:
    hook = tmp_path / "golf-hook"
    hook.write_text("#!/bin/sh\necho '{\"hookSpecificOutput\": {}}'\n")
    hook.chmod(0o755)
    assert "did not let `true` pass" in examine._runs(str(hook), tmp_path).found
    hook.write_text("#!/bin/sh\necho broken >&2; exit 2\n")
    assert "exit code 2: broken" in examine._runs(str(hook), tmp_path).found
    hook.write_text("#!/bin/sh\ncat >/dev/null\n")
    assert examine._runs(str(hook), tmp_path).verdict == "ok"


# --- trust and hooks ---------------------------------------------------------------------------


@needs_codex
def test_an_untrusted_project_is_found_and_nothing_of_it_is_run(fresh: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (fresh / ".codex" / "config.toml").write_text(
        f'[mcp_servers.golf]\ncommand = "touch"\nargs = [{json.dumps(str(marker))}]\n'
    )
    seen = examine.examine(fresh)
    assert not seen.ready
    assert check(seen, "project").found == "not trusted: Codex ignores its settings, hooks, roles and rules"
    assert check(seen, "project").fix == "golf init --trust"
    assert not marker.exists()
    assert "hooks" not in [one.name for one in seen.checks]


@needs_codex
def test_hooks_that_are_silently_off_are_found(fresh: Path, config: Path) -> None:
    rewrite(config, lambda text: f'{text}\n[projects."{fresh}"]\ntrust_level = "trusted"\n')
    seen = check(examine.examine(fresh), "hooks")
    assert seen.verdict == "missing"
    assert seen.found.startswith("silently off, because not trusted: preToolUse (untrusted)")
    assert seen.fix == "golf init --trust"
    trust.carry_out(trust.plan(fresh))
    rewrite(config, lambda text: text.replace('trusted_hash = "sha256:', 'trusted_hash = "sha256:0', 1))
    assert "(modified)" in check(examine.examine(fresh), "hooks").found


@needs_codex
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text.replace("golf-hook stop", "golf-hook stop; true"), "differs from the one golf init writes"),
        (lambda text: text.replace('"Stop"', '"Interrupt"'), "Codex sees no hook of ours for Stop"),
        (lambda text: text.replace('"hooks"', '"hook"', 1), "unknown field `hook`"),
    ],
)
def test_changed_hooks_are_found(root: Path, change: Callable[[str], str], found: str) -> None:
    rewrite(root / ".codex" / "hooks.json", change)
    seen = check(examine.examine(root), "hooks")
    assert seen.verdict == "missing"
    assert found in seen.found
    assert "golf init" in seen.fix


@needs_codex
def test_hooks_that_are_switched_off_are_found(root: Path, config: Path) -> None:
    was = config.read_text()
    config.write_text(f"{was}\n[features]\nhooks = false\n")
    assert check(examine.examine(root), "hooks").found == "switched off by features.hooks = false"
    key = f'[hooks.state."{root}/.codex/hooks.json:stop:0:0"]'
    assert key in was
    config.write_text(was.replace(key, f"{key}\nenabled = false"))
    seen = check(examine.examine(root), "hooks")
    assert (seen.verdict, seen.found) == ("missing", f"stop is disabled in {config}")


@needs_codex
def test_errors_inside_our_hooks_are_brought_to_light(root: Path) -> None:
    (root / ".golf" / "hooks.log").write_text("one\nlast words\n")
    seen = check(examine.examine(root), "hook errors")
    assert (seen.verdict, seen.found) == ("optional", f"2 lines in {root}/.golf/hooks.log, the last: last words")


# --- settings, roles, rules --------------------------------------------------------------------


@needs_codex
@pytest.mark.parametrize(
    "broken",
    [
        {
            "settings": ("config.toml", "hurry = 1\n{text}", "Codex ignores unknown keys: hurry"),
            "roles": ("agents/critic.toml", "hurry = 1\n{text}", "critic.toml: unknown field `hurry`"),
            "rules": ("rules/golf.rules", "{text}\nprefix_rule(pattern=\n", "unexpected new line"),
        },
        {
            "roles": ("agents/critic.toml", 'name = "critic"\ndescription = "d"\n', "developer_instructions"),
            "rules": ("rules/golf.rules", 'prefix_rule(pattern=["a"], decision="maybe")\n', "invalid decision: maybe"),
        },
        {
            "roles": ("agents/critic.toml", "name =\n", "critic.toml"),
            "rules": ("rules/more.rules", "oops(\n", "more.rules"),
        },
        {"settings": ("config.toml", "{text}\n[[agents]]\nname = 1\n", "expected struct AgentsToml")},
        {"settings": ("config.toml", "sandbox_mode = \n", "Invalid configuration")},
    ],
)
def test_what_codex_drops_is_found_and_nothing_else_is_blamed(
    root: Path, broken: dict[str, tuple[str, str, str]]
) -> None:
    for name, text, _ in broken.values():
        path = root / ".codex" / name
        path.write_text(text.replace("{text}", path.read_text() if path.exists() else ""))
    seen = examine.examine(root)
    wrong = {one.name: one for one in seen.checks if one.verdict == "missing" and one.name != "sandbox"}
    assert set(wrong) == set(broken)
    for name, (_, _, found) in broken.items():
        assert found in wrong[name].found
        assert wrong[name].fix


@needs_codex
def test_a_role_or_rules_file_that_is_gone_is_found(root: Path) -> None:
    (root / ".codex" / "agents" / "critic.toml").unlink()
    (root / ".codex" / "rules" / "golf.rules").unlink()
    seen = examine.examine(root)
    assert check(seen, "roles").found == "no critic in .codex/agents"
    assert check(seen, "rules").found == "no golf.rules in .codex/rules"


@needs_codex
def test_a_workspace_without_codex_settings_is_sent_to_init(tmp_path: Path, config: Path) -> None:
    (tmp_path / "golf.toml").write_text("")
    seen = check(examine.examine(tmp_path), "project")
    assert (seen.verdict, seen.fix) == ("missing", "golf init")


# --- the server --------------------------------------------------------------------------------


def server_entry(root: Path, text: str) -> None:
    (root / ".codex" / "config.toml").write_text(f"[mcp_servers.golf]\n{text}\n")


@needs_codex
def test_a_server_that_does_not_start_is_not_silent_here(root: Path) -> None:
    server_entry(root, 'command = "no-such-golf"')
    seen = check(examine.examine(root), "server")
    assert seen.verdict == "missing"
    assert "No such file or directory" in seen.found
    assert "silently lack the tools" in seen.found
    server_entry(root, 'command = "no-such-golf"\nrequired = true')
    seen = check(examine.examine(root), "server")
    assert "required MCP servers failed to initialize: golf" in seen.found
    server_entry(root, 'command = "true"\nenabled = false')
    assert check(examine.examine(root), "server").verdict == "missing"


@needs_codex
def test_a_server_that_is_not_required_works_with_a_warning(root: Path) -> None:
    server_entry(root, 'command = "golf"\nargs = ["mcp"]')
    seen = check(examine.examine(root), "server")
    assert seen.verdict == "optional"
    assert "not required" in seen.found


@needs_codex
def test_a_server_that_takes_its_time_is_waited_for(root: Path) -> None:
    server_entry(root, 'command = "sh"\nargs = ["-c", "sleep 1; exec golf mcp"]')
    assert check(examine.examine(root), "server").found.startswith("connected")


@needs_codex
def test_a_server_of_another_version_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "version", lambda name: "9.9.9")
    seen = check(examine.examine(root), "server")
    assert (seen.verdict, seen.fix) == ("missing", "put this golf first on PATH")
    assert seen.found.endswith("; this is 9.9.9")


@needs_codex
def test_a_server_that_looks_at_another_workspace_is_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "golf.toml").write_text("")
    monkeypatch.setenv("GOLF_WORKSPACE", str(tmp_path / "elsewhere"))
    seen = check(examine.examine(root), "server")
    assert seen.verdict == "missing"
    assert f"it looks at {tmp_path}/elsewhere/results.tsv" in seen.found
    assert seen.fix == "unset GOLF_WORKSPACE, or start codex here"


@needs_codex
def test_nothing_but_our_own_server_is_started(root: Path, config: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    touch = f'command = "touch"\nargs = [{json.dumps(str(marker))}]\n'
    rewrite(config, lambda text: f'{text}\n[mcp_servers.other]\n{touch}[mcp_servers."a.b"]\n{touch}required = true\n')
    hooks = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": f"touch {marker}"}]}]}}
    (config.parent / "hooks.json").write_text(json.dumps(hooks))
    assert check(examine.examine(root), "server").verdict == "ok"
    assert not marker.exists()


# --- the plugin --------------------------------------------------------------------------------


def codex(*arguments: str) -> None:
    subprocess.run([app_server.find_codex(), *arguments], check=True, capture_output=True, env=app_server.offline())


@pytest.fixture
def market(tmp_path: Path, config: Path) -> Path:
    """A copy of our marketplace, known to Codex."""
    place = tmp_path / "market"
    for part in (".agents", "plugins"):
        shutil.copytree(ROOT / part, place / part)
    codex("plugin", "marketplace", "add", str(place))
    codex("plugin", "add", "caddie@caddie")
    return place


@needs_codex
def test_the_plugin_is_found_with_its_skills(root: Path, market: Path) -> None:
    seen = check(examine.examine(root), "plugin")
    skills = len(list((ROOT / "plugins" / "caddie" / "skills").glob("*/SKILL.md")))
    assert (seen.verdict, seen.found) == ("ok", f"caddie@caddie {version('caddie')}, {skills} skills")


@needs_codex
def test_a_workspace_may_have_its_server_from_the_plugin(root: Path, market: Path) -> None:
    (root / ".codex" / "config.toml").write_text("")
    seen = check(examine.examine(root), "server")
    assert seen.verdict == "ok"
    assert seen.found.endswith("from plugin caddie@caddie")


@needs_codex
def test_a_plugin_that_is_off_or_old_or_absent_is_found(root: Path, market: Path, config: Path) -> None:
    manifest = market / "plugins" / "caddie" / ".codex-plugin" / "plugin.json"
    rewrite(manifest, lambda text: json.dumps(json.loads(text) | {"version": "0.0.1"}))
    codex("plugin", "add", "caddie@caddie")
    seen = check(examine.examine(root), "plugin")
    assert seen.verdict == "missing"
    assert seen.found == f"caddie@caddie is version 0.0.1, golf is {version('caddie')}"
    assert seen.fix.startswith("codex plugin add caddie@caddie")
    rewrite(config, lambda text: text.replace("enabled = true", "enabled = false"))
    seen = check(examine.examine(root), "plugin")
    assert (seen.verdict, seen.found) == ("optional", "caddie@caddie is disabled")
    codex("plugin", "remove", "caddie@caddie")
    seen = check(examine.examine(root), "plugin")
    assert (seen.verdict, seen.found) == ("optional", "caddie@caddie is not installed: the skills are missing")


# --- the model's shell -------------------------------------------------------------------------


@needs_codex
def test_a_shell_that_loses_golf_is_found(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login shell reads the profile of this HOME, which sets PATH as many a /etc/profile does."""
    (tmp_path / "user" / ".profile").write_text("echo welcome; PATH=/usr/bin:/bin\n")
    seen = check(examine.examine(root), "shell")
    assert seen.verdict == "ok"
    assert seen.found.endswith(f" -c finds {Path(sys.executable).parent / 'golf'}")
    rewrite(root / ".codex" / "config.toml", lambda text: text.replace("allow_login_shell = false", ""))
    seen = check(examine.examine(root), "shell")
    assert (seen.verdict, seen.fix) == ("missing", "allow_login_shell = false in .codex/config.toml")
    assert "-lc" in seen.found


@needs_codex
def test_a_shell_whose_settings_hide_golf_is_found(root: Path) -> None:
    rewrite(
        root / ".codex" / "config.toml",
        lambda text: f'{text}\n[shell_environment_policy]\nset = {{ PATH = "/usr/bin:/bin" }}\n',
    )
    assert check(examine.examine(root), "shell").verdict == "missing"


@needs_codex
@pytest.mark.parametrize("mode", ["danger-full-access", "workspace-write"])
def test_the_doctor_trusts_nothing_whatever_the_user_allows(fresh: Path, config: Path, mode: str) -> None:
    config.write_text(f'sandbox_mode = "{mode}"\n{config.read_text()}')
    before, marker = config.read_bytes(), fresh.parent / "ran"
    touch = f'[mcp_servers.evil]\ncommand = "touch"\nargs = [{json.dumps(str(marker))}]'
    rewrite(fresh / ".codex" / "config.toml", lambda text: f"{text}\n{touch}\n")
    seen = examine.examine(fresh)
    assert check(seen, "project").fix == "golf init --trust"
    assert config.read_bytes() == before
    assert not marker.exists()


@needs_codex
@pytest.mark.parametrize(
    ("line", "verdict", "found"),
    [
        ('[mcp_servers.golf.tools.submit_job]\napproval_mode = "approve"', "missing", "submit_job"),
        ('default_tools_approval_mode = "approve"', "missing", "every tool"),
        ('disabled_tools = ["check_budget"]', "optional", "disabled_tools"),
    ],
)
def test_settings_under_which_money_is_spent_unasked_are_found(root: Path, line: str, verdict: str, found: str) -> None:
    rewrite(root / ".codex" / "config.toml", lambda text: f"{text}\n{line}\n")
    seen = check(examine.examine(root), "approval")
    assert seen.verdict == verdict
    assert found in seen.found


@needs_codex
def test_a_policy_under_which_nobody_is_asked_is_found(root: Path) -> None:
    rewrite(root / ".codex" / "config.toml", lambda text: text.replace('"on-request"', '"never"'))
    assert "'never'" in check(examine.examine(root), "approval").found


@needs_codex
def test_a_role_that_was_changed_is_found(root: Path) -> None:
    rewrite(root / ".codex" / "agents" / "critic.toml", lambda text: f'sandbox_mode = "danger-full-access"\n{text}')
    seen = check(examine.examine(root), "roles")
    assert seen.verdict == "optional"
    assert "agents/critic.toml" in seen.found


@needs_codex
@pytest.mark.parametrize(("name", "content"), [("golf.toml", "a = = 1"), (".golf/golf.db", "garbage" * 100)])
def test_a_workspace_that_no_tool_can_read_is_found(root: Path, name: str, content: str) -> None:
    (root / name).write_text(content)
    seen = check(examine.examine(root), "workspace")
    assert seen.verdict == "missing"
    assert Path(name).name in seen.found


@needs_codex
def test_rules_that_were_emptied_are_found(root: Path) -> None:
    (root / ".codex" / "rules" / "golf.rules").write_text("")
    seen = check(examine.examine(root), "rules")
    assert (seen.verdict, seen.fix) == ("optional", "rm .codex/rules/golf.rules && golf init")
