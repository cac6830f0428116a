"""`golf data template` and `golf data check`, whose arguments `golf data` declares."""

import argparse
from pathlib import Path

from golf.errors import BadConfig

SOURCES = {
    "template": "a data pipeline with tests and a checklist, written to PATH",
    "check": "look at the data in PATH for leaks and damage",
}


def register(parser: argparse.ArgumentParser) -> None:
    """Declare what the two take."""
    parser.add_argument("path", nargs="?", type=Path, help="of template and check: the folder, or a data file")
    parser.add_argument("--tokenizer", type=Path, help="of check: the SentencePiece model the tokens are of")
    parser.add_argument("--vocab-size", type=int, metavar="N", help="of check: ids are below it")
    parser.add_argument("--bos", type=int, metavar="ID", help="of check: the token documents begin with")
    parser.add_argument("--field", default="text", help="of check: where the text is in JSON Lines (default: text)")


def act(arguments: argparse.Namespace) -> int:
    """Exit 1 when a check finds an error."""
    from golf.report import render

    if arguments.path is None:
        raise BadConfig(f"golf data {arguments.source} needs a PATH, e.g. golf data {arguments.source} data/")
    if arguments.source == "template":
        from golf.desk.pipeline import template

        render.show(template.write(arguments.path), json=arguments.json)
        return 0
    from golf.desk.pipeline import checking

    found = checking.check(
        arguments.path,
        vocab_size=arguments.vocab_size,
        tokenizer=arguments.tokenizer,
        bos=arguments.bos,
        field=arguments.field,
    )
    render.show(found, json=arguments.json)
    return 0 if found.is_clean else 1
