"""`golf notebook`, `golf check-commit`: what is written down before the code, and what never goes into git."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs."""
    book = verb.add(
        verbs,
        "notebook",
        notebook,
        "check that every experiment stated hypothesis, expected outcome and rollback criteria before its code (in the "
        "order of git), and did not change them after its result",
        "golf notebook records/track_10min_16mb --note README.md",
    )
    book.description = (
        f"{book.description}\n\nexit 0 all is well, 1 something is missing, came first or was changed, 2 nothing "
        "wrong is seen, and of some experiments the order cannot be told"
    )
    book.add_argument(
        "folder", nargs="*", type=Path, help="holds the experiments: folders or Markdown files (default: experiments/)"
    )
    book.add_argument("--note", default="", metavar="NAME", help="the note's name in every folder (default: found)")
    book.add_argument("--code", action="append", default=[], metavar="GLOB", help="names that are code; repeatable")
    book.add_argument("--since", default="", metavar="REF", help="only experiments that changed since this commit")

    commit = verb.add(
        verbs,
        "check-commit",
        check_commit,
        "refuse a commit that holds checkpoints or large weights, or an experiment's code without its note; --install "
        "makes it this repository's commit hook",
        "golf check-commit --install",
    )
    commit.add_argument("--install", action="store_true", help="write .git/hooks/pre-commit, where there is none")
    commit.add_argument("--no-notebook", action="store_true", help="look at weights only")
    commit.add_argument(
        "--max-bytes",
        type=verb.whole,
        default=1_000_000,
        metavar="N",
        help="largest weights file outside of checkpoint folders (default: 1000000)",
    )


def notebook(arguments: argparse.Namespace) -> int:
    """Reads git and files; nothing is changed."""
    from golf.desk.notebook import notebook as desk
    from golf.report import render

    found = desk.check(
        arguments.folder,
        workspace=verb.opened_if_any(),
        note=arguments.note,
        code=arguments.code,
        since=arguments.since,
    )
    render.show(found, json=arguments.json)
    return found.exit_code


def check_commit(arguments: argparse.Namespace) -> int:
    """Exit 1 when the commit should not be made."""
    from golf.desk.commits import staged
    from golf.report import render

    if arguments.install:
        print(staged.install(Path.cwd()), file=sys.stderr)
        return 0
    found = staged.check(
        Path.cwd(),
        workspace=verb.opened_if_any(),
        largest_bytes=arguments.max_bytes,
        with_notebook=not arguments.no_notebook,
    )
    render.show(found, json=arguments.json)
    return 1 if found.is_refused else 0
