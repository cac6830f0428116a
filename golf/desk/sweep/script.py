"""The script that plays a plan's runs one after the other, in a shell.

Every word that comes from the sweep's file stands in it quoted, so that a shell reads it as text whatever it holds. It
runs under bash 3.2, which is what macOS has.
"""

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from golf.desk.sweep.specification import Specification
from golf.desk.sweep.values import word

if TYPE_CHECKING:
    from golf.desk.sweep.plan import SweepPlan

_HEAD = """\
#!/usr/bin/env bash
# shellcheck disable=SC1003,SC2016,SC2089,SC2090 # what stands in single quotes is text
#
# Sweep {name}: {points} combinations, {seeds} each, one run after the other. Written by `golf sweep plan`: change the
# sweep's file and plan again.
#
#   bash {script}                 stops at the first run that fails{stop}
#   bash {script} --keep-going    goes on with the next one{go_on}
#   bash {script} --list          says what is done, and starts nothing
#
# Called again, it skips what is done: NAME.done lies beside NAME.log once a run has ended with exit code 0.
set -euo pipefail
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")"/{up}
out=${{SWEEP_OUT:-{out}}}
mode=${{1:-{mode}}}
case $mode in
  --stop | --keep-going | --list) ;;
  *) echo "usage: launch.sh [--stop | --keep-going | --list]" >&2; exit 2 ;;
esac
mkdir -p -- "$out"
if [[ $mode != --list ]] && command -v flock >/dev/null; then
  exec 9>"$out/.lock"
  flock -n 9 || {{ echo "this sweep is being played already, or a run of it still goes on" >&2; exit 2; }}
fi
trap 'echo "interrupted; call again to go on" >&2; exit 130' INT TERM
count=0 skipped=0 failed=0

start() {{
  {start}
}}

run() {{ # name, point, seed, digest; then the run's settings
  local name=$1 point=$2 seed=$3 digest=$4 code=0
  shift 4
  count=$((count + 1))
  if [[ -f $out/$name.done && $(cat -- "$out/$name.done") == "$digest" ]]; then
    skipped=$((skipped + 1))
    [[ $mode != --list ]] || echo "done     $name"
    return 0
  fi
  if [[ $mode == --list ]]; then
    echo "to play  $name"
    return 0
  fi
  echo "[$count/{runs}] $name"
{exports}
  start "$@" >"$out/$name.log" 2>&1 </dev/null || code=$?
  if [[ $code -eq 0 ]]; then
    printf '%s\\n' "$digest" >"$out/$name.done.tmp"
    mv -- "$out/$name.done.tmp" "$out/$name.done"
    return 0
  fi
  failed=$((failed + 1))
  echo "    failed with exit code $code: $out/$name.log" >&2
  [[ $mode == --keep-going ]] || exit 1
}}

"""

_TAIL = """
[[ $mode == --list ]] || echo "$count runs: $skipped were done before, $failed failed. Then: golf sweep report"
[[ $failed -eq 0 ]]
"""


def launch(spec: Specification, planned: "SweepPlan", up: str) -> str:
    """The script's text; `up` leads from its folder to where commands are started."""
    goes_on = spec.on_failure == "continue"
    seeds = f"{len(spec.seeds)} seed{'s' * (len(spec.seeds) != 1)}"
    head = _HEAD.format(
        name=spec.name,
        points=len(planned.points),
        seeds=seeds,
        script=shlex.quote(planned.script) if _is_plain(planned.script) else "launch.sh",
        stop="" if goes_on else " (as it is called)",
        go_on=" (as it is called)" if goes_on else "",
        up=shlex.quote(up),
        out=planned.out,
        mode="--keep-going" if goes_on else "--stop",
        start=_start(spec),
        runs=planned.runs,
        exports="\n".join(f"  {line}" for line in _exports(spec)),
    )
    lines = []
    for one in planned.points:
        for seed in spec.seeds:
            name = run_name(one.name, seed)
            words = [*one.words]
            if spec.seed_setting is not None:
                words.append(word(spec.style, spec.seed_setting, seed))
            if spec.tracking.run_name_key:
                words.append(word(spec.style, spec.tracking.run_name_key, name))
            if spec.tracking.project_key:
                words.append(word(spec.style, spec.tracking.project_key, _project(spec)))
            lines.append(f"run {name} {one.name} {seed} {one.digest} {_quoted(spec, words)}")
    return head + "\n".join(lines) + "\n" + _TAIL


def run_name(point: str, seed: int) -> str:
    """A run's name in logs and trackers."""
    return f"{point}-seed{seed}"


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable()


def _project(spec: Specification) -> str:
    return spec.tracking.experiment or spec.name


def _quoted(spec: Specification, words: Sequence[str]) -> str:
    return " ".join(assignment(text) if spec.style == "env" else shlex.quote(text) for text in words)


def assignment(text: str) -> str:
    """`NAME=VALUE` with its value quoted for a shell."""
    key, _, value = text.partition("=")
    return f"{key}={shlex.quote(value) if value else ''}"


def _start(spec: Specification) -> str:
    command = " ".join(map(shlex.quote, spec.command))
    return f'env "$@" {command}' if spec.style == "env" else f'{command} "$@"'


def _exports(spec: Specification) -> list[str]:
    """What every run finds in its environment: its name, and what MLflow tags runs with by itself.

    Source: mlflow, tracking/context/system_environment_context.py: MLFLOW_RUN_CONTEXT holds tags as JSON.
    """
    lines = [f"export SWEEP_NAME={spec.name} SWEEP_POINT=$point SWEEP_SEED=$seed SWEEP_RUN=$name"]
    if spec.tracking.tool == "mlflow":
        lines.append(f"export MLFLOW_EXPERIMENT_NAME={shlex.quote(_project(spec))}")
        if spec.tracking.uri:
            lines.append(f"export MLFLOW_TRACKING_URI={shlex.quote(spec.tracking.uri)}")
        own = json.dumps(spec.tracking.tags)[1:-1]
        lines += [
            "printf -v MLFLOW_RUN_CONTEXT "
            """'{"mlflow.runName":"%s","sweep":"%s","sweep.point":"%s","sweep.seed":"%s","sweep.digest":"%s"%s}' \\""",
            f'  "$name" {spec.name} "$point" "$seed" "$digest" {shlex.quote(f", {own}" if own else "")}',
            "export MLFLOW_RUN_CONTEXT",
        ]
    return lines
