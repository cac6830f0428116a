"""What must not be left open when a turn ends: runs that ended unrecorded, money that is set aside.

It reminds once of each thing, and never of a turn that a reminder started: a hook that always blocks would
keep Codex turning for ever.
"""

from collections.abc import Mapping
from typing import Any

from golf.hooks.state import State, clean, head

REMINDED = "reminded"
"""In `.golf`: what was reminded of, one a line."""

REMINDED_MAX = 1 << 20
"""Bytes of it that are read."""


def reminder(event: Mapping[str, Any], state: State) -> str | None:
    """Why the turn should go on; None lets it end."""
    if event.get("stop_hook_active"):
        return None
    said = {
        f"job {clean(job)}": f"- job {clean(job, 40)} ({clean(experiment, 60)}) {how.replace('_', ' ')}, and the "
        "ledger does not have it: job_status records it; then say in a sentence what was learned (record_note)."
        for job, experiment, how in state.unrecorded
    }
    alive = {job.id for job in state.jobs if job.is_alive}
    for run, tier, usd in state.leases:
        what = "it is still on: wait_for_job" if run in alive else "nothing is running for it: job_status"
        said[f"lease {clean(run)}"] = (
            f"- ${usd:,.2f} are set aside for {clean(run, 40)} on {clean(tier, 20)}, and {what}, or cancel_job."
        )
    place = state.root / ".golf" / REMINDED
    new = said.keys() - set(head(place, REMINDED_MAX).splitlines()) if said else set()
    if not new:
        return None
    try:
        with open(place, "a", encoding="utf-8") as file:
            file.writelines(f"{key}\n" for key in sorted(new))
    except OSError as error:
        state.problems.append(f"{REMINDED}: {error}")
    lines = [line for key, line in said.items() if key in new]
    more = [f"- and {len(lines) - 4} more: golf jobs"] if len(lines) > 4 else []
    return "\n".join(["Before this session ends:", *lines[:4], *more])
