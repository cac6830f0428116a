"""`golf merge`: what several machines did, in one workspace."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verb."""
    parser = verb.add(
        verbs,
        "merge",
        merge,
        "take in rows, experiments, notes and commits of workspaces of other machines, each once, in any order",
        "golf merge ../golf-of-the-lab results-of-the-laptop.tsv --dry-run",
    )
    parser.add_argument("source", nargs="+", type=Path, help="a workspace's folder, or a ledger alone")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be taken in")


def merge(arguments: argparse.Namespace) -> int:
    """Exit 1 when an experiment is here and there with different claims: ours was kept."""
    from golf.play import merge as machines
    from golf.report import render

    done = machines.merge(verb.opened(), arguments.source, dry_run=arguments.dry_run)
    render.show(done, json=arguments.json)
    for name in done.conflicts:
        print(f"golf merge: {name} has another claim than here and was not copied; its rows were", file=sys.stderr)
    return 1 if done.conflicts else 0
