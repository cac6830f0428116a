"""`golf research …`: what others found is read in, graded, verified, and told in `program.md`."""

import argparse
import sys
from typing import TYPE_CHECKING

from golf.cli import field, recall, verb

if TYPE_CHECKING:
    from golf.research.refresh import Refreshed
    from golf.research.schedule import Health
    from golf.workspace import Workspace


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs of research."""
    group = verbs.add_parser(
        "research",
        help="what others found: read, grade and verify papers, pull requests, feeds and notes; keep program.md",
        description="What others found: papers, pull requests, feeds and notes, read in, graded against what is known "
        "here, and told in program.md.",
        epilog="then: golf research digest, golf next\n\nexample:\n  golf research refresh",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = group.add_subparsers(title="verbs", dest="research_verb", metavar="VERB", required=True)

    once = verb.add(
        inner,
        "refresh",
        refresh,
        "one turn: visit the sources that are due, grade everything, rewrite program.md's sections; a failing source "
        "costs the others nothing",
        "golf research refresh --only arxiv --only notes --force",
    )
    once.add_argument("--only", action="append", default=[], metavar="SOURCE", help="only this one (repeatable)")
    once.add_argument("--force", action="store_true", help="also what is not due yet")

    verb.add(
        inner,
        "watch",
        watch,
        "a turn whenever something is due, until interrupted: the batch every 6 hours, breaking news every hour",
        "golf research watch",
    )

    listing = verb.add(inner, "list", listed, "what was read, newest last", "golf research list --last 5")
    listing.add_argument("-n", "--last", type=verb.whole, default=20, metavar="N", help="items (default: 20)")

    judge = verb.add(
        inner,
        "grade",
        grade,
        "grade everything by the rules and list the best, with Codex's grades beside; or take Codex's grades",
        "golf research grade --prompt > prompt.md",
    )
    judge.add_argument("-n", "--limit", type=verb.whole, default=12, metavar="N", help="items to list (default: 12)")
    _asking(judge, "research-grade", "what has no second opinion yet")

    check = verb.add(
        inner,
        "verify",
        verify,
        "what was verified in full text; or take what verifying Tier A items came to",
        "golf research verify --accept answer.json",
    )
    _asking(check, "research-verification", "the best Tier A items that are not verified yet")

    write = verb.add(
        inner,
        "inject",
        inject,
        "rewrite the sections of program.md from what is known now; all else in it stays byte for byte",
        "golf research inject",
    )
    write.add_argument(
        "--begin", action="store_true", help="first add the sections to a program.md that has none, or make one"
    )

    verb.add(inner, "digest", digest, "what research knows, in at most 2,000 bytes", "golf research digest")
    field.register_inner(inner)
    recall.register(inner)


def _asking(parser: argparse.ArgumentParser, schema: str, what: str) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--prompt", action="store_true", help=f"print the prompt for Codex: {what} (answer: golf schema {schema})"
    )
    either.add_argument("--accept", metavar="FILE", help="take Codex's answer, all of it or nothing; - reads stdin")


def refresh(arguments: argparse.Namespace) -> int:
    """Exit 2 when every source that was visited failed."""
    from golf.report import render
    from golf.research import loop
    from golf.research import refresh as reading

    workspace = verb.opened()
    read = reading.refresh(workspace, arguments.only, force=arguments.force, say=told)
    try:
        done = loop.turn(workspace, read)
    except Exception:
        render.show(read, json=False, file=sys.stderr)  # what was read is kept, whatever becomes of the rest
        raise
    render.show(done, json=arguments.json)
    return 2 if done.has_failed else 0


def watch(arguments: argparse.Namespace) -> int:
    """Ctrl-C ends it."""
    import threading

    from golf.errors import UNUSABLE, explained
    from golf.research import loop
    from golf.research import refresh as reading

    workspace = verb.opened()

    def then(read: "Refreshed") -> None:
        try:
            closed = loop.close(workspace)
        except UNUSABLE as error:  # a marker that somebody broke: reading goes on
            print(f"golf research: {explained(error)}", file=sys.stderr)
        else:
            print(
                f"{read.new} new; {closed.tier_a} of {closed.graded} in Tier A; program.md {closed.program}",
                file=sys.stderr,
            )

    reading.watch(workspace, threading.Event(), say=told, then=then)
    return 0


def listed(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.report import render
    from golf.research import refresh as reading

    found, total = reading.listed(verb.opened(), arguments.last)
    render.show(found, json=arguments.json, empty=_NOTHING if not total else "none asked for")
    _left(len(found), total, "--last")
    return 0


def grade(arguments: argparse.Namespace) -> int:
    """The prompt alone is printed where it is asked for; exit 1 when there is nothing to ask."""
    from golf.report import render
    from golf.research import grades, loop

    workspace = verb.opened()
    if arguments.prompt:
        return _asked(loop.grading_prompt(workspace), "everything that was read has a second opinion", arguments.json)
    if arguments.accept:
        return _take(workspace, "research-grade", arguments)
    loop.grade(workspace)
    found = grades.opinions(workspace)
    shown = found[: arguments.limit]
    render.show(shown, json=arguments.json, empty=_NOTHING if not found else "none asked for")
    _left(len(shown), len(found), "--limit")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """As `grade`."""
    from golf.report import render
    from golf.research import blocks, loop, verified

    workspace = verb.opened()
    if arguments.prompt:
        return _asked(loop.verifying_prompt(workspace), "every Tier A item is verified", arguments.json)
    if arguments.accept:
        return _take(workspace, "research-verification", arguments)
    render.show(blocks.best_verified(verified.read(workspace)), json=arguments.json, empty="nothing was verified yet")
    return 0


def inject(arguments: argparse.Namespace) -> int:
    """Exit 2 where there is no program.md, or a marker in it is wrong."""
    from golf.report import render
    from golf.research import loop, sections

    workspace = verb.opened()
    if arguments.begin:
        sections.begin_file(sections.program(workspace))
    render.show(loop.inject(workspace), json=arguments.json)
    return 0


def digest(arguments: argparse.Namespace) -> int:
    """Plain text, as the tool gives it."""
    from golf.report import render, words
    from golf.research import knowledge

    found = knowledge.brief(verb.opened())
    if arguments.json:
        render.show(found, json=True)
    else:
        words.write_lines(sys.stdout, [words.clean(line) for line in found.digest.splitlines()])
    return 0


_NOTHING = "nothing was read yet: golf research refresh"


def _left(shown: int, total: int, option: str) -> None:
    if shown < total:
        print(f"{shown} of {total}; {option} {total} lists them all", file=sys.stderr)


def _asked(prompt: str | None, nothing: str, as_json: bool) -> int:
    from golf.report import render
    from golf.research.prompt import Prompt

    if prompt is None:
        print(f"golf research: nothing to ask: {nothing}. golf research refresh reads more in", file=sys.stderr)
        return 1
    if as_json:
        render.show(Prompt(prompt=prompt), json=True)
    else:
        print(prompt)
    return 0


def _take(workspace: "Workspace", schema: str, arguments: argparse.Namespace) -> int:
    from golf import answers
    from golf.cli.pipelines import read_file
    from golf.report import render
    from golf.research import second_opinion

    answer = answers.read(schema, read_file(arguments.accept, answers.ANSWER_BYTES_MAX + 1))
    render.show(second_opinion.judge(workspace, answer.model_dump()["items"]), json=arguments.json)
    return 0


def told(health: "Health") -> None:
    """A source's end, as progress."""
    found = f"{health.items} found, {health.new} new" if health.state == "ok" else health.state
    why = f": {health.error}" if health.error else ""
    print(f"{health.name}: {found} ({health.seconds:.1f} s){why}", file=sys.stderr)
