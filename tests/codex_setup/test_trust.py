"""`golf init --trust` with the real Codex: what it says it writes is what it writes, and nothing else."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codex_home import dress, move_in, needs_codex
from scene import git

from golf import bundle
from golf.codex import app_server, trust
from golf.codex.app_server import AppServer, CodexFailed
from golf.errors import BadConfig, NotFound, RuleBroken, UnreadableInput

pytestmark = needs_codex

OTHER = {"type": "command", "command": "echo other"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's config.toml."""
    return move_in(monkeypatch, tmp_path / "user")


@pytest.fixture
def root(tmp_path: Path, config: Path) -> Path:
    """A workspace as `golf init` leaves it, that nobody trusts yet."""
    return dress(tmp_path / "ws")


def listed(root: Path) -> dict[str, str]:
    """Trust of every hook of the project that Codex sees, by command."""
    with AppServer(cwd=root, env=app_server.offline()) as server:
        hooks = server.call("hooks/list", {"cwds": [str(root)]})["data"][0]["hooks"]
    return {hook["command"]: hook["trustStatus"] for hook in hooks if hook["source"] == "project"}


def key(setting: trust.Setting) -> str:
    """The hook's key in the name of its table."""
    return json.loads(setting.table.removeprefix("hooks.state."))


def rewrite(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the workspace's hooks."""
    path = root / ".codex" / "hooks.json"
    document = json.loads(path.read_text())
    change(document["hooks"])
    path.write_text(json.dumps(document))


# --- saying and doing --------------------------------------------------------------------------


def test_the_plan_names_every_line_and_changes_nothing(root: Path, config: Path) -> None:
    before = config.read_bytes()
    plan = trust.plan(root)
    assert config.read_bytes() == before
    assert not (root / ".golf" / "trust.json").exists()
    assert plan.config == str(config)
    assert plan.project_action == "trust"
    assert not plan.done
    assert len(plan.hooks) == sum(len(group["hooks"]) for groups in trust.shipped().values() for group in groups)
    assert {hook.status for hook in plan.hooks} == {"untrusted"}
    project, *states = plan.settings
    assert (project.table, project.key, project.value) == (f'projects."{root}"', "trust_level", "trusted")
    assert states == [hook.setting for hook in plan.hooks]
    assert states[0].table == f'hooks.state."{root}/.codex/hooks.json:pre_tool_use:0:0"'
    assert states[0].value.startswith("sha256:")


def test_what_was_said_is_what_is_written_and_codex_runs_the_hooks(root: Path, config: Path) -> None:
    was = tomllib.loads(config.read_text())
    plan = trust.plan(root)
    assert trust.carry_out(plan).done
    now = tomllib.loads(config.read_text())
    assert now.pop("projects") == {str(root): {"trust_level": "trusted"}}
    assert now.pop("hooks") == {"state": {key(one): {"trusted_hash": one.value} for one in plan.settings[1:]}}
    assert now == was
    assert "# mine" in config.read_text()
    assert set(listed(root).values()) == {"trusted"}


def test_trusting_again_changes_no_byte(root: Path, config: Path) -> None:
    trust.carry_out(trust.plan(root))
    before = config.read_bytes(), (root / ".golf" / "trust.json").read_bytes()
    plan = trust.plan(root)
    assert (plan.settings, plan.project_action) == ([], "none")
    assert {hook.reason for hook in plan.hooks} == {"trusted already"}
    assert trust.carry_out(plan).done
    assert (config.read_bytes(), (root / ".golf" / "trust.json").read_bytes()) == before


def test_a_folder_with_any_name_can_be_trusted(tmp_path: Path, config: Path) -> None:
    root = dress(tmp_path / "a.b \"c\" 'd' é [e] \\n")
    trust.carry_out(trust.plan(root))
    assert set(listed(root).values()) == {"trusted"}
    assert list(tomllib.loads(config.read_text())["projects"]) == [str(root)]
    trust.withdraw(root)
    assert set(listed(root).values()) == set()


def test_a_workspace_in_a_larger_repository_is_trusted_alone(tmp_path: Path, config: Path) -> None:
    (tmp_path / "repo").mkdir()
    git(tmp_path / "repo", "init", "--quiet")
    root = dress(tmp_path / "repo" / "golf")
    trust.carry_out(trust.plan(root))
    assert list(tomllib.loads(config.read_text())["projects"]) == [str(root)]
    assert set(listed(root).values()) == {"trusted"}


# --- only ours, only as written ----------------------------------------------------------------


def test_hooks_of_others_are_left_for_a_person(root: Path) -> None:
    rewrite(root, lambda hooks: hooks.setdefault("Stop", []).append({"hooks": [OTHER]}))
    plan = trust.plan(root)
    assert plan.others == 1
    trust.carry_out(plan)
    seen = listed(root)
    assert seen.pop("echo other") == "untrusted"
    assert set(seen.values()) == {"trusted"}


def worse(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(hooks: dict[str, Any]) -> None:
        hooks["PreToolUse"][0]["hooks"][0][key] = value

    return change


def test_a_hook_that_differs_in_anything_is_never_trusted(root: Path, config: Path) -> None:
    group = trust.shipped()["PreToolUse"][0]
    handler = group["hooks"][0]
    imitations = [
        handler | {"command": "golf-hook pre-tool-use; echo more"},
        handler | {"command": "golf-hook stop"},
        handler | {"command": "golf-hook\tpre-tool-use"},
        handler | {"timeout": 1},
        handler | {"statusMessage": "nothing to see"},
        handler | {"async": True},
        handler | {"commandWindows": "calc.exe"},
    ]

    def imitate(hooks: dict[str, Any]) -> None:
        hooks["PreToolUse"] += [group | {"hooks": [one]} for one in imitations]
        hooks["PreToolUse"].append(group | {"matcher": "never"})
        hooks["PostToolUse"] = [group]

    rewrite(root, imitate)
    before = config.read_bytes()
    plan = trust.plan(root)
    assert [hook.action for hook in plan.hooks].count("refuse") == len(imitations) + 2
    with pytest.raises(RuleBroken, match=r"not trusted: .* it differs from the one golf init writes"):
        trust.carry_out(plan)
    assert config.read_bytes() == before


def test_hooks_that_changed_after_the_plan_was_shown_are_not_trusted(root: Path, config: Path) -> None:
    before = config.read_bytes()
    plan = trust.plan(root)
    rewrite(root, worse("command", "golf-hook pre-tool-use; echo more"))
    with pytest.raises(UnreadableInput, match="changed since the plan was shown"):
        trust.carry_out(plan)
    assert config.read_bytes() == before


def test_a_new_version_of_our_hooks_is_trusted_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust.carry_out(trust.plan(root))
    rewrite(root, worse("timeout", 7))
    assert trust.plan(root).hooks[0].action == "refuse"
    (tmp_path / "next" / "codex").mkdir(parents=True)
    (tmp_path / "next" / "codex" / "hooks.json").write_text((root / ".codex" / "hooks.json").read_text())
    monkeypatch.setattr(bundle, "TEMPLATES", tmp_path / "next")
    plan = trust.plan(root)
    assert [(hook.status, hook.action) for hook in plan.hooks if hook.action != "none"] == [("modified", "trust")]
    trust.carry_out(plan)
    assert set(listed(root).values()) == {"trusted"}


def test_a_hook_a_person_switched_off_stays_off(root: Path, config: Path) -> None:
    trust.carry_out(trust.plan(root))
    table = f"[{trust.plan(root).hooks[0].setting.table}]"
    config.write_text(config.read_text().replace(table, f"{table}\nenabled = false"))
    before = config.read_bytes()
    plan = trust.plan(root)
    assert (plan.hooks[0].action, plan.hooks[0].reason) == ("none", "disabled in Codex's settings, which is left so")
    trust.carry_out(plan)
    assert config.read_bytes() == before


# --- when it cannot be done --------------------------------------------------------------------


def test_a_folder_without_codex_settings_is_sent_to_init(tmp_path: Path, config: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing to trust here\. Write it: golf init"):
        trust.plan(tmp_path)


def test_hooks_codex_cannot_read_are_reported_in_its_words(root: Path) -> None:
    (root / ".codex" / "hooks.json").write_text('{"hooks": {}, "golf": 1}')
    with pytest.raises(CodexFailed, match="unknown field `golf`"):
        trust.plan(root)
    (root / ".codex" / "hooks.json").write_text('{"hooks": {}}')
    with pytest.raises(NotFound, match="Write it again: golf init"):
        trust.plan(root)


# --- taking it back ----------------------------------------------------------------------------


def test_withdrawing_leaves_codex_as_it_was(root: Path, config: Path) -> None:
    was = tomllib.loads(config.read_text())
    plan = trust.carry_out(trust.plan(root))
    before = config.read_bytes()
    said = trust.withdraw(root, dry_run=True)
    assert config.read_bytes() == before
    assert said == [f"{config}: [{one.table}] {one.key}" for one in plan.settings]
    assert trust.withdraw(root) == said
    now = tomllib.loads(config.read_text())
    assert {key: value for key, value in now.items() if value not in ({}, {"state": {}})} == was
    assert trust.withdraw(root) == []


def test_withdrawing_keeps_what_was_not_set_by_us(root: Path, config: Path) -> None:
    config.write_text(
        f'[projects."{root}"]\ntrust_level = "trusted"\n[hooks.state."/a/hooks.json:stop:0:0"]\ntrusted_hash = "x"\n'
    )
    was = tomllib.loads(config.read_text())
    plan = trust.plan(root)
    assert plan.project_action == "none"
    trust.carry_out(plan)
    trust.withdraw(root)
    assert tomllib.loads(config.read_text()) == was


def test_withdrawing_gives_back_an_older_distrust(root: Path, config: Path) -> None:
    config.write_text(f'[projects."{root}"]\ntrust_level = "untrusted"\n')
    trust.carry_out(trust.plan(root))
    assert set(listed(root).values()) == {"trusted"}
    trust.withdraw(root)
    assert tomllib.loads(config.read_text())["projects"] == {str(root): {"trust_level": "untrusted"}}


def test_withdrawing_leaves_a_trust_a_person_renewed(root: Path, config: Path) -> None:
    plan = trust.carry_out(trust.plan(root))
    config.write_text(config.read_text().replace(plan.settings[1].value, "sha256:theirs"))
    trust.withdraw(root)
    state = tomllib.loads(config.read_text())["hooks"]["state"]
    assert state == {key(plan.settings[1]): {"trusted_hash": "sha256:theirs"}}


def test_a_kill_before_codex_was_told_leaves_nothing_to_mend(
    root: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = config.read_bytes()
    real = AppServer.call

    def killed(self: AppServer, method: str, *arguments: Any) -> Any:
        if method == "config/batchWrite":
            raise KeyboardInterrupt
        return real(self, method, *arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(AppServer, "call", killed)
        trust.carry_out(trust.plan(root))
    assert config.read_bytes() == was
    assert (root / ".golf" / "trust.json").exists()
    assert trust.withdraw(root) == []


def test_without_codex_the_lines_to_remove_by_hand_are_said(
    root: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = trust.carry_out(trust.plan(root))
    monkeypatch.setenv("GOLF_CODEX", "/nowhere/codex")
    with pytest.raises(CodexFailed) as failed:
        trust.withdraw(root)
    assert f"remove from {config}: " in str(failed.value)
    assert all(f"[{one.table}]" in str(failed.value) for one in plan.settings)
    assert (root / ".golf" / "trust.json").exists()  # so that it can be tried again


# --- what was found by people who tried ----------------------------------------------------------


def test_following_the_advice_about_a_changed_hook_gets_it_trusted(root: Path, config: Path) -> None:
    rewrite(root, worse("command", "golf-hook pre-tool-use; echo more"))
    with pytest.raises(RuleBroken, match=r"golf-hook entries.*or the file.*then golf init"):
        trust.carry_out(trust.plan(root))
    (root / ".codex" / "hooks.json").unlink()
    dress(root)
    trust.carry_out(trust.plan(root))
    assert set(listed(root).values()) == {"trusted"}


def test_hooks_that_are_switched_off_altogether_are_said_so(root: Path, config: Path) -> None:
    config.write_text(f"{config.read_text()}\n[features]\nhooks = false\n")
    with pytest.raises(BadConfig, match="`hooks = false` under"):
        trust.plan(root)


def test_what_the_folder_s_own_settings_turn_on_is_said_before(root: Path) -> None:
    assert trust.plan(root).turns_on == []
    path = root / ".codex" / "config.toml"
    path.write_text(
        path.read_text().replace('"on-request"', '"never"')
        + '[mcp_servers.golf.tools.submit_job]\napproval_mode = "approve"\n'
        + '[mcp_servers.other]\ncommand = "touch"\nargs = ["it"]\n'
    )
    said = [
        "MCP server golf: without a question: submit_job",
        "MCP server other: touch it",
        'approval_policy = "never"',
    ]
    assert sorted(trust.plan(root).turns_on) == sorted(said)
    path.write_text('[mcp_servers.golf]\ncommand = "touch"\nargs = ["mcp"]\n')
    assert trust.plan(root).turns_on == ["MCP server golf: touch mcp"]


def test_a_name_that_cannot_be_shown_is_not_trusted(tmp_path: Path, config: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be shown"):
        trust.plan(dress(tmp_path / "a\x1b[31mb"))


def test_the_command_says_when_there_is_nothing_left_to_trust(
    root: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from golf.cli import main

    trust.carry_out(trust.plan(root))
    before = config.read_bytes()
    for dry_run in ([], ["--dry-run"]):
        assert main(["init", str(root), "--trust", *dry_run]) == 0
        said = capsys.readouterr()
        assert f"trusted already: nothing to write in {config}" in said.out
        assert "to be written" not in said.err
    assert config.read_bytes() == before


def test_an_undo_without_codex_takes_the_files_and_can_be_finished_later(
    root: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from golf.cli import main

    trust.carry_out(trust.plan(root))
    with monkeypatch.context() as patched:
        patched.setenv("GOLF_CODEX", "/nowhere/codex")
        assert main(["init", str(root), "--undo"]) == 2
    assert "To do it by hand, remove from" in capsys.readouterr().err
    assert not (root / ".codex").exists()
    assert main(["init", str(root), "--undo"]) == 0
    assert "hooks.state" not in config.read_text()
