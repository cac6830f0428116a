"""`golf data`: shards and tokenizers to play on; a pipeline for data of one's own, and a look at it."""

import argparse
import contextlib
import sys
from pathlib import Path

from golf.cli import pipeline, verb
from golf.errors import NotFound
from golf.schema import Noun
from golf.workspace import Workspace, point_at


def register(verbs: verb.Verbs) -> None:
    """Declare `golf data`."""
    parser = verb.add(
        verbs,
        "data",
        data,
        "get shards and a tokenizer, from the challenge or this machine's text; begin a data pipeline, or check data",
        "golf data fineweb --train-shards 1",
    )
    parser.add_argument(
        "source",
        choices=("fineweb", "pydocs", *pipeline.SOURCES),
        help="fineweb: download; pydocs: Python's own documentation; "
        + "; ".join(f"{name}: {text}" for name, text in pipeline.SOURCES.items()),
    )
    pipeline.register(parser)
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder (default: data/ in the workspace)")
    parser.add_argument("--variant", default="sp1024", help="of fineweb: which tokenizer's shards (default: sp1024)")
    parser.add_argument(
        "--train-shards", type=verb.whole, default=80, help="of fineweb: how many (default: 80; 1 to try)"
    )
    parser.add_argument("--dry-run", action="store_true", help="of fineweb: list files and bytes, download nothing")


def data(arguments: argparse.Namespace) -> int:
    """Exit 2 when it could not be fetched whole; what arrived stays and is resumed."""
    if arguments.source in pipeline.SOURCES:
        return pipeline.act(arguments)
    from golf.report import render

    folder = arguments.to or Workspace.find().root / "data"
    if arguments.source == "pydocs":
        from golf.data import course

        built = course.build_course(folder)
        render.show(built.manifest, json=arguments.json)
        _point_at(built.data, built.tokenizer)
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
    render.show(Fetched(files=[str(file) for file in files]), json=arguments.json)
    tokenizer = next((file for file in files if file.suffix == ".model"), None)
    if tokenizer is not None:
        _point_at(next(file.parent for file in files if file.suffix == ".bin"), tokenizer)
    return 0


class Fetched(Noun):
    """Files that are there now, whole and checked."""

    files: list[str]


def _point_at(data: Path, tokenizer: Path) -> None:
    """Say, or write into golf.toml where it still has the default, that this is the data to play on."""
    with contextlib.suppress(NotFound):
        workspace = Workspace.find()
        if (workspace.data, workspace.tokenizer) == (data.resolve(), tokenizer.resolve()):
            return
        if point_at(workspace, data, tokenizer):
            print("golf.toml points at it now ([data] path and tokenizer)", file=sys.stderr)
            return
    print(f'in golf.toml:\n[data]\npath = "{data}"\ntokenizer = "{tokenizer}"', file=sys.stderr)
