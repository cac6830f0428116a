"""What tests do to a packed record folder."""

import json
from collections.abc import Callable
from pathlib import Path

from golf.desk.package import capsule as capsules
from golf.desk.package import record_text
from golf.desk.package.capsule import Capsule
from golf.desk.package.packing import Request

WHO = Request(author="A. Player", github_id="aplayer", redact_paths=True)
NAME = "train_gpt.py"


def capsule_of(folder: Path) -> Capsule:
    return capsules.parse((folder / capsules.NAME).read_bytes())


def reseal(folder: Path, **changes: object) -> None:
    """What a forger does after a change: every hash and the seal anew, README and submission.json left as they are."""
    capsule = capsule_of(folder).model_copy(update=changes)
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [capsules.hashed_file(folder / name, name) for name in names if name != capsules.NAME]
    whole = capsules.sealed(capsule.model_copy(update={"files": files}))
    (folder / capsules.NAME).write_bytes(capsules.dump(whole))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text, before
    path.write_text(text.replace(before, after, 1))


def table(folder: Path, change: Callable[[dict], object]) -> None:
    """Change submission.json, in the layout it has."""
    path = folder / record_text.SUBMISSION
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def swap_logs(folder: Path) -> None:
    one, two = folder / "train_seed1.log", folder / "train_seed2.log"
    mine, other = one.read_bytes(), two.read_bytes()
    one.write_bytes(other)
    two.write_bytes(mine)
