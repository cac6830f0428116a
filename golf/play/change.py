"""What an experiment changes against its parent, and the hash that a verdict is bound to."""

import ast
import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from golf.play import experiments
from golf.schema import Experiment
from golf.workspace import Workspace


@dataclass(frozen=True)
class Change:
    """The difference between a candidate and its parent; without a parent everything is new."""

    diff: str
    """Unified diff of settings and script."""
    added: list[str]
    removed: list[str]
    """Lines of the script."""
    settings: dict[str, tuple[str | None, str | None]]
    """Variables whose value differs: before and after."""
    functions: list[str] | None
    """Functions and classes whose code differs, by qualified name; None when a script is not valid Python."""

    @property
    def is_code(self) -> bool:
        """Whether the script differs at all."""
        return bool(self.added or self.removed)


def change(workspace: Workspace, folder: Path) -> Change:
    """What `folder` changes against its parent.

    Raises:
        BadConfig: a config.yaml is not readable.
        NotFound: the parent is gone.
    """
    experiment = experiments.load(folder)
    before, after = "", _text(folder, experiment)
    old: dict[str, str] = {}
    if experiment.parent is not None:
        parent = experiments.find(workspace, experiment.parent)
        ancestor = experiments.load(parent)
        before, old = _text(parent, ancestor), ancestor.env
    settings = {
        key: (old.get(key), experiment.env.get(key))
        for key in sorted(old.keys() | experiment.env.keys())
        if old.get(key) != experiment.env.get(key)
    }
    script = list(difflib.unified_diff(before.splitlines(), after.splitlines(), "parent", "candidate", lineterm=""))
    return Change(
        diff="\n".join([*(f"{key}: {was} -> {now}" for key, (was, now) in settings.items()), *script]) + "\n",
        added=[line[1:] for line in script[2:] if line.startswith("+")],
        removed=[line[1:] for line in script[2:] if line.startswith("-")],
        settings=settings,
        functions=_changed_functions(before, after),
    )


def diff_sha256(workspace: Workspace, folder: Path) -> str:
    """SHA-256 over everything a verdict is about: claim, scripts, the parent's, and the run that was judged.

    One byte later it is another hash, and a repetition of the run is another one too.
    """
    experiment = experiments.load(folder)
    places = [folder]
    if experiment.parent is not None:
        places.append(experiments.find(workspace, experiment.parent))
    digest = hashlib.sha256()
    for place in places:
        script = place / experiments.load(place).script
        for path in dict.fromkeys((place / experiments.CONFIG, script, experiments.model_script(script))):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    result = experiments.read_result(folder)
    digest.update((result.run_id if result else "not played").encode())
    return digest.hexdigest()


def _text(folder: Path, experiment: Experiment) -> str:
    return (folder / experiment.script).read_text(encoding="utf-8", errors="replace")


def _changed_functions(before: str, after: str) -> list[str] | None:
    try:
        old, new = _definitions(before), _definitions(after)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _definitions(source: str) -> dict[str, str]:
    """Each function, each class without its functions, and the rest of the module, as comparable text."""
    found: dict[str, str] = {}

    def collect(body: list[ast.stmt], prefix: str, name: str) -> None:
        own = []
        for node in body:
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}.", f"{prefix}{node.name}")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{prefix}{node.name}"] = ast.dump(node)
            else:
                own.append(ast.dump(node))
        if own:
            found[name] = "\n".join(own)

    collect(ast.parse(source).body, "", "the module's own code")
    return found
