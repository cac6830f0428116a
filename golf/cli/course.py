"""`golf data`: shards and tokenizers to play on."""

import argparse
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare `golf data`."""
    parser = verb.add(
        verbs,
        "data",
        data,
        "get shards and a tokenizer: the challenge's FineWeb, or text this machine already has",
        "golf data fineweb --train-shards 1",
    )
    parser.add_argument(
        "source", choices=("fineweb", "pydocs"), help="fineweb: download; pydocs: Python's own documentation"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder (default: data/ in the workspace)")
    parser.add_argument("--variant", default="sp1024", help="of fineweb: which tokenizer's shards (default: sp1024)")
    parser.add_argument("--train-shards", type=int, default=80, help="of fineweb: how many (default: 80; 1 to try)")
    parser.add_argument("--dry-run", action="store_true", help="of fineweb: list files and bytes, download nothing")


def data(arguments: argparse.Namespace) -> int:
    """Exit 2 when it could not be fetched whole; what arrived stays and is resumed."""
    from golf.report import render
    from golf.workspace import Workspace

    folder = arguments.to or Workspace.find().root / "data"
    if arguments.source == "pydocs":
        from golf.data import course

        built = course.build_course(folder)
        render.show(built.manifest, json=arguments.json)
        print(f'in golf.toml:\n[data]\npath = "{built.data}"\ntokenizer = "{built.tokenizer}"', file=sys.stderr)
        return 0
    from golf.data import fineweb

    if arguments.dry_run:
        render.show(
            fineweb.plan_fineweb(folder, variant=arguments.variant, train_shards=arguments.train_shards),
            json=arguments.json,
        )
        return 0
    with render.progress("fineweb") as bar:
        files = fineweb.fetch_fineweb(
            folder,
            variant=arguments.variant,
            train_shards=arguments.train_shards,
            progress=lambda name, done, total: bar.update(name, done, total, unit="byte"),
        )
    for file in files:
        print(file)
    return 0
