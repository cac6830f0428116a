"""`golf research refresh`, `golf research watch`, `golf research list`: what others found, read in."""

import argparse
import sys
from typing import TYPE_CHECKING

from golf.cli import recall, verb

if TYPE_CHECKING:
    from golf.research.schedule import Health


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs of research."""
    group = verbs.add_parser(
        "research",
        help="what others found: read papers, pull requests, feeds and notes in, and list them",
        description="What others found: read papers, pull requests, feeds and notes in, and list them.",
        epilog="example:\n  golf research refresh",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = group.add_subparsers(title="verbs", dest="research_verb", metavar="VERB", required=True)

    once = verb.add(
        inner,
        "refresh",
        refresh,
        "visit the sources that are due, all at once, and store what is new; a failing one costs the others nothing",
        "golf research refresh --only arxiv --only notes --force",
    )
    once.add_argument("--only", action="append", default=[], metavar="SOURCE", help="only this one (repeatable)")
    once.add_argument("--force", action="store_true", help="also what is not due yet")

    verb.add(
        inner,
        "watch",
        watch,
        "refresh whenever something is due, until interrupted: the batch every 6 hours, breaking news every hour",
        "golf research watch",
    )

    listing = verb.add(inner, "list", listed, "what was read, newest last", "golf research list --last 5")
    listing.add_argument("--last", type=verb.whole, default=20, metavar="N", help="default: 20")
    recall.register(inner)


def refresh(arguments: argparse.Namespace) -> int:
    """Exit 2 when every source that was visited failed."""
    from golf.report import render
    from golf.research import refresh as research

    done = research.refresh(verb.opened(), arguments.only, force=arguments.force, say=told)
    render.show(done, json=arguments.json)
    return 2 if done.has_failed else 0


def watch(arguments: argparse.Namespace) -> int:
    """Ctrl-C ends it."""
    import threading

    from golf.research import refresh as research

    research.watch(verb.opened(), threading.Event(), say=told)
    return 0


def listed(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.report import render
    from golf.research import refresh as research

    render.show(research.listed(verb.opened(), arguments.last), json=arguments.json, empty="nothing was read yet")
    return 0


def told(health: "Health") -> None:
    """A source's end, as progress."""
    found = f"{health.items} found, {health.new} new" if health.state == "ok" else health.state
    why = f": {health.error}" if health.error else ""
    print(f"{health.name}: {found} ({health.seconds:.1f} s){why}", file=sys.stderr)
