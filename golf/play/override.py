"""A person's word that lets one state of one experiment past one named gate: with a name and a reason, on record.

It holds for the change it was given for, and for nothing that is edited or played afterwards. Whether evidence is
what was measured, and whether there is money and time, is not for it: those are facts, and numbers in golf.toml.
"""

from pathlib import Path
from typing import get_args

from golf.errors import BadConfig
from golf.play import change, experiments, notes
from golf.schema import Gate, Note, OverridableGate, Promotion
from golf.workspace import Workspace

GATES: tuple[OverridableGate, ...] = get_args(OverridableGate)


def record(workspace: Workspace, name: str, gate: str, *, by: str, reason: str) -> Note:
    """Let an experiment, as it stands now, past a gate.

    Raises:
        BadConfig: no such gate, nobody's name, or no reason.
    """
    if gate not in GATES:
        raise BadConfig(
            f"gate {gate!r} cannot be overridden, only: {', '.join(GATES)}. Money and pace: [budget] in golf.toml"
        )
    folder = experiments.find(workspace, name)
    return notes.add(
        workspace,
        by=by,
        kind="override",
        text=reason,
        experiment=folder.name,
        target=_target(gate),
        diff_sha256=change.diff_sha256(workspace, folder),
    )


def applied(workspace: Workspace, folder: Path, promotion: Promotion) -> Promotion:
    """The same judgement with what was overridden for this state of the experiment let pass, and said."""
    closed = {_target(gate.name): gate for gate in promotion.gates if gate.verdict != "pass" and gate.name in GATES}
    words = [note for note in notes.read(workspace) if note.experiment == folder.name and note.target in closed]
    now = change.diff_sha256(workspace, folder) if words else None
    past: dict[str, Gate] = {}
    for note in words:
        if note.kind == "override" and note.by.startswith("human:") and note.diff_sha256 == now:
            gate = closed[note.target or ""]
            told = f"overridden by {note.by.removeprefix('human:')}: {note.text} (it said: {gate.reason})"
            past[gate.name] = gate.model_copy(update={"verdict": "pass", "reason": told})
    if not past:
        return promotion
    gates = [past.get(gate.name, gate) for gate in promotion.gates]
    blocking = [gate for gate in gates if gate.verdict == "fail"]
    shown = blocking or list(past.values())
    verdicts = {gate.name: gate.verdict for gate in gates}
    promoted = not blocking and verdicts["promotion"] == "pass"
    return promotion.model_copy(
        update={
            "gates": gates,
            "promoted": promoted,
            "reason": f"{'Promoted' if promoted else 'Not promoted'}: "
            + "; ".join(f"{gate.name}: {gate.reason}" for gate in shown)
            + ".",
        }
    )


def _target(gate: str) -> str:
    return f"gate:{gate}"
