"""What must not be left open when a turn ends: runs that ended unrecorded, money that is set aside.

It reminds once per session and thing, and never of a turn that a reminder started: a hook that always
blocks would keep Codex turning for ever.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golf.hooks.state import State, clean

REMINDED = "reminded.json"
"""In `.golf`: the last session that was reminded, and of what."""


def reminder(event: Mapping[str, Any], state: State) -> str | None:
    """Why the turn should go on; None lets it end."""
    if event.get("stop_hook_active"):
        return None
    said = {
        f"job {job}": f"- job {clean(job, 40)} ({clean(experiment, 60)}) {how.replace('_', ' ')}, and the ledger does "
        "not have it: job_status records it; then say in a sentence what was learned (record_note)."
        for job, experiment, how in state.unrecorded
    }
    alive = {job.id for job in state.jobs if job.is_alive}
    for run, tier, usd in state.leases:
        what = "it is still on: wait_for_job" if run in alive else "nothing is running for it: job_status"
        said[f"lease {run}"] = (
            f"- ${usd:,.2f} are set aside for {clean(run, 40)} on {clean(tier, 20)}, and {what}, or cancel_job."
        )
    new = {key: line for key, line in said.items() if key not in _reminded(event, state)}
    if not new:
        return None
    _remember(event, state, list(said))
    lines = list(new.values())
    more = [f"- and {len(lines) - 4} more: golf jobs"] if len(lines) > 4 else []
    return "\n".join(["Before this session ends:", *lines[:4], *more])


def _session(event: Mapping[str, Any]) -> str:
    return str(event.get("session_id", ""))[:100]


def _reminded(event: Mapping[str, Any], state: State) -> list[str]:
    try:
        kept = json.loads((state.root / ".golf" / REMINDED).read_text(encoding="utf-8"))
        return kept["of"] if kept["session"] == _session(event) and isinstance(kept["of"], list) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _remember(event: Mapping[str, Any], state: State, said: list[str]) -> None:
    place = state.root / ".golf" / REMINDED
    beside = Path(f"{place}.{os.getpid()}.tmp")
    try:
        beside.write_text(json.dumps({"session": _session(event), "of": said}), encoding="utf-8")
        os.replace(beside, place)
    except OSError as error:
        state.problems.append(f"{REMINDED}: {error}")
