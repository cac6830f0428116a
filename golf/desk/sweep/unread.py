"""Settings that a script never names: it would ignore them, and every run of the sweep would be the same.

Hydra refuses what it does not know, so this is for environments and `--key=value`. Read as text, beside the script too:
a name that stands nowhere is read nowhere. Names are put together at run time so rarely that this is a note, no error.
"""

import re
from pathlib import Path

from golf.desk.sweep.specification import Specification

FILES_MAX, BYTES_MAX = 100, 1_000_000
"""Scripts that are looked into, and of each so many bytes at most."""


def unread(spec: Specification, root: Path) -> list[str]:
    """A note for each setting that the command's script, and what lies beside it, does not name; none without one."""
    script = next((root / word for word in spec.command if word.endswith(".py")), None)
    if spec.style == "hydra" or script is None or not script.is_file():
        return []
    files = [script, *sorted(path for path in script.parent.glob("*.py") if path != script)[:FILES_MAX]]
    text = "\n".join(_text(path) for path in files)
    keys = [*spec.grid, *spec.ranges, *spec.fixed, spec.seed_setting, *_tracked(spec)]
    return [
        f"{script.name} names {key} nowhere: it would be ignored, or refused"
        for key in dict.fromkeys(keys)
        if key and not _is_named(key, text)
    ]


def _tracked(spec: Specification) -> list[str]:
    return [spec.tracking.run_name_key, spec.tracking.project_key]


def _is_named(key: str, text: str) -> bool:
    spelled = re.sub(r"[-_]", "[-_]", re.escape(key).replace(r"\-", "-"))
    return re.search(rf"(?<![\w]){spelled}(?![\w])", text) is not None


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
