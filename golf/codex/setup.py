"""What a workspace holds for Codex, because a plugin cannot carry it: settings, roles, hooks, rules, AGENTS.md.

Says what should lie where; `golf.play.footprint` looks at what is there, writes and takes back.
"""

import os
import shlex
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from golf import bundle, rules
from golf.codex import merge, routing
from golf.errors import BadConfig
from golf.play.footprint import Wanted
from golf.workspace import CONFIG_NAME, Config, Workspace

TEMPLATES = bundle.TEMPLATES / "codex"
ROLES = ("implementer", "critic", "researcher", "triager")
SNIPPETS = ("huggingface", "huggingface-local", "huggingface-login", "mlflow")
"""Other people's MCP servers, each a few lines to append to config.toml."""
AGENTS = {"golf": "AGENTS.md", "ml": "AGENTS.ml.md", "none": None}
"""Which text AGENTS.md gets: the challenge's, that of an engineering repository, or none."""

LAYER = "ml-download.config.toml"

PLACES = {
    "src/models": "architectures, `nn.Module` subclasses",
    "src/data": "data sets, transforms, loaders",
    "src/training": "training loops, optimisers, schedules",
    "src": "the package",
    "configs": "Hydra configs, one YAML per experiment",
    "scripts": "entry points: train.py, evaluate.py, export.py",
    "notebooks": "exploration; nothing imports from here",
    "tests": "unit tests",
    "outputs": "checkpoints and what runs leave; never in git",
}
"""What the folders of a machine-learning repository hold, where they are named as usual."""


def wanted(root: Path, agents: str) -> Iterator[Wanted]:
    """The files for a workspace in `root`, which may not have its golf.toml yet.

    Raises:
        BadConfig: golf.toml is not usable, or names a model that no settings file can hold.
    """
    workspace = Workspace(root)
    config = workspace.config if (root / CONFIG_NAME).is_file() else Config()
    settings, hooks = _template("config.toml"), _template("hooks.json")
    yield Wanted(".codex/config.toml", settings, add_to=partial(merge.toml, ours=settings))
    yield Wanted(".codex/hooks.json", hooks, add_to=partial(merge.hooks, ours=hooks))
    for name in ("rules/golf.rules", LAYER, *(f"snippets/{snippet}.toml" for snippet in SNIPPETS)):
        yield Wanted(f".codex/{name}", _template(name))
    for role in ROLES:
        yield Wanted(f".codex/agents/{role}.toml", _role(role, config))
    if template := AGENTS[agents]:
        text = _template(template)
        text = _challenge(text, workspace) if agents == "golf" else _repository(text, root)
        yield Wanted(
            "AGENTS.md",
            merge.section("", text),
            add_to=partial(merge.section, ours=text),
            take_out=merge.without_section,
        )


def is_ours(name: str) -> bool:
    """Whether a file of this name may have been written by us."""
    return name == "AGENTS.md" or name.startswith(".codex/")


def layer() -> Path:
    """Where Codex looks for the download layer."""
    return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / LAYER


def copy_line(root: Path) -> str:
    """What puts the download layer where Codex looks for it."""
    return f'cp -i {shlex.quote(str(root / ".codex" / LAYER))} "${{CODEX_HOME:-$HOME/.codex}}/"'


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _filled(text: str, **values: object) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", str(value))
    return text


def _role(role: str, config: Config) -> str:
    route = routing.route(role, config.route)
    text = _filled(_template(f"agents/{role}.toml"), model=route.model, effort=route.effort)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        table = {}
    if (table.get("model"), table.get("model_reasoning_effort")) != (route.model, route.effort):
        raise BadConfig(f"route.{role} in golf.toml: {route.model!r} and {route.effort!r} are no model and effort")
    return text


def _challenge(text: str, workspace: Workspace) -> str:
    is_there = (workspace.root / CONFIG_NAME).is_file()
    limits = workspace.challenge if is_there else rules.PARAMETER_GOLF
    return _filled(
        text,
        artifact_bytes_max=f"{limits.artifact_bytes_max:,}",
        train_time_s=f"{limits.train_time_s_max:g}",
        eval_time_s=f"{limits.eval_time_s_max:g}",
        baseline="" if limits.baseline_bpb is None else f" ({limits.baseline_bpb})",
    )


def _repository(text: str, root: Path) -> str:
    """The text with the folders that are there; with the usual ones where none of them is."""
    usual = [place for place in PLACES if (root / place).is_dir()]
    code = [place for place in ("src", "tests") if place in usual]
    if not code:
        usual, code = list(PLACES), ["src", "tests"]
    return _filled(
        text,
        structure="\n".join(f"- `{place}/`: {PLACES[place]}" for place in usual),
        code=" ".join(f"{place}/" for place in code),
        package=f"{code[0]}/",
    )
