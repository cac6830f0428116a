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
    either = make.add_mutually_exclusive_group()
    either.add_argument("--undo", action="store_true", help="remove what init wrote, unless it was changed since")
    make.add_argument(
        "--agents",
        choices=("golf", "ml", "none"),
        help="what AGENTS.md gets: the challenge's section, that of an engineering repository, or none "
        "(default: as before, golf at first)",
    )
    either.add_argument(
        "--trust",
        action="store_true",
        help="tell Codex to trust this folder and the hooks init wrote; says first what it changes",
    )
    look = verb.add(
        verbs,
        "doctor",
        doctor,
        "what is installed, which device trains, what is missing and the line that fixes it",
        "golf doctor --json",
    )
    look.add_argument(
        "--codex", action="store_true", help="how Codex sees this workspace: trust, hooks, tools, roles, sandbox"
    )
    verb.add(verbs, "mcp", mcp, "serve the tools over stdio, for Codex and other MCP clients", "golf mcp")


def init(arguments: argparse.Namespace) -> int:
    """Idempotent: what exists is left alone, or added to and shown. Exit 1 when a hook to be trusted is not ours."""
    from golf.codex import setup as codex
    from golf.play import init as initialise
    from golf.report import setup as report

    folder = arguments.folder.resolve()
    if arguments.undo:
        return _undo(folder, arguments)
    done = initialise.init(folder, dry_run=arguments.dry_run, agents=arguments.agents)
    if arguments.trust:
        report.show(done, file=sys.stderr if arguments.json else None)
        return _trust(folder, arguments)
    report.show(done, json=arguments.json)
    print("next: golf doctor, then golf data pydocs (or: golf data fineweb)", file=sys.stderr)
    print("for Codex: golf init --trust, then golf doctor --codex", file=sys.stderr)
    print(f"for `codex -p ml-download`, which may download: {codex.copy_line(folder)}", file=sys.stderr)
    return 0


def _undo(folder: Path, arguments: argparse.Namespace) -> int:
    """Codex is told first, because what it was told is remembered in the folder."""
    from golf.codex import trust
    from golf.play import init as initialise
    from golf.report import setup as report

    for line in trust.withdraw(folder, dry_run=arguments.dry_run):
        print(f"no longer trusted: {line}", file=sys.stderr)
    report.show(initialise.undo(folder, dry_run=arguments.dry_run), json=arguments.json)
    return 0


def _trust(folder: Path, arguments: argparse.Namespace) -> int:
    """Says which lines of which file change before it changes them."""
    from golf.codex import trust
    from golf.report import render

    plan = trust.plan(folder)
    print(
        f"to be written into {plan.config}, for Codex to read {folder / '.codex'} and run its hooks:", file=sys.stderr
    )
    render.show(plan, file=sys.stderr)
    if not arguments.dry_run:
        done = trust.carry_out(plan)
        if arguments.json:
            render.show(done, json=True)
        elif done.settings:
            print(f"trusted: {len(done.settings)} settings written to {done.config}")
        else:
            print("trusted already: nothing written")
    elif arguments.json:
        render.show(plan, json=True)
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Exit 0 when a round can be played here, 1 when something needed is missing."""
    from golf.report import render

    if arguments.codex:
        from golf.codex import examine
    else:
        from golf.play import doctor as examine
    diagnosis = examine.examine()
    render.show(diagnosis, json=arguments.json)
    return 0 if diagnosis.ready else 1


def mcp(arguments: argparse.Namespace) -> int:
    """Runs until the client closes the pipe."""
    from mcp_server import server

    server.run()
    return 0
