"""The `golf` command: parse, call the library, show, exit code. Nothing is decided here.

Results go to stdout, everything else to stderr; with `--json`, what went wrong is on stdout as well. Exit 0 fine, 1 a
rule is broken or the answer is no, 2 the input could not be used, 130 interrupted. Each file of this package is one
group of verbs.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from golf.cli import (
    analysis,
    codex,
    course,
    demo,
    export,
    field,
    jobs,
    many,
    measure,
    merge,
    notebook,
    notes,
    package,
    pipelines,
    play,
    referee,
    research,
    review,
    runs,
    setup,
    sweep,
    tracking,
)
from golf.errors import UNUSABLE, explained
from golf.report import words

GROUPS = (
    setup,
    demo,
    play,
    many,
    measure,
    review,
    referee,
    research,
    field,
    jobs,
    notes,
    merge,
    package,
    sweep,
    runs,
    tracking,
    notebook,
    analysis,
    pipelines,
    course,
    export,
    codex,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    if arguments.workspace:
        os.environ["GOLF_WORKSPACE"] = arguments.workspace
    try:
        return arguments.act(arguments)
    except KeyboardInterrupt:
        print(f"golf {arguments.verb}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `golf history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet
        return 0
    except UNUSABLE as error:
        if os.environ.get("GOLF_DEBUG"):
            raise
        failure = explained(error)
        lines = [words.clean(line) for line in f"golf {arguments.verb}: {failure}".splitlines()]
        print("\n".join(lines), file=sys.stderr)  # a log's last words are in it: no terminal codes
        if arguments.json:  # whoever reads it finds JSON there, whatever came of it
            error = "\n".join(map(words.clean, str(failure).splitlines()))
            print(json.dumps({"error": error, "exit_code": failure.exit_code}, ensure_ascii=False))
        return failure.exit_code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; cheap, because verbs import what they need when they act."""
    parser = argparse.ArgumentParser(
        prog="golf",
        description="Caddie: honest, affordable research under hard limits.",
        epilog="start here:  golf demo        then:  golf init, golf new, golf run, golf history",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"caddie {version('caddie')}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    for group in GROUPS:
        group.register(verbs)
    return parser
