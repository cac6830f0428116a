"""What scripts import, by reading them alone, and the versions of it in the interpreter they ran under."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath

from golf.environment import inherited
from golf.errors import UnreadableInput
from golf.referee.texts import Script
from golf.schema import Noun

TIMEOUT_S = 60.0

_ASK = r"""
import importlib.metadata as metadata, json, platform, re, sys
names = json.loads(sys.argv[1])
owners = metadata.packages_distributions()
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
found = {name: sorted({plain(owner) for owner in owners.get(name, ())}) for name in names}
left, versions, changed = [owner for each in found.values() for owner in each], {}, {}
while left:
    name = left.pop()
    if name in versions:
        continue
    try:
        one = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        continue
    versions[name] = one.version
    try:
        changed[name] = one.locate_file(next(f for f in one.files or () if f.name == "METADATA")).stat().st_mtime
    except (StopIteration, OSError, AttributeError):
        pass
    for needs in one.requires or ():
        if "extra ==" not in needs:
            left.append(plain(re.match(r"[\w.-]+", needs)[0]))
print(json.dumps({
    "python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}",
    "owners": found, "versions": versions, "changed": changed,
}))
"""
"""Runs in the workspace's own interpreter, with nothing of an experiment on its path."""


class Installed(Noun):
    """What an interpreter has."""

    python: str
    platform: str
    owners: dict[str, list[str]]
    """Imported name to the distributions that bring it; none where it is not installed."""
    versions: dict[str, str]
    """Of those distributions, and of what they need."""
    changed: dict[str, float]
    """When a distribution was installed, seconds since the epoch."""

    def since(self, moment: datetime) -> list[str]:
        """Imported distributions that were installed after `moment`: what ran then is not known any more."""
        named = {owner for each in self.owners.values() for owner in each}
        return sorted(name for name in named if self.changed.get(name, 0.0) > moment.timestamp())


def imports(sources: Mapping[str, str], local: Iterable[str] = ()) -> dict[str, str]:
    """Top-level names that Python sources import, each with file and line of the first time.

    The standard library, modules that are themselves among `sources` or `local`, and what is imported relatively are
    left out. A source that is no Python names nothing.
    """
    own = {PurePosixPath(name).parts[0].removesuffix(".py") for name in (*sources, *local)}
    found: dict[str, str] = {}
    for name, text in sources.items():
        tree = Script(name, text).tree  # which also reads what only later versions of Python take
        for node in ast.walk(tree) if tree is not None else ():
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [node.module] if node.module and not node.level else []
            for top in (full.split(".")[0] for full in names):
                if top not in sys.stdlib_module_names and top not in own:
                    found.setdefault(top, f"{name}:{node.lineno}")
    return dict(sorted(found.items()))


def installed(python: str, names: Iterable[str]) -> Installed:
    """What brings these top-level names in an interpreter.

    Raises:
        UnreadableInput: it could not be asked.
    """
    command = [python, "-I", "-c", _ASK, json.dumps(sorted(names))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=inherited(), check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreadableInput(f"the training interpreter could not be asked for its packages: {error}") from error
    try:
        return Installed.model_validate_json(done.stdout)
    except ValueError as error:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise UnreadableInput(
            f"the training interpreter did not tell its packages, it said: {said[0][:200]}"
        ) from error


def logged(text: str) -> dict[str, str]:
    """Versions of python and torch that a log states, as the challenge's scripts print them."""
    found = {}
    for name, word in (("python", "Python"), ("torch", "PyTorch")):
        if match := re.search(rf"^Running {word} ([0-9][\w.+-]{{0,40}})", text, re.MULTILINE):
            found[name] = match[1]
    return found
