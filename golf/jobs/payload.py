"""What runs on the other side: one POSIX shell script around the trainer, the same for every back-end.

The script runs itself once more under `timeout`, setup included, so that whatever happens inside, the limit holds (a
machine that hears nothing from us any more still stops) and how it ended is written. In a folder of its own lie `tree/`
(the files), `run.sh` (this script), `output.log` (what the trainer prints), `metrics.jsonl` and `stop` (the passive
protocol, `golf.jobs.progress`) and, at the end, `exit.json`.
"""

import json
import shlex
from collections.abc import Mapping

from golf.jobs import progress
from golf.jobs.backend import Launch, RemoteSettings

SCRIPT, OUTPUT, METRICS, STOP, EXIT, TREE = "run.sh", "output.log", "metrics.jsonl", "stop", "exit.json", "tree"

GRACE_S = 10
"""Between SIGTERM and SIGKILL at the limit."""


def script(launch: Launch, settings: RemoteSettings, folder: str = "") -> str:
    """The shell script that runs a launch in `folder` (default: the one it lies in), and writes how it ended.

    Needs nothing but a POSIX shell with `setsid` and `timeout` (coreutils, util-linux).
    """
    place = shlex.quote(folder) if folder else '"$(cd "$(dirname "$0")" && pwd)"'
    exports = "\n".join(
        f"export {name}={shlex.quote(value)}" for name, value in sorted(environment(launch, settings).items())
    )
    command = " ".join(shlex.quote(word.replace("{python}", settings.python)) for word in launch.command)
    return f"""#!/bin/sh
# {launch.key}: made by Caddie; ends itself after {launch.time_limit_s:.0f} s.
here={place}
if [ "${{1:-}}" != trains ]; then
  timeout --kill-after={GRACE_S} {max(1, int(launch.time_limit_s))} sh "$0" trains >>"$here/{OUTPUT}" 2>&1 </dev/null
  code=$?
  printf '{{"exit_code": %d}}\\n' "$code" >"$here/{EXIT}.new" && mv "$here/{EXIT}.new" "$here/{EXIT}"
  exit "$code"
fi
cd "$here/{TREE}" || exit 70
{exports}
export {progress.METRICS}="$here/{METRICS}" {progress.STOP}="$here/{STOP}"
{settings.setup or ":"}
code=$?
[ "$code" -eq 0 ] || exit "$code"
exec {command}
"""


def environment(launch: Launch, settings: RemoteSettings) -> Mapping[str, str]:
    """The launch's variables with the other side's paths."""
    paths = {"DATA_PATH": settings.data, "TOKENIZER_PATH": settings.tokenizer}
    kept = {name: value for name, value in launch.env.items() if name not in paths}
    return {**kept, **{name: path for name, path in paths.items() if path}, "PYTHONUNBUFFERED": "1"}


def exit_code(text: str) -> int | None:
    """What `exit.json` says; None while it is not there or not whole."""
    try:
        code = json.loads(text)["exit_code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None
