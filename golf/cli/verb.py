"""How a verb is declared: its help ends in an example, and `--json` and `--workspace` are everywhere."""

import argparse
import math
import os
from collections.abc import Callable
from typing import TypeAlias

from golf.errors import NotFound
from golf.workspace import Workspace

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(
    verbs: Verbs,
    name: str,
    act: Callable[[argparse.Namespace], int],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    """A verb's parser, with the common options."""
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=act)
    parser.add_argument("--json", action="store_true", help="print the result as JSON, exactly as the tool returns it")
    parser.add_argument(
        "-w", "--workspace", metavar="DIR", help="folder with golf.toml (default: found upwards from here)"
    )
    return parser


def whole(text: str) -> int:
    """A count for argparse: a whole number from 0 to a million."""
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise ValueError
    return number


def count(text: str) -> int:
    """For argparse: a whole number from 1 to a million."""
    number = whole(text)
    if not number:
        raise argparse.ArgumentTypeError("must be at least 1 (got 0)")
    return number


def positive(text: str) -> float:
    """For argparse: a finite number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0 (got {text})")
    return number


def settings(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` arguments as a dictionary.

    Raises:
        BadConfig: one of them has no `=` or no key.
    """
    from golf.errors import BadConfig

    found = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key:
            raise BadConfig(f"--env takes KEY=VALUE (got {pair!r}), e.g. --env NUM_LAYERS=4")
        found[key] = value
    return found


def opened() -> Workspace:
    """The workspace, after finishing whatever a killed process left behind in it."""
    from golf.play import record

    workspace = Workspace.find()
    if os.access(workspace.root, os.W_OK):  # what only reads also works where nothing can be written
        record.recover(workspace)
    return workspace


def opened_if_any() -> Workspace | None:
    """The workspace, where there is one: logs, scorers and submissions lie anywhere.

    Raises:
        NotFound: one was named, and it is none.
    """
    try:
        return opened()
    except NotFound:
        if os.environ.get("GOLF_WORKSPACE"):
            raise
        return None
