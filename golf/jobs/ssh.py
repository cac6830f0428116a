"""The `ssh` back-end: a machine of one's own, reached by the system's `ssh` and `rsync`.

What runs there is a detached runner in a session of its own, so that it survives the connection, and ends at its limit
by itself, setup included: nothing of ours has to reach it for that. It is known by `CADDIE_LAUNCH=KEY` in its
environment and in that of everything it starts; nothing else is ever signalled, whatever pids have become of. It is
started once: whoever creates the file `runner` first is it. The other side needs Linux (`/proc`), `rsync`, `setsid` and
`timeout`.

The user's own ssh configuration holds (host aliases, jump hosts, ControlMaster for speed); we only refuse to be asked
anything. What goes over is one fixed POSIX script on ssh's standard input with its values quoted before it, so that
neither login shells nor hostile names are given anything to interpret.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from re import fullmatch
from typing import Any

from pydantic import Field

from golf import environment
from golf.jobs import payload
from golf.jobs.backend import (
    CALL_S,
    KEY,
    BackendFailed,
    Launch,
    Refused,
    Remote,
    RemoteSettings,
    Uncertain,
    checked_key,
)
from golf.jobs.heard import CHARS_MAX, told

CONNECT_S = 10
LOG_BYTES = 4 * 1024 * 1024
"""Of a log, read in one call."""
FOLDER = r"^[^-\x00-\x1f\x7f*?\[\]\\][^\x00-\x1f\x7f*?\[\]\\]*$"
"""No option, nothing unprintable, and nothing that rsync would take for a pattern."""

_END = f"""
marked() {{ LC_ALL=C grep -alzxF -e "CADDIE_LAUNCH=$key" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }}
pids=$(marked)
[ -z "$pids" ] || kill -TERM $pids 2>/dev/null
i=0; while [ -n "$(marked)" ] && [ $i -lt {payload.GRACE_S * 5} ]; do sleep 0.2; i=$((i+1)); done
i=0; while pids=$(marked) && [ -n "$pids" ] && [ $i -lt 25 ]; do
  kill -KILL $pids 2>/dev/null; sleep 0.2; i=$((i+1))
done
"""
"""Ends everything marked with `$key`; itself not marked."""

_RUNNER = f"""
key=$1 limit=$2
set -C; {{ echo "$$ $(date +%s)" >runner; }} 2>/dev/null || exit 0; set +C
timeout --kill-after={payload.GRACE_S} "$limit" sh ./{payload.SCRIPT} </dev/null >/dev/null 2>&1
code=$?
if ! [ -e {payload.EXIT} ]; then
  printf '{{"exit_code": %d}}\\n' "$code" >{payload.EXIT}.new && mv {payload.EXIT}.new {payload.EXIT}
fi
exec env -u CADDIE_LAUNCH key="$key" sh -c {shlex.quote(_END)}
"""

_THERE = f"""
show() {{
  [ -e "$folder/$1/runner" ] || return 0
  state=gone; case "$live" in *" $1 "*) state=live;; esac
  printf 'caddie\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$state" "$(cut -d' ' -f2 "$folder/$1/runner")" \\
    "$(head -c 200 "$folder/$1/{payload.EXIT}" 2>/dev/null | tr -d '\\n\\t')"
}}
look() {{
  live=" $(LC_ALL=C grep -ahzx -e 'CADDIE_LAUNCH=.*' /proc/[0-9]*/environ 2>/dev/null |
    tr '\\000' '\\n' | sed 's/^CADDIE_LAUNCH=//' | tr '\\n' ' ') "
}}
case $verb in
prepare)
  for tool in rsync setsid timeout; do command -v $tool >/dev/null || {{ echo "lacks $tool"; exit 0; }}; done
  mkdir -p -- "$folder" && {{ mkdir -m 700 -- "$folder/$key" 2>/dev/null || [ -d "$folder/$key" ]; }} || exit 1
  cd -- "$folder/$key" || exit 1
  [ -e owner ] || printf '%s\\n' "$owner" >owner || exit 1
  [ "$(cat owner)" = "$owner" ] || {{ echo foreign; exit 0; }}
  [ ! -e runner ] || {{ echo started; exit 0; }}
  mkdir -p {payload.TREE} && printf '%s' "$script" >{payload.SCRIPT} || exit 1
  echo ready;;
start)
  cd -- "$folder/$key" || exit 1
  CADDIE_LAUNCH=$key setsid nohup sh -c "$runner" caddie "$key" "$limit" </dev/null >/dev/null 2>&1 &
  i=0; while ! [ -s runner ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
  [ -s runner ];;
poll) look; show "$key";;
mine)
  look
  for file in "$folder"/*/owner; do
    [ "$(cat "$file" 2>/dev/null)" != "$owner" ] || show "$(basename "$(dirname "$file")")"
  done;;
log)
  cd -- "$folder/$key" 2>/dev/null && [ -e {payload.OUTPUT} ] || exit 0
  tail -c "+$position" {payload.OUTPUT} | head -c {LOG_BYTES};;
stop) if [ -d "$folder/$key" ]; then : >"$folder/$key/{payload.STOP}" && echo asked; fi;;
end)
  cd -- "$folder/$key" 2>/dev/null || exit 0
  ( set -C; echo "0 0" >runner ) 2>/dev/null  # one that was on its way finds it taken
  {_END};;
esac
"""


class Unreachable(BackendFailed):
    """The machine did not answer by ssh, or the connection broke."""


class Denied(BackendFailed):
    """It answered and does not let us in, or is not known to be the machine that is meant."""


class SshSettings(RemoteSettings):
    """`[tiers.NAME.options]` of the back-end `ssh`."""

    host: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:%-]*$")
    """Name, address, or alias in the user's ssh configuration."""
    port: int | None = Field(default=None, ge=1, le=65535)
    user: str = Field(default="", pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.@-]*)?$")
    identity: str = ""
    """File of the private key; empty: what the user's configuration and agent offer."""
    known_hosts: str = ""
    """File of host keys to go by, instead of the user's own."""
    accept_new_host_key: bool = False
    """Trust a host key seen for the first time; one that has changed is refused all the same."""
    host_key_alias: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$")
    """Name under which the host key is looked up, for machines that share addresses."""
    folder: str = Field(default="caddie", pattern=FOLDER)
    """Folder there for our launches, relative to the home. They stay in it until you tidy up."""


class Ssh:
    """One machine reached by ssh; the id of a launch is its key."""

    beyond_s = 0.0

    def __init__(self, options: Mapping[str, Any], call_s: float = CALL_S) -> None:
        self.settings = SshSettings.model_validate(dict(options))
        self._call_s = call_s

    def lacks(self) -> str:
        """ssh or rsync, where one is not installed."""
        return lacking_program()

    def submit(self, launch: Launch) -> str:
        """Send the tree and start the runner; a key that was started before is not started again.

        Raises:
            Refused: nothing was started: not reachable, no login, a program is missing, the key is another owner's.
            Uncertain: the connection broke while it was being started.
        """
        until = time.monotonic() + self._call_s
        over = time.monotonic() + launch.time_limit_s
        script = payload.script(launch, self.settings)
        try:
            need_programs()
            answer = self._say("prepare", until, key=launch.key, owner=launch.owner, script=script)
            said = _telling(answer).rpartition("; ")[2]
            if said == "started":
                return launch.key
            if said != "ready":
                raise BackendFailed(self._explained(said, launch))
            self._copy(
                until,
                ["--links", "--perms", "--", f"{launch.tree}/", f"{self._place(launch.key)}/{payload.TREE}/"],
            )
        except BackendFailed as error:
            raise Refused(str(error)) from error
        limit = str(max(1, int(over - time.monotonic())))
        try:
            self._say("start", until, key=launch.key, runner=_RUNNER, limit=limit)
        except BackendFailed as error:
            raise Uncertain(f"{launch.key} was sent, and whether it started is not known: {error}") from error
        return launch.key

    def poll(self, remote_id: str) -> Remote | None:
        """How it is; `ended` once no process of it is left."""
        return next(iter(self._shown(self._say("poll", key=remote_id))), None)

    def log(self, remote_id: str, offset: int) -> bytes:
        """What it has printed from byte `offset` on, at most LOG_BYTES of it."""
        return self._say("log", key=remote_id, position=str(max(0, offset) + 1))

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """Copy what matches `outputs` (rsync's patterns, from the tree's top); regular files only."""
        until = time.monotonic() + self._call_s
        need_programs()
        wanted = [f"--include=/{pattern.lstrip('/')}" for pattern in outputs]
        source = f"{self._place(checked_key(remote_id))}/{payload.TREE}/"
        self._copy(until, ["--prune-empty-dirs", "--include=*/", *wanted, "--exclude=*", "--", source, f"{to}/"])

    def ask_to_stop(self, remote_id: str) -> bool:
        """Let the trainer's stop file appear."""
        return self._say("stop", key=remote_id).strip() == b"asked"

    def end(self, remote_id: str) -> None:
        """End every process of it: SIGTERM, and SIGKILL after the payload's grace. Its folder stays."""
        self._say("end", key=remote_id)

    def mine(self, owner: str) -> list[Remote]:
        """What was started there for this owner, by the folders' `owner` files."""
        return self._shown(self._say("mine", owner=owner))

    def plan(self, launch: Launch) -> dict[str, Any]:
        """Where it would go and what would run there."""
        return {
            "host": self.settings.host,
            "folder": f"{self.settings.folder}/{launch.key}",
            "sends": str(launch.tree),
            "limit_s": launch.time_limit_s,
            "script": payload.script(launch, self.settings),
            "fetches": list(launch.outputs),
        }

    def _say(self, verb: str, until: float | None = None, **values: str) -> bytes:
        """Run one verb of the script there; returns what it printed."""
        if "key" in values:
            checked_key(values["key"])
        values = {"folder": self.settings.folder, **values, "verb": verb}
        given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        until = time.monotonic() + self._call_s if until is None else until
        command = [*self._ssh(), "--", self.settings.host, f"exec sh -s -- {verb}"]
        code, out, error = _run(command, (given + _THERE).encode(), until)
        if code != 0:
            raise self._failure(code, error, f"{verb} there")
        return out

    def _copy(self, until: float, arguments: Sequence[str]) -> None:
        """Run rsync, files whole or not at all."""
        options = [
            "--recursive",
            "--times",
            "--secluded-args",
            f"--timeout={CONNECT_S * 2}",
            "-e",
            shlex.join(self._ssh()),
        ]
        code, _, error = _run(["rsync", *options, *arguments], b"", until)
        if code != 0:
            raise self._failure(code, error, "rsync")

    def _ssh(self) -> list[str]:
        """The ssh command up to the host."""
        one = self.settings
        words = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"]
        words += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "LogLevel=ERROR"]
        words += ["-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes"]
        words += ["-p", str(one.port)] if one.port else []
        words += ["-l", one.user] if one.user else []
        words += ["-i", one.identity, "-o", "IdentitiesOnly=yes"] if one.identity else []
        words += ["-o", f'UserKnownHostsFile="{one.known_hosts}"'] if one.known_hosts else []
        words += ["-o", "StrictHostKeyChecking=accept-new"] if one.accept_new_host_key else []
        words += ["-o", f"HostKeyAlias={one.host_key_alias}"] if one.host_key_alias else []
        return words

    def _place(self, key: str) -> str:
        host = self.settings.host
        return f"{f'[{host}]' if ':' in host else host}:{self.settings.folder}/{key}"

    def _shown(self, text: bytes) -> list[Remote]:
        lines = [line.split("\t") for line in text.decode(errors="replace").splitlines()]
        return [
            _remote(fields[1], fields[2] == "live", fields[3], payload.exit_code(fields[4]))
            for fields in lines
            if len(fields) == 5 and fields[0] == "caddie" and fullmatch(KEY, fields[1])
        ]

    def _explained(self, said: str, launch: Launch) -> str:
        host, folder = self.settings.host, f"{self.settings.folder}/{launch.key}"
        if said == "foreign":
            return f"{folder} on {host} belongs to another owner and is left alone"
        if said.startswith("lacks "):
            return f"{host} {said[:40]}. Install it there: sudo apt-get install rsync util-linux coreutils"
        return f"{host} answered {said[:80]!r} instead of ours: its shell prints something of its own at login"

    def _failure(self, code: int, error: str, what: str) -> BackendFailed:
        host = self.settings.host
        if code == TIMED_OUT:
            return Unreachable(f"{host} did not answer {what} within {self._call_s:.0f} s")
        if "Permission denied (" in error or "Too many authentication failures" in error:
            return Denied(f"{host} refused the login ({error}). Name a key in options.identity, or: ssh-add KEY")
        if "Host key verification failed" in error or "HOST IDENTIFICATION HAS CHANGED" in error:
            return Denied(
                f"the host key of {host} is not known, or is not the one that is known ({error}). Compare its "
                f"fingerprint, then connect once by hand: ssh {host}"
            )
        if code == 255 or (what == "rsync" and code in RSYNC_CUT_OFF and "not found" not in error):
            return Unreachable(f"{host} cannot be reached ({error or 'the connection broke'}). Try by hand: ssh {host}")
        if what == "rsync" and ("not found" in error or code == 127):
            return BackendFailed(f"{host} lacks rsync ({error}). Install it there: sudo apt-get install rsync")
        return BackendFailed(f"{what} failed on {host} with exit code {code}: {error or 'no word'}")


RSYNC_CUT_OFF = (10, 12, 30, 35)
"""rsync's exit codes for a connection that broke or timed out. Source: rsync(1), EXIT VALUES."""
TIMED_OUT = -1
"""In place of an exit code."""


def lacking_program() -> str:
    """Of ssh and rsync one that is not installed here, and how it comes to be; empty when both are there."""
    for program, package in (("ssh", "openssh-client"), ("rsync", "rsync")):
        if shutil.which(program) is None:
            return f"{program} is not installed here. Install it: sudo apt-get install {package}"
    return ""


def need_programs() -> None:
    """Raises BackendFailed where ssh or rsync is not installed here."""
    if lacking := lacking_program():
        raise BackendFailed(lacking)


def _run(command: Sequence[str], given: bytes, until: float) -> tuple[int, bytes, str]:
    """Exit code, output and the telling end of its errors; asked to end, then made to, when its time is over."""
    passed_on = environment.inherited()  # our keys are nobody's to send on, whatever SendEnv says
    if agent := os.environ.get("SSH_AUTH_SOCK"):
        passed_on["SSH_AUTH_SOCK"] = agent
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=passed_on
        )
    except OSError as error:
        raise BackendFailed(f"{command[0]} could not be started: {error.strerror}") from error
    with child:
        try:
            out, said = child.communicate(given, timeout=max(0.1, until - time.monotonic()))
        except BaseException as error:
            child.terminate()  # rsync takes its half-written file away
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=2.0)
            child.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return TIMED_OUT, b"", ""
            raise
    return child.returncode, out, _telling(said)


def _telling(said: bytes) -> str:
    """The lines that say why, short and fit to be shown."""
    lines = map(told, said.decode(errors="replace").splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("@@@"))[:CHARS_MAX]


def _remote(key: str, is_live: bool, started: str, code: int | None) -> Remote:
    at = datetime.fromtimestamp(int(started), UTC) if started.isdecimal() and int(started) else None
    message = "" if is_live or code is not None else "nothing of it runs any more, and it left no exit code"
    return Remote(key, key, "running" if is_live else "ended", code, started_at=at, message=message)
