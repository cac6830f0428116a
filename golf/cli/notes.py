"""`golf record`, `golf notes`, `golf digest`: the shared channel of human, implementer and critic."""

import argparse
import getpass
import sys

from golf.cli import verb

KINDS = ("finding", "question", "directive", "withdraw", "override")


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs of the shared channel."""
    say = verb.add(
        verbs,
        "record",
        record,
        "say something in the shared channel: a finding, a question, an order to the agents, a recorded override",
        "golf record directive 'no sliding windows before Friday' --by ada",
    )
    say.add_argument("kind", choices=KINDS, help="withdraw ends the directive that contains the words given")
    say.add_argument("text", help="what is said; of an override, its reason")
    say.add_argument("--by", metavar="NAME", default=None, help="who says it (default: you, by your login)")
    say.add_argument(
        "-e",
        "--experiment",
        help="what it is about; of an override, the experiment to let past --gate as it stands now",
    )
    say.add_argument(
        "--gate", metavar="GATE", default=None, help="of an override: a gate of check-promotion (default: review)"
    )
    say.add_argument("--edit", metavar="PATH", help="of an override: the frozen file or folder to open for 24 hours")

    listing = verb.add(verbs, "notes", notes, "what was said in the shared channel, newest last", "golf notes --last 5")
    listing.add_argument("--last", type=verb.whole, default=20, metavar="N", help="default: 20")
    listing.add_argument("-e", "--experiment", help="only about this experiment")

    verb.add(
        verbs,
        "digest",
        digest,
        "the state of the workspace in 2,000 characters: what Codex is told at the start of a session",
        "golf digest",
    )


def record(arguments: argparse.Namespace) -> int:
    """Whoever types this is a human: the guard keeps agents from directives and overrides."""
    from golf.errors import BadConfig
    from golf.play import experiments, override
    from golf.play import notes as channel
    from golf.report import render

    workspace = verb.opened()
    name = arguments.by or getpass.getuser()
    human = name if name.startswith("human:") else f"human:{name}"
    about = None if arguments.experiment is None else experiments.find(workspace, arguments.experiment).name
    if arguments.kind == "withdraw":
        note = channel.withdraw(workspace, arguments.text, human)
    elif arguments.kind == "override":
        if (about is None) == (arguments.edit is None):
            raise BadConfig(
                "an override lets one thing through: --experiment NAME [--gate GATE] or --edit PATH (24 hours)"
            )
        if about is not None:
            note = override.record(workspace, about, arguments.gate or "review", by=human, reason=arguments.text)
        else:
            note = channel.allow_edits(workspace, arguments.edit, arguments.text, human)
    else:
        note = channel.add(workspace, by=human, kind=arguments.kind, text=arguments.text, experiment=about)
    render.show(note, json=arguments.json)
    return 0


def notes(arguments: argparse.Namespace) -> int:
    """Reads only."""
    from golf.play import experiments
    from golf.play import notes as channel
    from golf.report import render

    workspace = verb.opened()
    found = list(channel.read(workspace))
    if arguments.experiment:
        about = experiments.find(workspace, arguments.experiment).name
        found = [note for note in found if note.experiment == about]
    render.show(
        found[len(found) - min(arguments.last, len(found)) :], json=arguments.json, empty="nothing was said yet"
    )
    return 0


def digest(arguments: argparse.Namespace) -> int:
    """The very text of the SessionStart hook."""
    import json

    from golf.hooks.digest import digest as state

    text = state(verb.opened().root)
    sys.stdout.write(json.dumps({"digest": text}, indent=2) + "\n" if arguments.json else text.rstrip("\n") + "\n")
    return 0
