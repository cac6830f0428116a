"""How the referee's nouns are shown; whatever a stranger wrote is cleaned by the writer."""

from golf.report import render
from golf.report.render import Fact, Table, View
from golf.rulings import (
    Audit,
    ByteAudit,
    Certificate,
    Comparison,
    Evidence,
    Finding,
    Fit,
    Ruling,
    SizePrediction,
    Submission,
)


def place(evidence: Evidence) -> str:
    """`file:line: quote`, as an editor and a reader take it."""
    where = evidence.file if evidence.line is None else f"{evidence.file}:{evidence.line}"
    return f"{where}: {evidence.quote}"


@render.view.register
def _(noun: Ruling) -> View:
    return View(
        f"ruling on {noun.submission.folder}",
        [
            Fact("verdict", noun.verdict),
            Fact("reason", noun.reason),
            Fact("examined", ", ".join(noun.examined) or "nothing"),
            *[Fact("not_examined", part) for part in noun.not_examined],
            *_numbers(noun.submission),
            *[Fact("technique", name) for name in noun.techniques],
            *[fact for finding in noun.findings for fact in _finding(finding)],
        ],
    )


def _finding(finding: Finding) -> list[Fact]:
    return [
        Fact(finding.severity, f"{finding.code} ({finding.confidence:.0%}): {finding.text}"),
        *[Fact("  at", place(evidence)) for evidence in finding.evidence],
        Fact("  rule", finding.rule),
        Fact("  clears", finding.clears),
    ]


def _numbers(noun: Submission) -> list[Fact | Table]:
    stated = (
        ("author", noun.author or noun.github_id), ("pr", noun.pr), ("track", noun.track), ("hardware", noun.hardware),
        ("parents", ", ".join(noun.parents) or None), ("claimed_val_bpb", noun.claimed_val_bpb),
        ("claimed_from", noun.claimed_from), ("val_bpb", noun.val_bpb), ("val_bpb_std", noun.val_bpb_std),
        ("artifact_bytes", noun.artifact_bytes),
    )  # fmt: skip
    rows = [
        (str(seed.seed), seed.val_bpb, seed.artifact_bytes, seed.train_time_s, seed.eval_time_s, seed.steps, seed.log)
        for seed in noun.seeds
    ]
    columns = ("seed", "val_bpb", "artifact_bytes", "train_time_s", "eval_time_s", "steps", "log")
    return [Fact(key, value) for key, value in stated if value is not None] + [Table("seed", columns, rows)]


@render.view.register
def _(noun: Submission) -> View:
    missing = [Fact(f"no {name}", reason) for name, reason in noun.missing.items()]
    return View(f"submission {noun.folder}", [*_numbers(noun), *missing])


@render.view.register
def _(noun: Certificate) -> View:
    facts = {name: value for name, value in noun if not isinstance(value, list) and name not in ("verdict", "reason")}
    return View(
        f"certificate of {noun.target}",
        [
            Fact("verdict", noun.verdict),
            Fact("reason", noun.reason),
            *[Fact(name, value) for name, value in facts.items() if value is not None],
            *[Fact("setting", line) for line in noun.settings],
            *[Fact("confinement", line) for line in noun.confinement],
            *[Fact("not_confined", line) for line in noun.unconfined],
        ],
    )


@render.view.register
def _(noun: Audit) -> View:
    numbers = ("nats_per_token", "noise_nats", "hidden_gain_nats", "hidden_gain_bpb")
    probes = [
        (one.name, one.outcome, one.num_positions, one.num_scored, one.worst, one.tolerance, one.share_max, one.text)
        for one in noun.probes
    ]
    return View(
        f"audit of {noun.target}",
        [
            Fact("verdict", noun.verdict + _unseen(noun)),
            Fact("reason", noun.reason),
            *[Fact("breach", f"{one.probe} at token {one.position}: {one.text}") for one in noun.breaches],
            Fact("text", noun.text),
            *[Fact(name, value) for name in numbers if (value := getattr(noun, name)) is not None],
            Table(
                "probe",
                ("probe", "_outcome", "positions", "scored", "worst", "tolerance", "share_max", "_reason"),
                probes,
            ),
            *[Fact("confinement", line) for line in noun.confinement],
            *[Fact("not_confined", line) for line in noun.unconfined],
            *[Fact("note", note) for note in noun.notes],
        ],
    )


def _unseen(noun: Audit) -> str:
    """`causal` alone would say more than a sample can."""
    if noun.hidden_gain_nats is None:
        return ""
    return f", unless by at most {noun.hidden_gain_nats:.2g} nats per token at positions not asked about"


@render.view.register
def _(noun: Comparison) -> View:
    sides = [
        (letter, side.name, side.mean_bpb, side.std_bpb, str(side.num_seeds))
        for letter, side in (("a", noun.a), ("b", noun.b))
    ]
    settled = (
        ("gain_bpb", noun.gain_bpb), ("gain_nats", noun.gain_nats), ("bar_bpb", noun.bar_bpb), ("p", noun.p),
        ("p_at_bar", noun.p_at_bar), ("looks", noun.looks), ("p_corrected", noun.p_corrected),
        ("meets_written_bar", noun.meets_written_bar), ("meets_applied_bar", noun.meets_applied_bar),
        ("more_seeds_written", noun.more_seeds_written), ("more_seeds_applied", noun.more_seeds_applied),
    )  # fmt: skip
    return View(
        f"{noun.a.name} against {noun.b.name}",
        [
            Fact("verdict", noun.verdict),
            Fact("reason", noun.reason),
            Table("side", ("side", "_name", "val_bpb", "val_bpb_std", "seeds"), sides),
            *[Fact(name, "unknown" if value is None else value) for name, value in settled],
            *[Fact("warning", line) for line in noun.warnings],
        ],
    )


@render.view.register
def _(noun: SizePrediction) -> View:
    rows = [
        (one.name, one.params or None, one.bits, one.bits_stored, one.low_bytes, one.bytes, one.high_bytes)
        for one in noun.parts
    ]
    return View(
        "predicted size",
        [
            Fact("verdict", noun.verdict),
            Fact("reason", noun.reason),
            Fact("params", sum(one.params for one in noun.parts)),
            Fact("codec", noun.codec),
            Table("part", ("part", "params", "bits", "bits_stored", "low_bytes", "bytes", "high_bytes"), rows),
            *[Fact("note", note) for note in noun.notes],
        ],
    )


@render.view.register
def _(noun: Fit) -> View:
    return View("does it fit", [Fact(name, value) for name, value in noun])


@render.view.register
def _(noun: ByteAudit) -> View:
    facts = {name: value for name, value in noun if not isinstance(value, list) and value is not None}
    return View(
        f"byte audit of {noun.table}",
        [
            *[Fact(name, value) for name, value in facts.items()],
            Table(
                "defect",
                tuple(type(noun.defects[0]).model_fields) if noun.defects else (),
                [tuple(value for _, value in defect) for defect in noun.defects],
            ),
            *[Fact("lost", line) for line in noun.lost],
            *[Fact("note", note) for note in noun.notes],
        ],
    )
