"""`golf doctor --codex`: how Codex sees this workspace, and the line that mends what it does not see.

Most of what can go wrong here is silent in Codex: an untrusted project's settings, an untrusted hook, a role with a
misspelt key, a rules file with a syntax error, a server that does not start. So Codex itself is asked, by its
app-server: it reads its settings, starts our MCP server as a session would, and runs two commands in its sandbox.
No model is asked, no other MCP server or plugin is started, and nothing is changed.
"""

import contextlib
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from golf import bundle
from golf.codex import app_server, setup, trust
from golf.codex.app_server import AppServer, CodexFailed
from golf.errors import GolfError
from golf.play.doctor import Check, Diagnosis
from golf.workspace import Workspace

PLUGIN = "caddie@caddie"
SERVER = "golf"

START_S = 40.0
"""For the MCP server to start; a session waits longer, a doctor should not."""

WHY_NOT = "golf mcp </dev/null says why it does not start; golf init writes its entry again"

PROBE = '{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "true"}}'
"""What Codex tells a hook before a harmless command."""

USER_NAMESPACES = (
    "allow user namespaces: sysctl -w user.max_user_namespaces=15000, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0. In a container that confines already: "
    "codex -s danger-full-access, under which Codex no longer asks before tools that spend money"
)


def examine(root: Path | None = None, *, codex: str | None = None) -> Diagnosis:
    """Look at Codex, and at `root` (default: the workspace around the current directory) through its eyes."""
    try:
        codex = codex or app_server.find_codex()
        root = root.resolve() if root else Workspace.find().root
        with AppServer(codex=codex, cwd=root, env=app_server.offline()) as server:
            checks = [_codex(server), *_programs(root), *_inside(server, root)]
    except GolfError as error:
        failed = "codex" if codex is None or isinstance(error, CodexFailed) else "workspace"
        fix = app_server.INSTALL if failed == "codex" else "golf init"
        checks = [Check(name=failed, verdict="missing", found=str(error), fix=fix)]
    return Diagnosis(ready=all(check.verdict != "missing" for check in checks), checks=checks)


def _inside(server: AppServer, root: Path) -> list[Check]:
    """Everything that one conversation tells."""
    entry = server.call("hooks/list", {"cwds": [str(root)]})["data"][0]
    # Codex says these before it answers a first call
    warnings = ["\n".join(_texts(event.params)) for event in server.events("configWarning")]
    if broken := [text for text in warnings if text.startswith("Invalid configuration")]:
        return [_bad("settings", _first(broken), "mend the file it names; Codex starts no session here")]
    config = server.call("config/read", {"cwd": str(root)})["config"]
    checks, is_trusted = [*_workspace(root), _settings(warnings)], False
    if not (root / ".codex").is_dir():
        checks.append(_bad("project", f"no .codex in {root}: Codex has no hooks, roles or rules here", "golf init"))
    elif not trust.project_is_trusted(server, root):
        checks.append(
            _bad("project", "not trusted: Codex ignores its settings, hooks, roles and rules", "golf init --trust")
        )
    else:
        checks.append(_ok("project", f"{root}, trusted"))
        is_trusted = True
        checks += [_hooks(server, root, entry, config), _roles(root, warnings), _rules(root, warnings)]
        checks += [_shell(server, root, config), *_approval(config)]
    # An untrusted folder gets no thread: for one that may write, Codex trusts it unasked and starts its programs
    servers = [_server(server, root, config)] if is_trusted else []
    mode = config.get("sandbox_mode") if is_trusted else None
    return [*checks, *servers, _sandbox(server, root, mode), _plugin(server, root), *_hook_errors(root)]


# --- Codex and our programs --------------------------------------------------------------------


def _codex(server: AppServer) -> Check:
    found = f"{server.version or 'of unknown version'} at {server.codex}, CODEX_HOME {server.home}"
    if server.version == app_server.TESTED_VERSION:
        return _ok("codex", found)
    return _less("codex", f"{found}; Caddie was tested with {app_server.TESTED_VERSION}", app_server.INSTALL)


def _programs(root: Path) -> list[Check]:
    """`golf` and `golf-hook`: what Codex will start by these names, and whether it is this installation."""
    here = Path(sys.executable).parent
    checks: list[Check] = []
    for name in ("golf", trust.PROGRAM):
        place = shutil.which(name)
        if place is None:
            found = "not on PATH: Codex cannot start it"
            checks.append(_bad(name, found, f"export PATH={here}:$PATH, in the shell that starts codex"))
        elif (here / name).exists() and not Path(place).samefile(here / name):
            found = f"{place} is another installation than this one, {here / name}"
            checks.append(_bad(name, found, f"export PATH={here}:$PATH, in the shell that starts codex"))
        else:
            checks.append(_runs(place, root) if name == trust.PROGRAM else _ok(name, place))
    return checks


def _shell(server: AppServer, root: Path, config: dict[str, Any]) -> Check:
    """Whether the model's shell finds `golf`: as a login shell it reads a profile, and that may set PATH anew."""
    is_login = config.get("allow_login_shell") is not False
    theirs = pwd.getpwuid(os.getuid()).pw_shell
    shell = theirs if Path(theirs).name in ("bash", "zsh", "sh") else "bash"  # those that Codex drives
    command = [shell, "-lc" if is_login else "-c", "command -v golf"]
    ask = {"command": command, "cwd": str(root), "sandboxPolicy": {"type": "dangerFullAccess"}}
    fix = (
        "allow_login_shell = false in .codex/config.toml"
        if is_login
        else "export PATH=… in the shell that starts codex"
    )
    try:
        done = server.call("command/exec", ask)
    except CodexFailed as error:
        return _bad("shell", _first([str(error)]), fix)
    place, here = "".join(done["stdout"].strip().splitlines()[-1:]), shutil.which("golf")
    if done["exitCode"] != 0 or not place:
        return _bad("shell", f"`golf` is not found in the shell that Codex gives a model, {' '.join(command[:2])}", fix)
    if here and Path(place).exists() and not Path(place).samefile(here):
        return _bad("shell", f"the shell that Codex gives a model finds {place}, and not {here}", fix)
    return _ok("shell", f"{' '.join(command[:2])} finds {place}")


def _runs(hook: str, root: Path) -> Check:
    """Whether the hook program lets a harmless command pass."""
    try:
        done = subprocess.run([hook, "pre-tool-use"], input=PROBE, capture_output=True, text=True, cwd=root, timeout=10)
        said = (done.stdout + done.stderr).strip()
        trouble = f"exit code {done.returncode}: {said[-200:]}" if done.returncode or said else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = str(error)
    if trouble:
        return _bad(trust.PROGRAM, f"{hook} did not let `true` pass: {trouble}", "install Caddie again")
    return _ok(trust.PROGRAM, hook)


# --- settings, hooks, roles, rules -------------------------------------------------------------


def _settings(warnings: list[str]) -> Check:
    unknown = [
        name for text in warnings if "unrecognized" in text for name in re.findall(r"`([^`]+)` is ignored", text)
    ]
    if unknown:
        return _bad(
            "settings", f"Codex ignores unknown keys: {', '.join(unknown)}", "remove or correct them; golf init"
        )
    others = [text for text in warnings if not _is_known(text)]
    return (
        _less("settings", _first(others), "mend what it names") if others else _ok("settings", "read without complaint")
    )


def _is_known(warning: str) -> bool:
    """Whether a check of its own speaks of this warning."""
    return any(
        part in warning for part in ("until the project is trusted", "agent role", "parsing rules", "bubblewrap")
    )


def _hooks(server: AppServer, root: Path, entry: dict[str, Any], config: dict[str, Any]) -> Check:
    """Codex's list of hooks against the ones we ship."""
    if (config.get("features") or {}).get("hooks") is False:
        return _bad("hooks", "switched off by features.hooks = false", "hooks = true under [features] in config.toml")
    ours = [hook for hook in entry["hooks"] if trust.is_ours(hook)]
    there = {hook["eventName"].lower() for hook in ours}
    if lacking := [event for event in trust.shipped() if event.lower() not in there]:
        said = _first([*entry["warnings"], *[error["message"] for error in entry["errors"]]])
        found = f"Codex sees no hook of ours for {', '.join(lacking)}{said and f'; it says: {said}'}"
        return _bad("hooks", found, "mend .codex/hooks.json or golf init, then: golf init --trust")
    for hook in ours:
        name = hook["eventName"]
        if wrong := trust.difference(hook):
            return _bad(
                "hooks",
                f"{name}: {hook['command']!r}: {wrong}",
                "remove the golf-hook entries from .codex/hooks.json (or the file), then golf init; or /hooks in codex",
            )
        if not hook["enabled"]:
            return _bad(
                "hooks", f"{name} is disabled in {server.home / 'config.toml'}", "enable it with /hooks in codex"
            )
    off = [
        f"{hook['eventName']} ({hook['trustStatus']})"
        for hook in ours
        if hook["trustStatus"] not in ("trusted", "managed")
    ]
    if off:
        return _bad("hooks", f"silently off, because not trusted: {', '.join(off)}", "golf init --trust")
    return _ok("hooks", f"{len(ours)} trusted: {', '.join(hook['eventName'] for hook in ours)}")


def _roles(root: Path, warnings: list[str]) -> Check:
    dropped = [text.partition(": ")[2] for text in warnings if "agent role" in text]
    if dropped:
        return _bad(
            "roles", f"Codex drops one: {_first(dropped)}", "mend the file it names, or remove it and: golf init"
        )
    wanted = sorted(path.stem for path in (bundle.TEMPLATES / "codex" / "agents").glob("*.toml"))
    lacking = [name for name in wanted if not (root / ".codex" / "agents" / f"{name}.toml").is_file()]
    if lacking:
        return _bad("roles", f"no {', '.join(lacking)} in .codex/agents", "golf init")
    found = "; ".join(_role(root / ".codex" / "agents" / f"{name}.toml") for name in wanted)
    if changed := _changed(root, [f"agents/{name}.toml" for name in wanted]):
        fix = f"if that was not meant: rm {' '.join(f'.codex/{name}' for name in changed)} && golf init"
        return _less("roles", f"{', '.join(changed)} differ from what golf init writes; {found}", fix)
    return _ok("roles", found)


def _changed(root: Path, names: list[str]) -> list[str]:
    """Which of these files below `.codex` are not as `golf init` would write them today."""
    try:
        ours = {wanted.name: wanted.text for wanted in setup.wanted(root, "none")}
    except GolfError:  # golf.toml, which a check of its own speaks of
        return []
    return [name for name in names if (root / ".codex" / name).read_bytes() != ours[f".codex/{name}"].encode()]


def _role(path: Path) -> str:
    """A role with the model it runs on."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return path.stem
    chosen = " ".join(str(table[key]) for key in ("model", "model_reasoning_effort") if key in table)
    return f"{path.stem} ({chosen})" if chosen else path.stem


def _rules(root: Path, warnings: list[str]) -> Check:
    broken = [text for text in warnings if "parsing rules" in text]
    if broken:
        errors, places = re.findall(r".*error: (.+)", broken[0]), re.findall(r"--> (.+)", broken[0])
        found = f"{places[-1]}: {errors[-1]}" if errors and places else _first(broken)
        return _bad("rules", f"{found} (codex exec refuses to start)", "mend the file it names, or: golf init")
    files = sorted(path.name for path in (root / ".codex" / "rules").glob("*.rules"))
    if "golf.rules" not in files:
        return _bad("rules", "no golf.rules in .codex/rules", "golf init")
    if _changed(root, ["rules/golf.rules"]):
        found = "golf.rules differs from the one golf init writes; rules of your own belong in another file"
        return _less("rules", found, "rm .codex/rules/golf.rules && golf init")
    return _ok("rules", ", ".join(files))


# --- what a session would have -----------------------------------------------------------------


def _workspace(root: Path) -> Iterable[Check]:
    """What every tool reads first."""
    workspace = Workspace(root)
    try:
        workspace.challenge  # noqa: B018 # reads golf.toml, which may be malformed
    except GolfError as error:
        yield _bad("workspace", _first([str(error)]), "mend golf.toml")
    database = root / ".golf" / "golf.db"
    if database.exists():
        try:
            with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
                opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            yield _bad("workspace", f"{database}: {error}", "move it away; it holds the jobs and what was spent")


def _approval(config: dict[str, Any]) -> Iterable[Check]:
    """Settings under which a tool that spends money runs without a question, or a tool is not there."""
    if config.get("approval_policy") not in ("on-request", "untrusted"):
        found = f"approval_policy is {config.get('approval_policy')!r}: nobody is asked"
        yield _less("approval", found, 'approval_policy = "on-request" in .codex/config.toml')
    declared = (config.get("mcp_servers") or {}).get(SERVER) or {}
    if unasked := trust.unasked(declared):
        found = f"runs without a question, whatever it costs: {', '.join(sorted(unasked))}"
        yield _bad("approval", found, f'remove approval_mode = "approve" of [mcp_servers.{SERVER}] from config.toml')
    if declared.get("disabled_tools") or declared.get("enabled_tools"):
        found = "some tools are switched off by enabled_tools or disabled_tools"
        yield _less("approval", found, f"remove the line from [mcp_servers.{SERVER}] in config.toml")


def _server(server: AppServer, root: Path, config: dict[str, Any]) -> Check:
    """Start our MCP server as a session does, and ask it for the history here."""
    declared = (config.get("mcp_servers") or {}).get(SERVER)
    quiet = {
        "mcp_servers": {name: {"enabled": False} for name in config.get("mcp_servers") or {} if name != SERVER},
        "plugins": {name: {"enabled": False} for name in config.get("plugins") or {} if name != PLUGIN},
    }
    start = {"cwd": str(root), "ephemeral": True, "sandbox": "read-only", "config": quiet}
    why_not = WHY_NOT if shutil.which("golf") else f"export PATH={Path(sys.executable).parent}:$PATH"
    try:
        thread = server.call("thread/start", start, timeout_s=START_S)
    except CodexFailed as error:
        return _bad("server", _first([str(error)]), why_not)
    ask = {"threadId": thread["thread"]["id"], "serverName": SERVER, "detail": "toolsAndAuthOnly"}
    seen, error = _started(server, ask)
    if seen is None:
        return _bad("server", f"Codex knows no MCP server {SERVER!r} here", "golf init, then golf init --trust")
    if seen["runtimeStatus"] != "connected":
        found = f"{seen['runtimeStatus']}: {error}; a session would silently lack the tools"
        return _bad("server", found, why_not)
    about = seen.get("serverInfo") or {}
    whence = f"from plugin {seen['pluginId']}" if seen.get("pluginId") else "from .codex/config.toml"
    found = f"connected, {len(seen['tools'])} tools, version {about.get('version')}, {whence}"
    if about.get("version") != version("caddie"):
        return _bad("server", f"{found}; this is {version('caddie')}", "put this golf first on PATH")
    asked = {"server": SERVER, "tool": "list_experiments", "arguments": {"limit": 0}, "threadId": ask["threadId"]}
    answer = server.call("mcpServer/tool/call", asked)
    ledger = (answer.get("structuredContent") or {}).get("path")
    if ledger != str(root / "results.tsv"):
        said = ledger or " ".join(str(part.get("text")) for part in answer.get("content", []))
        return _bad("server", f"{found}; it looks at {_first([said])}", "unset GOLF_WORKSPACE, or start codex here")
    if declared and not declared.get("required"):
        return _less(
            "server", f"{found}; not required, so a session may start without it", "golf init, or required = true"
        )
    return _ok("server", found)


def _started(server: AppServer, ask: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Our server's entry in Codex's list once its start has ended, well or not, and the error if not."""

    def is_end(params: dict[str, Any]) -> bool:
        return params["name"] == SERVER and params["status"] != "starting"

    def listed() -> dict[str, Any] | None:
        every = server.call("mcpServerStatus/list", ask)["data"]
        return next((one for one in every if one["name"] == SERVER), None)

    seen = listed()
    if seen is None or seen["runtimeStatus"] in ("connected", "disabled"):
        return seen, ""
    try:
        end = server.wait_for("mcpServer/startupStatus/updated", is_end, START_S)
    except CodexFailed as error:
        return seen, _first([str(error)])
    return listed(), _first([end["error"] or "no reason given"])


def _sandbox(server: AppServer, root: Path, mode: str | None) -> Check:
    """Whether commands run in the sandbox, and whether it confines them; `mode` is what sessions here start with."""
    tests = (
        ("readOnly", "! -w .", "does not keep from writing"),
        ("workspaceWrite", "-w .", "keeps from writing here"),
    )
    for policy, test, wrong in tests:
        command = ["/bin/sh", "-c", f"test {test} || {{ echo {policy} {wrong}; exit 3; }}"]
        ask = {"command": command, "cwd": str(root), "sandboxPolicy": {"type": policy}}
        try:
            done = server.call("command/exec", ask)
        except CodexFailed as error:
            return _bad("sandbox", _first([str(error)]), USER_NAMESPACES)
        if done["exitCode"] != 0:
            said = f"{done['stderr']} {done['stdout']}".strip() or f"exit code {done['exitCode']}"
            return _bad("sandbox", f"cannot work here: {_first([said])}", USER_NAMESPACES)
    if mode == "danger-full-access":
        return _less("sandbox", "works, and is switched off by sandbox_mode", 'sandbox_mode = "workspace-write"')
    return _ok("sandbox", f"works; sessions start with {mode}" if mode else "works")


def _plugin(server: AppServer, root: Path) -> Check:
    """The bundle with the skills; the tools alone come from `.codex/config.toml` too."""
    add = f"codex plugin add {PLUGIN}  (first: codex plugin marketplace add <Caddie's folder or repository>)"
    try:
        markets = server.call("plugin/installed", {"cwds": [str(root)]})["marketplaces"]
    except CodexFailed as error:
        return _less("plugin", _first([str(error)]), add)
    seen = next((one for market in markets for one in market["plugins"] if one["id"] == PLUGIN), None)
    if seen is None or not seen["installed"]:
        return _less("plugin", f"{PLUGIN} is not installed: the skills are missing", add)
    if not seen["enabled"]:
        return _less("plugin", f"{PLUGIN} is disabled", f'[plugins."{PLUGIN}"] enabled = true in config.toml')
    installed = seen.get("localVersion") or seen.get("version")
    if installed != version("caddie"):
        found = f"{PLUGIN} is version {installed}, golf is {version('caddie')}"
        return _bad("plugin", found, f"codex plugin add {PLUGIN}  (copies it again)")
    listed = server.call("skills/list", {"cwds": [str(root)]})["data"][0]
    mine = [skill for skill in listed["skills"] if skill.get("pluginId") == PLUGIN]
    errors = [error["message"] for error in listed.get("errors", []) if "caddie" in error.get("path", "")]
    if errors:
        return _bad("plugin", f"a skill does not load: {_first(errors)}", f"codex plugin add {PLUGIN}")
    return _ok("plugin", f"{PLUGIN} {installed}, {len(mine)} skills")


def _hook_errors(root: Path) -> Iterable[Check]:
    """Errors inside our hooks, which let the command pass and are only logged."""
    log = root / ".golf" / "hooks.log"
    if log.is_file() and (lines := log.read_text(errors="replace").strip().splitlines()):
        found = f"{len(lines)} lines in {log}, the last: {_first(lines[-1:])}"
        yield _less("hook errors", found, f"a guard failed and let things pass: report it, then rm {log}")


# --- saying it ---------------------------------------------------------------------------------


def _check(name: str, verdict: Literal["ok", "missing", "optional"], found: str, fix: str = "") -> Check:
    return Check(name=name, verdict=verdict, found=found, fix=fix)


def _ok(name: str, found: str) -> Check:
    return _check(name, "ok", found)


def _bad(name: str, found: str, fix: str) -> Check:
    return _check(name, "missing", found, fix)


def _less(name: str, found: str, fix: str) -> Check:
    return _check(name, "optional", found, fix)


def _texts(params: dict[str, Any]) -> list[str]:
    return [params[key] for key in ("summary", "details") if isinstance(params.get(key), str)]


def _first(texts: list[str]) -> str:
    """The first text on one line, cut to what a table can show."""
    return " ".join(texts[0].split())[:300] if texts else ""
