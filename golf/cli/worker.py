"""A job's own process: `python -m golf.cli.worker JOB_FOLDER`, started by the supervisor.

Reads request.json, does the work, writes outcome.json. Tracking goes on beside it, and the report comes after the
record: they may fail without costing a result, and then output.log says why.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from golf.errors import GolfError
from golf.jobs import progress
from golf.schema import Result
from golf.workspace import Workspace


def main(folder: Path) -> int:
    """Exit 0 when there is a result, else the error's code; the reason goes to outcome.json."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that worktrees are cleaned up
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    workspace = Workspace(Path(spec["workspace"]))
    status = progress.Status(folder)
    try:
        if "experiment" in request:
            _run(workspace, request, spec["job_id"], status)
        else:
            _evaluate(request, folder, status)
    except GolfError as error:
        status.outcome(str(error))
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _run(workspace: Workspace, request: dict[str, Any], job_id: str, status: progress.Status) -> None:
    from golf.desk.tracking import attend
    from golf.play import run
    from golf.play.replay import Replay

    orders, salvaged = request.get("replay"), request.get("salvaged")
    replay = None if orders is None else Replay.model_validate(orders)
    with attend.attended(workspace, job_id):
        result = run.play(
            workspace,
            request["experiment"],
            request.get("run_id", job_id),  # a lost run is concluded as itself
            status,
            replay,
            Path(salvaged) if salvaged else None,
        )
        status.outcome(
            f"val_bpb {result.val_bpb:.4f}, {result.artifact_bytes} bytes: {result.status}",
            {"experiment": result.experiment, "val_bpb": result.val_bpb, "status": result.status},
        )
        status.phase("reporting")
        _report(workspace, result)


def _report(workspace: Workspace, result: Result) -> None:
    from golf.play import experiments
    from golf.report import evidence

    folder = workspace.experiments / result.experiment
    there = experiments.read_result(folder)
    if there is None or there.run_id != result.run_id:  # concluded late: the folder is a newer run's
        return
    for step in (evidence.write_report, _wonder):
        try:
            step(workspace, folder)
        except Exception as error:  # the result stands; a picture or a tracker must not cost it
            print(f"{step.__name__}: {error}", file=sys.stderr)


def _wonder(workspace: Workspace, folder: Path) -> None:
    """A paid result worse than its local one foretold is a question to whoever reads the notes."""
    from golf.play import experiments, transfer

    if (result := experiments.read_result(folder)) is not None:
        transfer.note_surprise(workspace, result)


def _evaluate(request: dict[str, object], folder: Path, status: progress.Status) -> None:
    from golf.measure import bpb

    arguments = {
        key: Path(str(value)) if key in ("checkpoint", "script", "data", "tokenizer") else value
        for key, value in request.items()
    }
    metrics = folder / "metrics.jsonl"
    status.phase("evaluating", metrics=[metrics])
    with open(metrics, "a", buffering=1) as file:

        def report(done: int, total: int) -> None:
            print(json.dumps({"step": done, "iterations": total}), file=file)

        evaluation = bpb.evaluate_bpb(**arguments, scratch=folder / "score", progress=report)  # type: ignore[arg-type] # JSON
    status.outcome(
        f"val_bpb {evaluation.val_bpb:.6f} over {evaluation.scored_tokens} tokens", evaluation.model_dump(mode="json")
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
