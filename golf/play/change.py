"""What an experiment changes against its parent, and the hash that a verdict is bound to."""

import ast
import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from golf.play import experiments, worktree
from golf.schema import Experiment
from golf.workspace import Workspace

RECORDS = ("experiments/????-??-??_*/**", "notes.jsonl", "results.tsv", "program.md", ".codex/**", "AGENTS.md")
"""What differs between two runs without being run."""


@dataclass(frozen=True)
class Change:
    """The difference between a candidate and its parent; without a parent everything is new."""

    diff: str
    """All of it: settings, scripts, and what else in the tree differs between the two runs."""
    added: list[str]
    removed: list[str]
    """Lines of the script."""
    settings: dict[str, tuple[str | None, str | None]]
    """Variables, command and seeds that differ: before and after."""
    functions: list[str] | None
    """Functions and classes whose code differs, by qualified name; None when a script is not valid Python."""
    others: list[str]
    """Other files that differ or came with the experiment, and could be part of what ran."""

    @property
    def is_code(self) -> bool:
        """Whether any code differs."""
        return bool(self.added or self.removed or self.others)


def change(workspace: Workspace, folder: Path) -> Change:
    """What `folder` changes against its parent, as it was run where it was run.

    Raises:
        BadConfig: a config.yaml is not readable.
        NotFound: the parent is gone.
    """
    experiment = experiments.load(folder)
    parent = None if experiment.parent is None else experiments.find(workspace, experiment.parent)
    ancestor = None if parent is None else experiments.load(parent)
    old, new = {} if ancestor is None else _said(ancestor), _said(experiment)
    settings = {
        key: (old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
    }
    before = "" if parent is None or ancestor is None else _text(parent / ancestor.script)
    after = _text(folder / experiment.script)
    script = _diff(before, after)
    twin = ""
    if (model := experiments.model_script(folder / experiment.script)).name != experiment.script:
        was = None if parent is None or ancestor is None else experiments.model_script(parent / ancestor.script)
        twin = "\n".join(_diff(_text(was) if was and was.is_file() else "", _text(model)))
    rest, others = _rest(workspace, folder, parent)
    return Change(
        diff="\n".join([*(f"{key}: {was} -> {now}" for key, (was, now) in settings.items()), *script, twin, rest])
        + "\n",
        added=[line[1:] for line in script[2:] if line.startswith("+")],
        removed=[line[1:] for line in script[2:] if line.startswith("-")],
        settings=settings,
        functions=_changed_functions(before, after),
        others=([model.name] if twin else []) + others,
    )


def edited(workspace: Workspace, folder: Path, commit: str) -> list[str]:
    """Claim and scripts that are no longer what the run of `commit` took."""
    script = folder / experiments.load(folder).script
    kept = dict.fromkeys((folder / experiments.CONFIG, script, experiments.model_script(script)))
    return [path.name for path in kept if worktree.differs(path, commit)]


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


def _said(experiment: Experiment) -> dict[str, str]:
    """What an experiment sets, as text."""
    command = {} if experiment.command is None else {"command": " ".join(experiment.command)}
    return {**experiment.env, **command, "seeds": ", ".join(map(str, experiment.seeds)), "tier": experiment.tier}


def _text(script: Path) -> str:
    return script.read_text(encoding="utf-8", errors="replace")


def _diff(before: str, after: str) -> list[str]:
    """Split at line feeds alone: other breaks are one line to Python's parser's eyes and to a reader's."""
    return list(difflib.unified_diff(before.split("\n"), after.split("\n"), "parent", "candidate", lineterm=""))


def _rest(workspace: Workspace, folder: Path, parent: Path | None) -> tuple[str, list[str]]:
    """What differs beside the script, between the parent's run and this one, and what else lies in the folder."""
    result = experiments.read_result(folder)
    if result is None:
        return "", []
    own = {experiments.CONFIG, experiments.load(folder).script}
    own.add(experiments.model_script(folder / experiments.load(folder).script).name)
    evidence = (*experiments.WRITTEN, *experiments.EVIDENCE, "review.json")
    strangers = [
        name for name in worktree.files(folder, result.commit) if name not in own and name.split("/")[0] not in evidence
    ]
    lines = [f"also in {folder.name}: {name}" for name in strangers]
    theirs = None if parent is None else experiments.read_result(parent)
    if theirs is not None and theirs.commit != "-":
        tree = worktree.difference(workspace.root, theirs.commit, result.commit, RECORDS)
        strangers += [line.split(" b/", 1)[1] for line in tree.split("\n") if line.startswith("diff --git ")]
        lines.append(tree)
    elif parent is not None:
        lines.append("the parent was not played: what else differs is not known")
    return "\n".join(lines), strangers


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
