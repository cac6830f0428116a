"""What a script sets where its environment says nothing: `os.environ.get("NUM_LAYERS", 9)`, read and never run."""

import ast
from collections.abc import Collection
from pathlib import Path

from golf.errors import NotFound, UnreadableInput

SCRIPT_BYTES_MAX = 2_000_000
"""A larger file is data, or generated, and is not read."""


def script_defaults(script: Path, names: Collection[str]) -> dict[str, str]:
    """The default of each variable in `names` that the script gives as a literal, as a shell would spell it.

    Whatever function reads it: `os.environ.get`, `os.getenv`, `env_int`, or a descriptor as in our own baseline. Of one
    that is read twice the first counts.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it is no Python, or sets none of them so.
    """
    if not script.is_file():
        raise NotFound(f"no training script at {script}. Name one: --script PATH")
    if script.stat().st_size > SCRIPT_BYTES_MAX:
        raise UnreadableInput(f"{script} is larger than {SCRIPT_BYTES_MAX:,} bytes, and no script that people write")
    try:
        tree = ast.parse(script.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableInput(f"{script} is no Python that can be read: {error}") from error
    found: dict[str, tuple[int, str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        name, default = node.args[:2]
        if not (isinstance(name, ast.Constant) and isinstance(default, ast.Constant) and isinstance(name.value, str)):
            continue
        value, key = default.value, name.value
        if key in names and value is not None and (key not in found or node.lineno < found[key][0]):
            found[key] = (node.lineno, str(int(value) if isinstance(value, bool) else value))
    if not found:
        raise UnreadableInput(
            f"{script} gives none of {', '.join(sorted(names)[:4])}, … a default that can be read; say them: --env"
        )
    return {name: value for name, (_, value) in found.items()}
