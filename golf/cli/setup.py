"""`golf init`, `golf doctor`, `golf mcp`."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs that prepare a machine and a folder."""
    make = verb.add(
        verbs,
        "init",
        init,
        "make a workspace here, or adopt a training repository without touching its files",
        "golf init",
    )
    make.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: the current directory")
    make.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    make.add_argument("--undo", action="store_true", help="remove what init wrote, unless it was changed since")
    verb.add(
        verbs,
        "doctor",
        doctor,
        "what is installed, which device trains, what is missing and the line that fixes it",
        "golf doctor --json",
    )
    verb.add(verbs, "mcp", mcp, "serve the tools over stdio, for Codex and other MCP clients", "golf mcp")


def init(arguments: argparse.Namespace) -> int:
    """Idempotent: what exists is left alone."""
    from golf.play import init as initialise
    from golf.report import render

    act = initialise.undo if arguments.undo else initialise.init
    done = act(arguments.folder.resolve(), dry_run=arguments.dry_run)
    render.show(done, json=arguments.json)
    if not arguments.undo:
        print("next: golf doctor, then golf data pydocs (or: golf data fineweb)", file=sys.stderr)
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Exit 0 when a round can be played here, 1 when something needed is missing."""
    from golf.play import doctor as examine
    from golf.report import render

    diagnosis = examine.examine()
    render.show(diagnosis, json=arguments.json)
    return 0 if diagnosis.ready else 1


def mcp(arguments: argparse.Namespace) -> int:
    """Runs until the client closes the pipe."""
    from mcp_server import server

    server.run()
    return 0
