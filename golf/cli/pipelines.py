"""`golf schema`, `golf accept`, `golf summary`, `golf triage`, `golf ci`: what pipelines and CI call."""

import argparse
import sys
from pathlib import Path

from golf import leftovers
from golf.cli import verb
from golf.schema import Job, Noun


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs that work without anybody watching."""
    shape = verb.add(
        verbs,
        "schema",
        schema,
        "the JSON Schema for `codex exec --output-schema`; without a name, which there are",
        "golf schema review",
    )
    shape.add_argument("name", nargs="?", help="a schema's name")

    take = verb.add(
        verbs,
        "accept",
        accept,
        "check what Codex answered against its schema, which Codex does not",
        "golf accept experiment-summary answer.json",
    )
    take.add_argument("schema", help="a schema's name; see: golf schema")
    take.add_argument("file", help="the answer, as `codex exec -o` wrote it; - reads stdin")
    take.add_argument(
        "--facts", metavar="FILE", help="of a summary or triage: the model-free one; refuse numbers that differ from it"
    )
    take.add_argument("--record", action="store_true", help="of a review: record the verdict, as record_note would")
    take.add_argument("--by", default="critic", metavar="WHO", help="with --record: who reached it (default: critic)")

    ranked = verb.add(
        verbs,
        "summary",
        summary,
        "finished runs ranked and explained without a model: gains against noise, crashes, anomalies, what to look at",
        "golf summary --last 10",
    )
    ranked.add_argument("--last", type=verb.whole, metavar="N", help="only the N newest runs (default: all)")
    ranked.add_argument("--tier", help="only this tier (default: every tier, ranked by itself)")
    ranked.add_argument("-n", "--limit", type=verb.whole, default=20, help="runs to list (default: 20)")

    sort = verb.add(
        verbs,
        "triage",
        triage,
        "many submissions at a glance: verdicts with evidence lines, techniques, copies, ranks by credible score",
        "golf triage records/ --page bulletin.md",
    )
    sort.add_argument(
        "folder", type=Path, help="a folder of submissions, or a Git clone with pull-request refs; nothing in it is run"
    )
    sort.add_argument("--page", type=Path, metavar="FILE", help="write the bulletin there, Markdown")
    sort.add_argument("--data", type=Path, metavar="FILE", help="write all of it there, JSON: notes and rules too")
    sort.add_argument(
        "--index",
        type=Path,
        metavar="FILE",
        help="what was judged before, so that a second run reads only what is new (default: the workspace's, if any)",
    )
    sort.add_argument("--workers", type=verb.count, metavar="N", help="processes (default: one per core)")
    sort.add_argument("--limit", type=verb.positive, metavar="S", help="seconds for one submission (default: 60)")

    changed = verb.add(
        verbs,
        "ci",
        ci,
        "play every changed experiment on a smoke tier and compare it with a baseline file",
        "golf ci --since origin/main --baseline configs/baseline.yaml",
    )
    changed.add_argument("--since", metavar="REF", help="commit, tag or branch (default: the commit before HEAD)")
    changed.add_argument(
        "--baseline", type=Path, metavar="FILE", help="default: configs/baseline.yaml where there is one"
    )
    changed.add_argument("--tier", default="smoke", help="a free local tier of golf.toml (default: smoke)")
    changed.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="where the page goes (default: outputs/eval_report.md in the workspace)",
    )
    changed.add_argument(
        "--write-baseline",
        action="store_true",
        help="make the numbers measured now the baseline file, instead of comparing",
    )


EXAMPLES = {"--page": ".md", "--data": ".json", "--index": ".db"}


class Schema(Noun):
    """One schema that Codex can be asked to answer in."""

    name: str
    description: str


def schema(arguments: argparse.Namespace) -> int:
    """A schema is JSON with and without `--json`."""
    from golf import answers
    from golf.report import render

    if arguments.name:
        sys.stdout.write(answers.text(arguments.name))
        return 0
    known = [Schema(name=name, description=answers.schema(name)["description"]) for name in answers.ANSWERS]
    render.show(known, json=arguments.json)
    return 0


def accept(arguments: argparse.Namespace) -> int:
    """Exit 0 with the answer, 2 with a line for each thing that is wrong with it."""
    from golf import answers
    from golf.errors import BadConfig
    from golf.play import review
    from golf.report import render

    answers.answer(arguments.schema)  # a wrong name first, then a wrong file
    if arguments.record and arguments.schema != "review":
        raise BadConfig(f"--record takes a verdict; a {arguments.schema} answer is none")
    answer = answers.read(arguments.schema, read_file(arguments.file, answers.ANSWER_BYTES_MAX + 1))
    if arguments.facts:
        facts = answers.read(arguments.schema, read_file(arguments.facts, answers.ANSWER_BYTES_MAX + 1))
        if wrong := answers.contradictions(answer, facts):
            raise BadConfig("\n".join([f"the answer is not what was measured ({arguments.facts}):", *wrong[:20]]))
    if arguments.record:
        assert isinstance(answer, answers.Review)
        review.accept(verb.opened(), answer, by=arguments.by)
        print(f"recorded: {answer.verdict} of {answer.experiment}", file=sys.stderr)
    shown = answers.tally(answer) if isinstance(answer, answers.ResearchGrade) else answer
    render.show(shown, json=arguments.json, empty="nothing was graded")
    return 0


def summary(arguments: argparse.Namespace) -> int:
    """In the shape of an experiment-summary answer."""
    from golf.play import summary as runs
    from golf.report import render

    found = runs.summarise(verb.opened(), last=arguments.last, tier=arguments.tier, limit=arguments.limit)
    render.show(found, json=arguments.json)
    return 0


def triage(arguments: argparse.Namespace) -> int:
    """Exit 1 when a submission is blocked, 2 when none could be judged; needs no workspace."""
    from golf import durable
    from golf.errors import BadConfig
    from golf.referee import triage as referee
    from golf.referee import workers
    from golf.report import progress, render

    for option, file in (("--page", arguments.page), ("--data", arguments.data), ("--index", arguments.index)):
        if file is not None and file.is_dir():
            raise BadConfig(
                f"{option} {file} is a folder: give a file, e.g. {option} {file / f'triage{EXAMPLES[option]}'}"
            )
    with leftovers.asked_to_end(), progress.progress("triage") as bar:
        field = referee.survey(
            arguments.folder,
            index=arguments.index or _index(),
            num_workers=arguments.workers,
            limit_s=arguments.limit or workers.LIMIT_S,
            on_progress=lambda done, total: bar.update("judged", done, total, unit="submission"),
        )
    if arguments.page:
        durable.replace(arguments.page, referee.bulletin(field))
    if arguments.data:
        durable.replace(arguments.data, field.model_dump_json(indent=2))
    found = referee.triaged(field)
    render.show(found, json=arguments.json)
    if not any(entry.ruling.examined for entry in field.entries):
        print(f"golf triage: none of {len(field.entries)} submissions was judged: see their findings", file=sys.stderr)
        return 2
    return 1 if any(entry.verdict == "block" for entry in found.submissions) else 0


def _index() -> Path | None:
    """Where the workspace keeps what was judged; None where there is none, or it cannot be written."""
    from golf.errors import NotFound
    from golf.workspace import Workspace

    try:
        place = Workspace.find().state / "triage"
        place.mkdir(parents=True, exist_ok=True)
    except (NotFound, OSError):
        return None
    return place / "index.db"


def ci(arguments: argparse.Namespace) -> int:
    """Exit 0 when all is well, 1 on a regression, 2 when something could not be measured."""
    from golf import durable
    from golf.play import regressions
    from golf.report import answers as views
    from golf.report import render

    workspace = verb.opened()
    target = arguments.baseline or workspace.root / regressions.BASELINE
    with render.progress("golf ci") as bar:
        playing = ""

        def begin(name: str) -> None:
            nonlocal playing
            playing = name

        def poll(job: Job) -> None:
            if job.phase is not None:  # begun, and not over
                bar.update(f"{playing}: {job.phase}", job.step or 0, job.iterations)

        evaluated = regressions.evaluate(
            workspace,
            since=arguments.since,
            baseline_file=arguments.baseline,
            tier=arguments.tier,
            is_compared=not arguments.write_baseline,
            on_start=begin,
            on_poll=poll,
        )
    place = arguments.report or workspace.root / "outputs" / "eval_report.md"
    durable.replace(place, views.page(evaluated))
    render.show(evaluated, json=arguments.json)
    print(f"report: {place}", file=sys.stderr)
    if arguments.write_baseline:
        regressions.keep(target, evaluated)
        print(f"baseline: {target}", file=sys.stderr)
    return {"pass": 0, "regression": 1, "not measured": 2}[evaluated.verdict]


def read_file(file: str, most: int) -> bytes:
    """At most `most` bytes of an answer; `-` is stdin."""
    from golf.errors import NotFound, UnreadableInput

    if file == "-":
        return sys.stdin.buffer.read(most)
    path = Path(file)
    if not path.exists():
        raise NotFound(f"there is no {file}: Codex writes its answer there with -o, and nothing when it fails before")
    if not path.is_file():
        raise UnreadableInput(f"{file} is not a file with an answer")
    with path.open("rb") as opened:
        return opened.read(most)
