"""`golf init --trust`: what Codex must be told before it runs a workspace's settings and hooks.

Codex ignores `.codex/` of a project it does not trust, and skips each hook whose declaration it was not told to
trust; both silently. This tells it, for this workspace and for the hooks `golf init` wrote, and for nothing else:
a hook that differs in anything from what we ship is left for a person to look at (`/hooks` in Codex).

`plan` says which lines of which file would change; `carry_out` changes exactly those, through Codex itself; what was
set is remembered in `.golf/trust.json`, so that `withdraw` removes it again.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from golf import bundle, durable
from golf.codex import app_server
from golf.codex.app_server import AppServer, CodexFailed
from golf.errors import BadConfig, NotFound, RuleBroken, UnreadableInput
from golf.schema import Noun
from golf.workspace import Workspace

PROGRAM = "golf-hook"
"""First word of the command of every hook that is ours."""

Declared = dict[str, list[dict[str, Any]]]
"""Event name (`PreToolUse`) to its groups, as in the `hooks` table of a hooks.json."""


class Setting(Noun):
    """One line of Codex's settings."""

    table: str
    key: str
    value: str


class Set(Setting):
    """One that was written."""

    key: Literal["trust_level", "trusted_hash"]  # pyright: ignore[reportIncompatibleVariableOverride] # narrower, and frozen
    before: str | None
    """What was there."""


MEMORY: TypeAdapter[dict[str, list[Set]]] = TypeAdapter(dict[str, list[Set]])


class HookTrust(Noun):
    """One hook of the workspace that calls golf-hook, as Codex sees it."""

    event: str
    command: str
    status: Literal["untrusted", "trusted", "modified", "managed"]
    """`modified`: trusted once, and changed since."""
    action: Literal["trust", "none", "refuse"]
    reason: str
    setting: Setting
    """What makes Codex run it: the hash of its declaration, under its key."""


class Trust(Noun):
    """What trusting a workspace changes in Codex's settings."""

    config: str
    """The file that changes: the user's `config.toml`."""
    project: str
    project_action: Literal["trust", "none"]
    hooks: list[HookTrust]
    settings: list[Setting]
    """What is written into `config`; empty when all is trusted already."""
    others: int = 0
    """Hooks of this project that are not ours, and are left as they are."""
    turns_on: list[str] = []
    """What else Codex does here once it trusts the project, because the folder's own settings say so."""
    done: bool | None = None
    """None of a plan."""


def plan(root: Path, *, codex: str | None = None) -> Trust:
    """What `carry_out` would write; changes nothing and runs no hook.

    Raises:
        NotFound: there is no `.codex/hooks.json` here.
        MissingPackage, CodexFailed: Codex is not there, or could not be asked.
    """
    root = root.resolve()
    if not str(root).isprintable():
        raise BadConfig(f"{str(root)!r} has a character that cannot be shown: rename the folder before trusting it")
    if not (root / ".codex" / "hooks.json").is_file():
        raise NotFound(f"{root / '.codex' / 'hooks.json'} is missing: nothing to trust here. Write it: golf init")
    with _asked(root, codex) as server:
        config = str(server.home / "config.toml")
        is_trusted = project_is_trusted(server, root)
        listed, own = (_listed(server, root), _own(server, root)) if is_trusted else ([], {})
    if not is_trusted:  # its hooks are only listed once it is, so it is for the length of this look
        with _asked(root, codex, "-c", f'projects={{{_quoted(str(root))}={{trust_level="trusted"}}}}') as server:
            listed, own = _listed(server, root), _own(server, root)
    ours = [_judged(hook) for hook in listed if is_ours(hook)]
    if not ours:
        raise NotFound(f"Codex finds no {PROGRAM} in {root / '.codex' / 'hooks.json'}. Write it again: golf init")
    return Trust(
        config=config,
        project=str(root),
        project_action="none" if is_trusted else "trust",
        hooks=ours,
        settings=[
            *(
                []
                if is_trusted
                else [Setting(table=f"projects.{_quoted(str(root))}", key="trust_level", value="trusted")]
            ),
            *[hook.setting for hook in ours if hook.action == "trust"],
        ],
        others=len(listed) - len(ours),
        turns_on=list(_turned_on(own)),
    )


def carry_out(shown: Trust, *, codex: str | None = None) -> Trust:
    """Write what the plan says, and look whether Codex now trusts it. A plan without `settings` changes nothing.

    Raises:
        RuleBroken: a hook is not the one `golf init` writes, so nothing was trusted.
        UnreadableInput: the workspace or Codex's settings changed since the plan was shown.
        CodexFailed: Codex could not be asked, or does not trust the hooks afterwards.
    """
    root = Path(shown.project)
    refused = [hook for hook in shown.hooks if hook.action == "refuse"]
    if refused:
        raise RuleBroken(
            f"not trusted: {refused[0].event} hook {refused[0].command!r}: {refused[0].reason}. Remove "
            f"the golf-hook entries from {root / '.codex' / 'hooks.json'} (or the file), then golf init; or look at it "
            "yourself and trust it with /hooks in Codex"
        )
    if plan(root, codex=codex) != shown:
        raise UnreadableInput("hooks or settings changed since the plan was shown; nothing was written. Look again")
    if not shown.settings:
        return shown.model_copy(update={"done": True})
    with _asked(root, codex) as server:
        before, version = _user_settings(server, root)
        _remember(root, shown, before)
        edits = [
            {"keyPath": f"{one.table}.{one.key}", "value": one.value, "mergeStrategy": "upsert"}
            for one in shown.settings
        ]
        server.call("config/batchWrite", {"edits": edits, "expectedVersion": version})
    after = plan(root, codex=codex)
    if after.settings:
        lacking = ", ".join(f"[{one.table}]" for one in after.settings)
        raise CodexFailed(f"Codex took the settings and does not trust it yet: it lacks {lacking} in {after.config}")
    return shown.model_copy(update={"done": True})


def withdraw(root: Path, *, codex: str | None = None, dry_run: bool = False) -> list[str]:
    """Take back what `carry_out` set and nobody changed since; the lines that went, or would go.

    A project that was trusted before stays trusted.

    Raises:
        BadConfig: what was set is not remembered in a form that can be read.
        MissingPackage, CodexFailed: Codex could not be asked; the message names the file and the lines to remove.
    """
    root = root.resolve()
    gone: list[str] = []
    for config, ours in _remembered(root).items():
        if not Path(config).is_file():
            continue
        try:
            gone += _withdrawn(root, Path(config), ours, codex, dry_run)
        except UnreadableInput as error:
            tables = ", ".join(f"[{one.table}]" for one in ours)
            raise CodexFailed(f"{error}. To do it by hand, remove from {config}: {tables}") from error
    if not dry_run:
        _memory(root).unlink(missing_ok=True)
    return gone


def was_told(root: Path) -> bool:
    """Whether `carry_out` was here, as far as the folder remembers; Codex is not asked."""
    return _memory(root).is_file()


# --- as Codex sees it --------------------------------------------------------------------------


def project_is_trusted(server: AppServer, root: Path) -> bool:
    """Whether Codex reads `.codex/` here: this folder, or one around it up to the repository, is trusted.

    Raises:
        CodexFailed: Codex could not be asked, or sees no settings here.
    """
    layers = server.call("config/read", {"cwd": str(root), "includeLayers": True})["layers"]
    ours = [layer for layer in layers if layer["name"].get("dotCodexFolder") == str(root / ".codex")]
    if not ours:
        raise CodexFailed(f"Codex {server.version} sees no settings in {root / '.codex'}")
    return ours[0].get("disabledReason") is None


def is_ours(hook: dict[str, Any]) -> bool:
    """Whether an entry of `hooks/list` is a project's hook that runs our program."""
    return hook["source"] == "project" and str(hook.get("command", "")).split()[:1] == [PROGRAM]


def shipped() -> Declared:
    """The hooks `golf init` writes."""
    return json.loads((bundle.TEMPLATES / "codex" / "hooks.json").read_text())["hooks"]


def difference(hook: dict[str, Any]) -> str:
    """In what a listed hook of ours is not the one we ship; empty when it is.

    Read from the file it was declared in, because `hooks/list` does not show every field.
    """
    event, group, index = hook["key"].rsplit(":", 3)[1:]
    name = "".join(word.capitalize() for word in event.split("_"))
    try:
        declared = json.loads(Path(hook["sourcePath"]).read_text())["hooks"][name][int(group)]
        handler = declared["hooks"][int(index)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"its declaration in {hook['sourcePath']} could not be read ({error!r})"
    if handler.get("command") != hook["command"]:
        return f"{hook['sourcePath']} changed while it was read"
    ours = [(group.get("matcher"), one) for group in shipped().get(name, []) for one in group["hooks"]]
    if (declared.get("matcher"), handler) in ours:
        return ""
    return "it differs from the one golf init writes"


def _judged(hook: dict[str, Any]) -> HookTrust:
    action: Literal["trust", "none", "refuse"]
    action, reason = "trust", "Codex does not run it yet"
    if wrong := difference(hook):
        action, reason = "refuse", wrong
    elif not hook["enabled"]:
        action, reason = "none", "disabled in Codex's settings, which is left so"
    elif hook["trustStatus"] in ("trusted", "managed"):
        action, reason = "none", "trusted already"
    elif hook["trustStatus"] == "modified":
        reason = "changed since it was trusted; now it is the one golf init writes"
    return HookTrust(
        event=hook["eventName"],
        command=hook["command"],
        status=hook["trustStatus"],
        action=action,
        reason=reason,
        setting=Setting(table=f"hooks.state.{_quoted(hook['key'])}", key="trusted_hash", value=hook["currentHash"]),
    )


def _listed(server: AppServer, root: Path) -> list[dict[str, Any]]:
    """The project's hooks.

    Raises:
        BadConfig: hooks are switched off altogether.
        CodexFailed: Codex could not read them; the message is its own.
    """
    config = server.call("config/read", {"cwd": str(root)})["config"]
    if (config.get("features") or {}).get("hooks") is False:
        raise BadConfig(
            "all hooks are switched off by `hooks = false` under [features], in "
            f"{server.home / 'config.toml'} or {root / '.codex' / 'config.toml'}: remove that line first"
        )
    entry = server.call("hooks/list", {"cwds": [str(root)]})["data"][0]
    hooks = [hook for hook in entry["hooks"] if hook["source"] == "project"]
    troubles = [*entry["warnings"], *[error["message"] for error in entry["errors"]]]
    if troubles and not hooks:
        raise CodexFailed(f"Codex reads no hooks here: {' '.join(' '.join(troubles).split())}")
    return hooks


def unasked(server: dict[str, Any]) -> list[str]:
    """The tools of a `[mcp_servers.…]` table that run without a question, whatever they do."""
    if server.get("default_tools_approval_mode") == "approve":
        return ["every tool"]
    tools = (server.get("tools") or {}).items()
    return sorted(name for name, one in tools if (one or {}).get("approval_mode") == "approve")


def _own(server: AppServer, root: Path) -> dict[str, Any]:
    """The project's own settings."""
    layers = server.call("config/read", {"cwd": str(root), "includeLayers": True})["layers"]
    return next((one["config"] for one in layers if one["name"].get("dotCodexFolder") == str(root / ".codex")), {})


def _turned_on(settings: dict[str, Any]) -> Iterator[str]:
    """What a project's settings do beside ours, as far as it runs programs or takes a question away."""
    for name, server in (settings.get("mcp_servers") or {}).items():
        started = " ".join([str(server.get("command") or server.get("url")), *map(str, server.get("args") or [])])
        if (name, started) != ("golf", "golf mcp"):
            yield f"MCP server {name}: {started}"
        if free := unasked(server):
            yield f"MCP server {name}: without a question: {', '.join(free)}"
    if settings.get("approval_policy") not in (None, "on-request", "untrusted"):
        yield f"approval_policy = {json.dumps(settings['approval_policy'])}"
    if settings.get("sandbox_mode") == "danger-full-access":
        yield 'sandbox_mode = "danger-full-access": commands run without a sandbox'


def _user_settings(server: AppServer, root: Path) -> tuple[dict[str, Any], str]:
    """The user's config.toml as Codex reads it, and its version for a write that must not overrun another."""
    layers = server.call("config/read", {"cwd": str(root), "includeLayers": True})["layers"]
    layer = next(one for one in layers if one["name"]["type"] == "user")
    return layer["config"], layer["version"]


def _asked(root: Path, codex: str | None, *arguments: str, home: Path | None = None) -> AppServer:
    env = app_server.offline()
    if home is not None:
        env["CODEX_HOME"] = str(home)
    return AppServer(*arguments, codex=codex, cwd=root, env=env)


# --- remembering -------------------------------------------------------------------------------


def _remember(root: Path, planned: Trust, settings: dict[str, Any]) -> None:
    """What will be set, and what was there; written before, so that a killed command can still be taken back."""
    memory = _remembered(root)
    ours = {(one.table, one.key): one for one in memory.get(planned.config, [])}
    for one in planned.settings:
        place = (one.table, one.key)
        before = ours[place].before if place in ours else _table(settings, one.table).get(one.key)
        ours[place] = Set(**one.model_dump(), before=before)
    _ = Workspace(root).state  # makes `.golf/`, and git ignore it
    durable.replace(_memory(root), MEMORY.dump_json(memory | {planned.config: list(ours.values())}, indent=2) + b"\n")


def _withdrawn(root: Path, config: Path, ours: list[Set], codex: str | None, dry_run: bool) -> list[str]:
    """Give back what is still as we set it; the lines that change."""
    with _asked(root, codex, home=config.parent) as server:
        settings, version = _user_settings(server, root)
        edits: list[dict[str, Any]] = []
        lines: list[str] = []
        for one in ours:
            table = _table(settings, one.table)
            if table.get(one.key) != one.value:
                continue
            is_all = one.before is None and set(table) == {one.key}
            path = one.table if is_all else f"{one.table}.{one.key}"
            edits.append({"keyPath": path, "value": one.before, "mergeStrategy": "replace"})
            lines.append(f"{config}: [{one.table}] {one.key}")
        if edits and not dry_run:
            server.call("config/batchWrite", {"edits": edits, "expectedVersion": version})
    return lines


def _remembered(root: Path) -> dict[str, list[Set]]:
    """By config.toml, because one workspace may be trusted from several CODEX_HOMEs.

    Raises:
        BadConfig: it is not as we write it.
    """
    path = _memory(root)
    try:
        memory = MEMORY.validate_json(path.read_bytes())
        for one in (one for ours in memory.values() for one in ours):
            if _names(one.table)[0] not in ("projects", "hooks"):
                raise ValueError(one.table)
        return memory
    except FileNotFoundError:
        return {}
    except (ValidationError, ValueError, OSError) as error:
        raise BadConfig(
            f"{path} is not what golf init --trust wrote, so what Codex was told is not taken back: move it away, and "
            f'remove [projects."{root}"] and [hooks.state."{root}/.codex/hooks.json:…"] by hand from the config.toml '
            "in CODEX_HOME"
        ) from error


def _memory(root: Path) -> Path:
    return root / ".golf" / "trust.json"


def _table(settings: dict[str, Any], header: str) -> dict[str, Any]:
    """The table under a header as it is written, `a."b.c"`; empty when there is none."""
    for name in _names(header):
        settings = settings.get(name) or {}
    return settings


def _names(header: str) -> list[str]:
    """The names in the header of a table."""
    found, table = [], tomllib.loads(f"[{header}]")
    while table:
        ((name, table),) = table.items()
        found.append(name)
    return found


def _quoted(text: str) -> str:
    """`text` as a basic string of TOML, which is JSON's but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
