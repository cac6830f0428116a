"""`golf picture`, `golf watch`; and what `golf report --last` and `golf history --where` do."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb

PAGE = "experiment_analysis.md"


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs for people who look."""
    drawing = verb.add(
        verbs,
        "picture",
        picture,
        "draw what is known as a PNG, and show it in terminals that can: scores, sizes, budget, techniques, seeds, "
        "settings, or all",
        "golf picture scores",
    )
    drawing.add_argument("name", help="scores, sizes, budget, techniques, seeds, settings, or all")
    drawing.add_argument(
        "--from", dest="place", type=Path, metavar="FOLDER", help="a folder of folders of logs instead"
    )
    drawing.add_argument("--tier", help="runs of this tier (default: the newest run's)")
    drawing.add_argument("-n", "--last", type=verb.count, metavar="N", help="only the newest N runs (default: all)")
    drawing.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="where it goes (default: outputs in the workspace)"
    )
    drawing.add_argument("--no-inline", action="store_true", help="print the path alone, even where it could be shown")

    looking = verb.add(
        verbs,
        "watch",
        watch,
        "watch a run as it goes, from its files alone: curve, step, tok/s, time and budget left, last lines",
        "golf watch wider",
    )
    looking.add_argument(
        "subject",
        nargs="?",
        help="an experiment, a job's id, a log, or a folder of logs (default: the newest that runs)",
    )
    looking.add_argument("--once", action="store_true", help="look once; --json does so too")
    looking.add_argument(
        "--every", type=verb.positive, default=2.0, metavar="S", help="seconds between looks (default: 2)"
    )


def picture(arguments: argparse.Namespace) -> int:
    """Exit 2 when there is nothing to show."""
    from golf.report import render
    from golf.report.pictures import gallery, inline

    workspace = verb.opened_if_any()
    folder = arguments.out or (workspace.root / "outputs" if workspace else Path())
    asked = {"place": arguments.place, "tier": arguments.tier, "last": arguments.last}
    if arguments.name == "all":
        drawn, without = gallery.draw_all(folder, workspace, **asked)
        for problem in without:
            print(f"golf picture: {problem}", file=sys.stderr)
    else:
        drawn = [gallery.draw(arguments.name, folder, workspace, **asked)]
    if not arguments.json and not arguments.no_inline:
        for one in drawn:
            inline.show(Path(one.path), sys.stdout)
    render.show(drawn if arguments.name == "all" else drawn[0], json=arguments.json)
    return 0


def watch(arguments: argparse.Namespace) -> int:
    """Exit 0 also when one stops looking; 1 when the run has ended badly."""
    import time

    from golf.desk.analysis import live
    from golf.errors import NotFound
    from golf.report import live as shown
    from golf.report import render
    from golf.workspace import Workspace

    try:
        workspace = Workspace.find()  # not `verb.opened`, which ends what a killed command left behind
    except NotFound:
        if arguments.workspace:
            raise
        workspace = None
    seen = live.look(workspace, arguments.subject)
    if arguments.once or arguments.json:
        render.show(seen, json=arguments.json)
    else:
        subject = arguments.subject or seen.job  # the newest, also when another one starts
        try:
            seen = shown.follow(lambda: live.look(workspace, subject), sys.stdout, time.sleep, arguments.every)
        except KeyboardInterrupt:
            print(f"golf watch: stopped looking; {seen.subject} goes on", file=sys.stderr)
            return 0
    return 1 if seen.has_ended and seen.state != "done" else 0


def settings(arguments: argparse.Namespace) -> int:
    """`golf report --last N`: exit 0 whatever it found, 2 when no run has a score."""
    from golf.desk.analysis import associations
    from golf.errors import BadConfig, UnreadableInput
    from golf.report import associations as pages
    from golf.report import render
    from golf.report.pictures import settings as drawing

    if arguments.name:
        raise BadConfig(
            f"{arguments.name!r} is one experiment, and --last, --from, --tier and --page are of many runs; "
            f"leave one out: golf report {arguments.name}, or golf report --last {arguments.last or 10}"
        )
    if arguments.page is not None and arguments.page.suffix.lower() == ".png":
        raise BadConfig(f"--page is a Markdown file, and its picture lies beside it as .png (got {arguments.page})")
    workspace = verb.opened_if_any()
    found = associations.analyse(workspace, last=arguments.last or 10, place=arguments.place, tier=arguments.tier)
    page = arguments.page or (None if workspace is None else workspace.root / "outputs" / PAGE)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        try:
            drawn = drawing.draw(page.with_suffix(".png"), found)
        except UnreadableInput as error:
            if arguments.page is None:  # an older one is of other runs; beside a named page it may be anybody's
                page.with_suffix(".png").unlink(missing_ok=True)
            print(f"golf report: {pages.no_picture(error)}", file=sys.stderr)
            drawn = None
        pages.write_page(page, found, drawn)
    render.show(found, json=arguments.json)
    print(f"wrote {page}" if page else "no workspace here: --page FILE writes it down", file=sys.stderr)
    return 0


def query(arguments: argparse.Namespace) -> int:
    """`golf history --where …`: exit 0 also when nothing is found."""
    from golf.desk.analysis import query as asking
    from golf.report import render

    found = asking.find(
        verb.opened_if_any(),
        place=arguments.place,
        where=_where(arguments),
        sort=arguments.sort or ("val_bpb" if arguments.best else ""),
        top=arguments.top,
        limit=arguments.limit,
    )
    render.show(found, json=arguments.json)
    return 0


def _where(arguments: argparse.Namespace) -> str:
    """The filter, and with it what the older options ask for."""
    parts = [arguments.where or ""]
    parts += [f"{key} == {value!r}" for key, value in (("tier", arguments.tier), ("status", arguments.status)) if value]
    parts = [part for part in parts if part.strip()]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
