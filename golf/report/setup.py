"""What `golf init` did, for people: the names, then the diff of their files as a diff."""

import sys
from typing import IO

from golf.play.init import Setup
from golf.report import render
from golf.report.words import clean, write_lines


@render.view.register
def _(noun: Setup) -> render.View:
    names = {
        "wrote": noun.wrote,
        "changed": noun.changed,
        "removed": noun.removed,
        "restored": noun.restored,
        "kept": noun.kept,
    }
    return render.View(
        "dry run of golf init" if noun.dry_run else "golf init",
        [
            render.Fact("folder", noun.folder),
            *[render.Fact(key, value) for key, value in names.items() if value or key == "wrote"],
            *([render.Fact("started_git", True)] if noun.started_git else []),
            *([render.Fact("dry_run", True)] if noun.dry_run else []),
        ],
    )


def show(done: Setup, *, json: bool = False, file: IO[str] | None = None) -> None:
    """Like `render.show`, and the diff below it."""
    render.show(done, json=json, file=file)
    if done.diff and not json:
        write_lines(file or sys.stdout, ["", *(_shown(line) for line in done.diff.split("\n"))])


def _shown(line: str) -> str:
    """Without what a terminal would act on, and with its indentation."""
    rest = line[1:].lstrip(" ")
    return line[: len(line) - len(rest)] + clean(rest)
