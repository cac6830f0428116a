"""`golf init`, `golf doctor`, `golf mcp`."""

import argparse
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

from golf.cli import verb
from golf.errors import GolfError, NotFound
from golf.workspace import CONFIG_NAME


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
    for line in _next(folder):
        print(line, file=sys.stderr)
    return 0


def _next(folder: Path) -> Iterator[str]:
    """What is still to be done."""
    from golf.codex import setup as codex
    from golf.codex import trust
    from golf.play import doctor
    from golf.workspace import Workspace

    has_data = (folder / CONFIG_NAME).is_file() and doctor.course(Workspace(folder)).verdict == "ok"
    yield "next: golf doctor" if has_data else "next: golf doctor, then golf data pydocs (or: golf data fineweb)"
    told = trust.was_told(folder)
    yield f"for Codex: {'' if told else 'golf init --trust, then '}golf doctor --codex"
    if not codex.layer().exists():
        yield f"for `codex -p ml-download`, which may download: {codex.copy_line(folder)}"


def _undo(folder: Path, arguments: argparse.Namespace) -> int:
    """Codex is told first, because what it was told is remembered in the folder; failing that, the files go still."""
    from golf.codex import trust
    from golf.play import init as initialise
    from golf.report import setup as report

    failed, withdrawn = None, []
    try:
        withdrawn = trust.withdraw(folder, dry_run=arguments.dry_run)
    except GolfError as error:
        failed = error
    for line in withdrawn:
        print(f"no longer trusted: {line}", file=sys.stderr)
    try:
        report.show(initialise.undo(folder, dry_run=arguments.dry_run), json=arguments.json)
    except NotFound:  # an earlier undo took the files, and only Codex was left to be told
        if not withdrawn and failed is None:
            raise
    if failed:
        raise failed
    return 0


def _trust(folder: Path, arguments: argparse.Namespace) -> int:
    """Says which lines of which file change before it changes them."""
    from golf.codex import trust
    from golf.report import render

    plan = trust.plan(folder)
    if plan.settings:
        print(
            f"to be written into {plan.config}, for Codex to read {plan.project}/.codex and run its hooks:",
            file=sys.stderr,
        )
        render.show(plan, file=sys.stderr)
        if plan.others:
            print(f"{plan.others} hooks here are not Caddie's and stay off until /hooks in Codex", file=sys.stderr)
    done = plan if arguments.dry_run else trust.carry_out(plan)
    if arguments.json:
        render.show(done, json=True)
    elif not plan.settings:
        print(f"trusted already: nothing to write in {plan.config}")
    elif not arguments.dry_run:
        print(f"trusted: {len(done.settings)} settings written to {done.config}")
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
    gc.disable()  # until the server stands: what its start makes stays, and looking for garbage in it is a tenth of it
    from mcp_server import server

    server.run()
    return 0
