"""`golf package`: a played experiment as a record folder, and what such a folder is worth."""

import argparse
import os
from pathlib import Path

from golf.cli import verb
from golf.errors import BadConfig, NotFound
from golf.workspace import Workspace

TRACKS = ("10min_16mb", "non_record_16mb")


def register(verbs: verb.Verbs) -> None:
    """Declare the verb."""
    parser = verb.add(
        verbs,
        "package",
        package,
        "build a record folder of a played experiment, every number from its logs; or check one (--verify)",
        "golf package wider --author 'A. Player' --github-id aplayer --dry-run",
    )
    parser.description = (
        f"{parser.description}\n\nexit 0 packed, or whole; 1 refused, every reason listed and nothing written; 2 there "
        "is nothing to pack or to check"
    )
    parser.add_argument("experiment", nargs="?", help="a played experiment")
    parser.add_argument("--verify", type=Path, metavar="FOLDER", help="check a packed folder instead")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where track_<track>/ lies (default: records/)")
    parser.add_argument("--track", choices=TRACKS, help="default: a record when the tier has eight GPUs, else not")
    parser.add_argument("--name", default="", help="the folder's name behind the day (default: the experiment's)")
    parser.add_argument("--author", default="", help="who made it")
    parser.add_argument("--github-id", default="", metavar="ID", help="the author's name on GitHub")
    parser.add_argument("--blurb", default="", help="a sentence (default: the hypothesis)")
    parser.add_argument("--hardware", default="", metavar="TEXT", help="e.g. 8xH100, where the logs do not say")
    parser.add_argument(
        "--builds-on", action="append", default=[], metavar="REF", help="whose work it builds on: #1493"
    )
    parser.add_argument("--notes", type=Path, metavar="FILE.md", help="the author's own words, for the README's end")
    parser.add_argument("--redact-paths", action="store_true", help="replace this machine's paths in logs, and say so")
    parser.add_argument("--force", action="store_true", help="replace a folder that is there")
    parser.add_argument("--dry-run", action="store_true", help="check everything and write nothing")


def package(arguments: argparse.Namespace) -> int:
    """Exit 1 when it is refused."""
    from golf.desk.package import packing
    from golf.report import render

    if arguments.verify is not None:
        return _verify(arguments)
    if not arguments.experiment:
        raise BadConfig("what is to be packed? Give a played experiment, or --verify FOLDER")
    request = packing.Request(
        author=arguments.author,
        github_id=arguments.github_id,
        name=arguments.name,
        track=arguments.track,
        blurb=arguments.blurb,
        hardware=arguments.hardware,
        builds_on=arguments.builds_on,
        notes="" if arguments.notes is None else arguments.notes.read_text(encoding="utf-8"),
        redact_paths=arguments.redact_paths,
    )
    packed = packing.package(
        verb.opened(),
        arguments.experiment,
        request,
        out=arguments.out,
        force=arguments.force,
        dry_run=arguments.dry_run,
    )
    render.show(packed, json=arguments.json)
    return 1 if packed.reasons else 0


def _verify(arguments: argparse.Namespace) -> int:
    from golf.desk.package import verify as verify_package
    from golf.report import render

    if arguments.experiment:
        raise BadConfig(f"--verify checks a folder and packs nothing: leave {arguments.experiment} out")
    found = verify_package.verify(arguments.verify, _workspace())
    render.show(found, json=arguments.json)
    return 0 if found.verdict == "whole" else 1


def _workspace() -> Workspace | None:
    """The workspace, where there is one: a packed folder may be anybody's.

    Raises:
        NotFound: one was named, and it is none.
    """
    try:
        return Workspace.find()
    except NotFound:
        if os.environ.get("GOLF_WORKSPACE"):
            raise
        return None
