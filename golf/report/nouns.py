"""How the nouns of `golf.schema` are shown: artifact, evaluation, budget, job, promotion, result and the ledger."""

from collections.abc import Sequence
from typing import Any

from golf.report import render
from golf.report.render import Fact, Table, View
from golf.report.words import word
from golf.schema import Artifact, Budget, Evaluation, History, Job, Promotion, Result, SubmissionPlan


def _notes(notes: Sequence[str]) -> list[Fact]:
    return [Fact("note", note) for note in notes]


@render.view.register
def _(noun: Artifact) -> View:
    return View(
        f"artifact {noun.path}",
        [
            Fact("artifact_bytes", noun.artifact_bytes),
            Fact("headroom", noun.headroom_bytes),
            Fact("status", noun.status),
            Fact("accounting", noun.accounting),
            Fact("limit_bytes", noun.limit_bytes),
            Fact("code_bytes", noun.code_bytes),
            Fact("model_bytes", noun.model_bytes),
            *([Fact("tokenizer_bytes_not_counted", noun.tokenizer_bytes)] if noun.tokenizer_bytes else []),
            Table(
                "part",
                ("path", "bytes", "_kind", "_counted_as"),
                [(part.path, part.bytes, part.kind, part.counted_as) for part in noun.parts],
            ),
            Table(
                "total",
                ("other accounting", "artifact_bytes"),
                [(name, total) for name, total in noun.totals.items() if name != noun.accounting],
            ),
            Table(
                "codec",
                ("codec", "model_bytes", "saved_bytes"),
                [(saving.codec, saving.bytes, saving.saved_bytes) for saving in noun.savings],
            ),
            *_notes(noun.notes),
        ],
    )


@render.view.register
def _(noun: Evaluation) -> View:
    scored = f"first {noun.scored_tokens} of {noun.total_tokens} tokens"
    return View(
        f"evaluation of {noun.checkpoint}",
        [
            Fact("val_bpb", f"{noun.val_bpb:.8f}"),
            Fact("val_loss", f"{noun.val_loss:.8f}"),
            Fact("subset" if noun.is_subset else "scored", scored if noun.is_subset else "whole split"),
            Fact("scored_tokens", noun.scored_tokens),
            Fact("scored_bytes", noun.scored_bytes),
            Fact("seq_len", noun.seq_len),
            Fact("stride", noun.stride),
            Fact("byte_source", noun.byte_source),
            Fact("dtype", noun.dtype),
            Fact("device", noun.device),
            Fact("forward", noun.forward),
            Fact("eval_time_s", noun.eval_time_s),
            Fact("peak_memory_bytes", noun.peak_memory_bytes),
            Fact("checkpoint_sha256", noun.checkpoint_sha256),
            *[Fact("shard", shard) for shard in noun.shards],
            *_notes(noun.notes),
        ],
    )


@render.view.register
def _(noun: Budget) -> View:
    return View(
        "budget",
        [
            Fact("verdict", noun.verdict),
            Fact("allowed", noun.allowed),
            Fact("message", noun.message),
            Fact("total_usd", noun.total_usd),
            Fact("spent_usd", noun.spent_usd),
            Fact("reserved_usd", noun.reserved_usd),
            Fact("remaining_usd", noun.remaining_usd),
            Fact("reserve_usd", noun.reserve_usd),
            Fact("run_cost_usd", noun.run_cost_usd),
            Fact("runs_left", noun.runs_left),
            Fact("next_allowed_at", noun.next_allowed_at or "now"),
        ],
    )


@render.view.register
def _(noun: Job) -> View:
    return View(
        f"job {noun.id}",
        [
            Fact("id", noun.id),
            Fact("kind", noun.kind),
            Fact("subject", noun.subject),
            Fact("backend", noun.backend),
            Fact("state", noun.state),
            Fact("phase", noun.phase),
            Fact("progress", _progress_of(noun)),
            *[Fact(name, value) for name, value in noun.metrics.items()],
            Fact("message", noun.message or None),
            Fact("created_at", noun.created_at),
            Fact("started_at", noun.started_at),
            Fact("ended_at", noun.ended_at),
            Fact("heartbeat_age_s", noun.heartbeat_age_s),
            Fact("cost_usd", noun.cost_usd),
            Fact("exit_code", noun.exit_code),
            Fact("folder", noun.folder),
        ],
    )


def _progress_of(job: Job) -> str | None:
    if job.step is None:
        return None
    return f"step {job.step}/{job.iterations}" if job.iterations else f"step {job.step}"


@render.view.register
def _(noun: Promotion) -> View:
    return View(f"promotion of {noun.experiment}", [Fact("experiment", noun.experiment), *_promotion_blocks(noun)])


@render.view.register
def _(noun: SubmissionPlan) -> View:
    return View(
        f"dry run: {noun.experiment} on {noun.tier}",
        [
            Fact("paid_tier", noun.tier),
            Fact("backend", noun.backend),
            *([Fact("missing", noun.missing)] if noun.missing else []),
            Fact("command", " ".join(noun.command)),
            Fact("seeds", noun.seeds),
            Fact("machines", noun.machines),
            Fact("commit", noun.commit[:12]),
            Fact("files", noun.files),
            Fact("files_bytes", noun.files_bytes),
            *[Fact("largest", path) for path in noun.largest],
            *[Fact("setting", f"{key}={value}") for key, value in sorted(noun.settings.items())],
            Fact("time_limit_s", noun.time_limit_s),
            Fact("hourly_usd", noun.hourly_usd),
            Fact("at_most_usd", noun.at_most_usd),
            *[Fact(f"asked.{key}", value) for asked in noun.asked[:1] for key, value in asked.items()],
            *_promotion_blocks(noun.promotion),
        ],
    )


def _promotion_blocks(noun: Promotion) -> list[Fact | Table]:
    verdicts = {"pass": "pass", "fail": "FAIL", "unknown": "unknown"}
    return [
        Fact("tier", noun.tier),
        Fact("decision", noun.decision),
        Fact("promoted", noun.promoted),
        Fact("reason", noun.reason),
        Fact("val_bpb", noun.val_bpb),
        Fact("baseline", noun.baseline),
        Fact("baseline_bpb", noun.baseline_bpb),
        Fact("improvement", noun.improvement),
        Fact("noise_seeds", noun.noise.num_seeds),
        Fact("noise_std_bpb", noun.noise.std_bpb),
        Fact("noise_threshold_bpb", noun.noise.threshold_bpb),
        Fact("line_delta", noun.line_delta),
        Table(
            "gate",
            ("gate", "_verdict", "value", "limit", "_reason"),
            [(gate.name, verdicts[gate.verdict], gate.value, gate.limit, gate.reason) for gate in noun.gates],
        ),
    ]


@render.view.register
def _(noun: Result) -> View:
    blocks: list[Fact | Table] = [
        Fact("experiment", noun.experiment),
        Fact("status", noun.status),
        Fact("promoted", noun.promoted),
        *([Fact("error", noun.error)] if noun.error else []),
        Fact("val_bpb", noun.val_bpb),
        Fact("val_bpb_std", noun.val_bpb_std),
        Fact("artifact_bytes", noun.artifact_bytes),
        Fact("headroom", noun.headroom_bytes),
        Fact("train_time_s", noun.train_time_s),
        Fact("eval_time_s", noun.eval_time_s),
        Fact("memory_gb", noun.memory_gb),
        Fact("cost_usd", noun.cost_usd),
        Fact("tier", noun.tier),
        Fact("hypothesis", noun.hypothesis),
        Fact("commit", noun.commit),
        Fact("run_id", noun.run_id),
        Fact("finished_at", noun.finished_at),
        Table(
            "seed",
            ("seed", "val_bpb", "artifact_bytes", "train_time_s", "eval_time_s", "steps"),
            [
                (str(one.seed), one.val_bpb, one.artifact_bytes, one.train_time_s, one.eval_time_s, one.steps)
                for one in noun.seeds
            ],
        ),
        Table("reference", ("reference", "val_bpb"), sorted(noun.reference_bpb.items(), key=lambda item: -item[1])),
    ]
    if noun.promotion is not None:
        said = {"tier", "decision", "promoted", "val_bpb"}
        blocks += [b for b in _promotion_blocks(noun.promotion) if isinstance(b, Table) or b.key not in said]
    return View(f"result of {noun.experiment}", [*blocks, *_notes(noun.notes)])


@render.view.register
def _(noun: History) -> View:
    if not noun.rows:
        return View("history", [Fact("rows", "none yet. Play one: golf run EXPERIMENT"), Fact("path", noun.path)])
    winners = {index for index, one in enumerate(noun.rows) if one == noun.best}
    table = render.listing(noun.rows, winners=winners)
    assert table is not None  # all are rows
    blocks: list[Fact | Table] = [table]
    if noun.best is not None and not winners:
        blocks.append(Fact("best", f"{word('val_bpb', noun.best.val_bpb)} {noun.best.commit} {noun.best.description}"))
    if noun.total > len(noun.rows):
        blocks.append(Fact("shown", f"{len(noun.rows)} of {noun.total} rows; all of them: {noun.path}"))
    return View("history", blocks)


# --- in a list


@render.row.register
def _(noun: Job) -> dict[str, Any]:
    return {
        "id": noun.id,
        "kind": noun.kind,
        "subject": noun.subject,
        "state": noun.state,
        "progress": _progress_of(noun),
        "val_bpb": noun.metrics.get("val_bpb"),
        "cost_usd": noun.cost_usd,
        "created_at": noun.created_at,
        "message": noun.message or noun.phase,
    }


@render.row.register
def _(noun: Result) -> dict[str, Any]:
    return {
        "experiment": noun.experiment,
        "tier": noun.tier,
        "val_bpb": noun.val_bpb,
        "val_bpb_std": noun.val_bpb_std,
        "artifact_bytes": noun.artifact_bytes,
        "status": noun.status,
        "promoted": noun.promoted,
        "cost_usd": noun.cost_usd,
        "hypothesis": noun.hypothesis,
    }


@render.row.register
def _(noun: Promotion) -> dict[str, Any]:
    return {
        "experiment": noun.experiment,
        "tier": noun.tier,
        "val_bpb": noun.val_bpb,
        "baseline": noun.baseline,
        "improvement": noun.improvement,
        "decision": noun.decision,
        "promoted": noun.promoted,
        "reason": noun.reason,
    }
