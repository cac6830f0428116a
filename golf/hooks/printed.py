"""Files that are no text stay out of the conversation: tools take their path, and nobody reads their bytes."""

import os
import re
from collections.abc import Iterable

from golf.hooks.frozen import WEIGHTS
from golf.hooks.shell import Command
from golf.hooks.state import clean

PRINTING = {"cat", "head", "tail", "less", "more", "nl", "tac", "bat", "base64", "strings", "xxd", "od", "hexdump"}
DATA = (*WEIGHTS, ".npy", ".zst", ".gz", ".xz", ".zip", ".tar", ".parquet", ".pkl", ".db", ".sqlite", ".png", ".model")
LOOK = 8000
"""Bytes in which a null byte makes a file binary. Source: git's own buffer_is_binary."""

_BOUNDED = re.compile(r"-[a-zA-Z]*[clN]\d*|--bytes(=.*)?|--length(=.*)?|--read-bytes(=.*)?")


def printed(command: Command, found: Iterable[Command]) -> str | None:
    """Why a command may not print a file; None where it prints text, a few bytes, or into a file or a pipe."""
    if command.name not in PRINTING or command.outputs:
        return None
    if any(command is above for other in found for above in other.upstream):
        return None
    if any(_BOUNDED.fullmatch(word) for word in command.words[1:]):
        return None
    for word in [*command.words[1:], *command.inputs]:
        if not word.startswith("-") and _is_data(
            os.path.normpath(word if word[:1] == "/" else f"{command.cwd}/{word}")
        ):
            return (
                f"{clean(word, 120)} is no text, and its bytes would fill the conversation. Tools take its path: "
                "measure_artifact, evaluate_bpb; in a shell ls -l, sha256sum, or head -c 64 piped into xxd."
            )
    return None


def _is_data(path: str) -> bool:
    if path.lower().endswith(DATA):
        return True
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(LOOK)
    except (OSError, ValueError):  # not there, a folder: the command itself says so
        return False
