"""`golf next`, `golf leaderboard`, and what `golf research` tells of competitors and of one's own search."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs for who decides on the next run."""
    ahead = verb.add(
        verbs,
        "next",
        ahead_of_us,
        "where to go next: technique families by what they promise, some off the beaten track, and what failed in them",
        "golf next -n 8",
    )
    ahead.add_argument("-n", "--count", type=verb.count, default=5, metavar="N", help="directions (default: 5)")
    verb.add(
        verbs,
        "leaderboard",
        leaderboard,
        "who leads with what can be believed, on whose shoulders, and how the record came down",
        "golf leaderboard",
    )


def register_inner(verbs: verb.Verbs) -> None:
    """Declare those below `golf research`."""
    others = verb.add(
        verbs,
        "competitors",
        competitors,
        "judge the submissions below a folder, or the pull requests in a clone, and keep that as what others claim",
        "golf research competitors parameter-golf/records",
    )
    others.add_argument(
        "folder", nargs="?", type=Path, help="nothing in it is run (default: show what was judged last)"
    )
    others.add_argument("--only", action="store_true", help="forget what was judged below other folders")
    others.add_argument("-n", "--limit", type=verb.whole, default=20, metavar="N", help="to list (default: 20)")
    others.add_argument(
        "--repository", metavar="OWNER/NAME", help="on GitHub, for addresses (default: the first of submissions_of)"
    )
    page = verb.add(
        verbs,
        "bulletin",
        bulletin,
        "live updates for people: the bar, our last runs, who leads, who builds on whom; Markdown",
        "golf research bulletin --page updates.md",
    )
    page.add_argument("--page", type=Path, metavar="FILE", help="write it there (default: print it)")
    verb.add(
        verbs,
        "coverage",
        coverage,
        "where the search has been: every technique family, how clustered the last runs are, and loops",
        "golf research coverage",
    )


def ahead_of_us(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.report import render
    from golf.research import outlook

    render.show(outlook.outlook(verb.opened(), arguments.count), json=arguments.json)
    return 0


def leaderboard(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.report import render
    from golf.research import leaderboard as board

    render.show(board.leaderboard(verb.opened()), json=arguments.json)
    return 0


def competitors(arguments: argparse.Namespace) -> int:
    """The list is by score; those without one come last."""
    from golf import leftovers
    from golf.report import progress, render
    from golf.research import competitors as others
    from golf.research import hearsay

    workspace = verb.opened()
    if arguments.folder is not None:
        repository = arguments.repository or next(iter(workspace.config.research.submissions_of), None)
        with leftovers.asked_to_end(), progress.progress("competitors") as bar:
            others.survey(
                workspace,
                arguments.folder,
                repository=repository,
                is_only=arguments.only,
                on_progress=lambda done, total: bar.update("judged", done, total, unit="submission"),
            )
    found = hearsay.known(workspace)
    shown = found[: arguments.limit]
    render.show(shown, json=arguments.json, empty="none is known yet: golf research competitors FOLDER")
    if len(shown) < len(found):
        print(f"{len(shown)} of {len(found)}; --limit {len(found)} lists them all", file=sys.stderr)
    if arguments.folder is not None:
        print("golf research refresh, or inject, tells it in program.md", file=sys.stderr)
    return 0


def bulletin(arguments: argparse.Namespace) -> int:
    """With `--json` the page is the only field."""
    import datetime

    from golf import durable
    from golf.report import render
    from golf.research import bulletin as live
    from golf.research import knowledge

    known = knowledge.known(verb.opened())
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    page = live.bulletin(known.rows, known.competitors, known.standing.best_bpb, day)
    if arguments.page:
        durable.replace(arguments.page, page)
    if arguments.json:
        render.show(live.Bulletin(page=page), json=True)
    elif not arguments.page:
        print(page, end="")
    return 0


def coverage(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.report import render
    from golf.research import frontier, outlook

    render.show(frontier.coverage(outlook.tried(verb.opened())), json=arguments.json)
    return 0
