"""The demonstration round as people read it: scores against plain compressors, gates, places, next steps."""

from golf.data.course import Course
from golf.play.demo import Round
from golf.report.render import Fact, Table, View, view


def describe(course: Course) -> str:
    """The course in one line."""
    train, validation = course.manifest.train, course.manifest.validation
    return (
        f"Python's own documentation, {train.num_documents:,} documents and {train.num_bytes:,} bytes to train on, "
        f"{validation.num_documents:,} documents and {validation.num_bytes:,} bytes to be scored on"
    )


@view.register
def _(noun: Round) -> View:
    compressors = [(f"{name} (plain compressor)", bpb, None, None, "") for name, bpb in noun.reference_bpb.items()]
    played = [(one.experiment, one.val_bpb, one.artifact_bytes, one.train_time_s, one.status) for one in noun.results]
    gates = {"pass": "pass", "fail": "FAIL", "unknown": "unknown"}
    return View(
        "a round of Parameter Golf",
        [
            Fact("text", noun.text),
            Table(
                "score",
                ("who", "val_bpb", "artifact_bytes", "train_time_s", "status"),
                sorted([*compressors, *played], key=lambda line: -(line[1] or 0.0)),
            ),
            Table(
                "gate",
                ("gate", "_verdict", "value", "limit", "_reason"),
                [(one.name, gates[one.verdict], one.value, one.limit, one.reason) for one in noun.promotion.gates],
            ),
            Fact("decision", noun.promotion.reason),
            Fact("verdict", noun.verdict),
            Fact("took_s", noun.elapsed_s),
            Fact("workspace", noun.folder),
            Fact("ledger", f"{noun.folder}/results.tsv"),
            Fact("report", f"{noun.folder}/experiments/{noun.results[-1].experiment}/report.md"),
            Fact("picture", noun.picture),
            *(Fact("next", command) for command in noun.next),
        ],
    )
