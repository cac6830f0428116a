"""Settings out of files, as dotted names to values: YAML, TOML, JSON, Hydra, `.env`, a script's defaults.

What is surprising:

- YAML's own rule makes `1e-3` a text (it wants `1.0e-3`); trainers with OmegaConf get a number, and so do we.
- A file with a `defaults:` list, or with `${…}`, means what the real Hydra and OmegaConf make of it, so they are asked.
- An environment, and MLflow, hold texts only: such a source is not `typed`, and its texts are read as Python would.
- Nothing is run: a script is read by AST, and `_target_` is a text like any other.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golf.errors import BadConfig, MissingPackage, NotFound, UnreadableInput

BYTES_MAX = 2_000_000
"""A larger configuration is not read."""
KEYS_MAX = 20_000
"""More are no configuration; YAML's aliases make them out of a few lines."""
DEPTH_MAX = 40
TEXT_MAX = 10_000
"""A longer text is not looked into for a list or a table."""

_NUMBER = re.compile(r"[-+]?(?:\d{1,300}|(?:\d{1,300}\.\d{0,300}|\.\d{1,300}|\d{1,300}(?=[eE]))(?:[eE][-+]?\d{1,4})?)")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_SETS = re.compile(r"\s*(?:export\s+|set\s+)?([A-Za-z_][\w.]{0,127})=(.*)")
_READS = re.compile(r"""(?:\w\(|environ\[)\s*["']([A-Z][A-Z0-9_]+)["']\s*[,)\]]""")
"""A read of one environment variable, by whatever function."""
_LAUNCHER = frozenset({"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})
"""Set by whatever starts the processes: no settings of a run."""
_REFERS = re.compile(r"\$\{")


@dataclass(frozen=True)
class Parameter:
    """One setting's value, and where it stands."""

    value: Any
    """A number, text, truth value, None, or an empty list or table; a date is its text."""
    file: str = ""
    line: int | None = None


@dataclass
class Parameters:
    """All settings of one source, by dotted name."""

    name: str
    """The source, as it is shown."""
    is_typed: bool
    """Values have types; otherwise all are texts."""
    values: dict[str, Parameter] = field(default_factory=dict)
    untold: frozenset[str] = frozenset()
    """Names in lower case that a script gives a value which only running it would tell."""

    def over(self, other: "Parameters") -> "Parameters":
        """These settings with others below them."""
        return Parameters(
            f"{other.name}, {self.name}", self.is_typed and other.is_typed, {**other.values, **self.values},
            (self.untold | other.untold) - {name.lower() for name in self.values},
        )  # fmt: skip


def read_configs(paths: Sequence[Path], overrides: Sequence[str] = ()) -> Parameters:
    """The settings of several files, later ones over earlier.

    Args:
        paths: `.yaml`, `.yml`, `.toml`, `.json`, `.env` (or any file of `KEY=VALUE` lines), `.py`.
        overrides: What was said to Hydra on the command line, e.g. `optimizer=muon` or `lr=0.02`; of files without
            Hydra, a dotted name and its value.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it cannot be read as what its name says.
        BadConfig: an override is malformed, or not one that Hydra can apply.
        MissingPackage: it wants Hydra or OmegaConf, and they are not installed.
    """
    merged: Parameters | None = None
    composed = False
    for path in paths:
        found, by_hydra = read_config(path, overrides)
        composed |= by_hydra
        merged = found if merged is None else found.over(merged)
    if merged is None:
        raise BadConfig("no configuration is named: golf drift CONFIG --run RUN")
    if overrides and not composed:
        said = Parameters("command line", False)
        for override in overrides:
            key, mark, value = override.lstrip("+").partition("=")
            if not mark or not key:
                raise BadConfig(f"an override is KEY=VALUE (got {override!r})")
            said.values[key] = Parameter(literal(value), "command line")
        merged.values.update(said.values)
    return merged


def read_config(path: Path, overrides: Sequence[str] = ()) -> tuple[Parameters, bool]:
    """One file's settings, and whether Hydra composed them; errors as in `read_configs`."""
    shown = path.name if path.is_absolute() else path.as_posix()
    text = _text(path, shown)
    ending = path.suffix.lower()
    try:
        if ending in (".yaml", ".yml"):
            return _of_yaml(path, shown, text, overrides)
        if ending == ".toml":
            return Parameters(shown, True, flat(tomllib.loads(text), shown, _lines(text))), False
        if ending == ".json":
            return Parameters(shown, True, flat(_table(json.loads(text), shown), shown, _lines(text))), False
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{shown} is no {ending[1:].upper()}: {str(error)[:200]}") from error
    if ending == ".py":
        return _of_script(path, shown, text), False
    return _of_environment(shown, text), False


def _text(path: Path, shown: str) -> str:
    if not path.is_file():
        raise NotFound(f"no configuration file {shown}; give YAML, TOML, JSON, KEY=VALUE lines or a script")
    if path.stat().st_size > BYTES_MAX:
        raise UnreadableInput(f"{shown} is over {BYTES_MAX:,} bytes and not read as a configuration")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _table(value: Any, shown: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableInput(f"{shown} holds a {type(value).__name__}, and a configuration is a table of names")
    return value


# --- YAML and Hydra


def safe_loader() -> Any:
    """PyYAML's safe loader with numbers as OmegaConf reads them (`1e-3` is one), and dates left as they are written."""
    import yaml

    class Loader(yaml.SafeLoader):
        """One of its own: the resolvers of `yaml.SafeLoader` are everybody's."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag not in (f"{_TAG}float", f"{_TAG}timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
    return Loader


_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
"""Source: omegaconf, `_utils.get_yaml_loader`, without its base-60 numbers."""


def _of_yaml(path: Path, shown: str, text: str, overrides: Sequence[str]) -> tuple[Parameters, bool]:
    import yaml

    try:
        value = yaml.load(text, Loader=safe_loader())
    except yaml.YAMLError as error:
        raise UnreadableInput(f"{shown} is no YAML: {' '.join(str(error).split())[:200]}") from error
    table = _table({} if value is None else value, shown)
    claim = table.get("env")
    if "hypothesis" in table and isinstance(claim, Mapping):  # an experiment's config.yaml: its settings are in env
        return Parameters(shown, False, flat(claim, shown, _lines(text))), False
    lines = _lines(text)
    if isinstance(table.get("defaults"), list):
        return Parameters(shown, True, flat(_composed(path, shown, overrides), shown, lines)), True
    if _REFERS.search(text):
        return Parameters(shown, True, flat(_resolved(table, shown), shown, lines)), False
    return Parameters(shown, True, flat(table, shown, lines)), False


def _composed(path: Path, shown: str, overrides: Sequence[str]) -> Mapping[str, Any]:
    """What Hydra makes of a primary configuration and the groups beside it."""
    try:
        from hydra import compose, initialize_config_dir
        from hydra.core.global_hydra import GlobalHydra
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError as error:
        raise _missing(shown, "a defaults list") from error
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(path.parent.resolve()), version_base=None):
            return _plain(OmegaConf.to_container(compose(path.stem, overrides=list(overrides)), resolve=True))
    except (HydraException, OmegaConfBaseException) as error:
        raise BadConfig(f"Hydra cannot compose {shown}: {' '.join(str(error).split())[:300]}") from error


def _resolved(table: Mapping[str, Any], shown: str) -> Mapping[str, Any]:
    try:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError as error:
        raise _missing(shown, "references (${…})") from error
    try:
        return _plain(OmegaConf.to_container(OmegaConf.create(dict(table)), resolve=True))
    except OmegaConfBaseException as error:
        raise BadConfig(f"OmegaConf cannot resolve {shown}: {' '.join(str(error).split())[:300]}") from error


def _plain(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _missing(shown: str, what: str) -> MissingPackage:
    return MissingPackage(
        f"{shown} has {what}, which Hydra and OmegaConf resolve, and they are not installed. Install them: "
        "pip install 'caddie[hydra]'"
    )


# --- environments and scripts


def _of_environment(shown: str, text: str) -> Parameters:
    found = Parameters(shown, False)
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if match := _SETS.fullmatch(line.rstrip()):
            value = match[2].strip()
            if value[:1] in ("'", '"') and value[:1] in value[1:]:
                value = value[1 : value.index(value[0], 1)]
            else:
                value = re.split(r"\s#", value, maxsplit=1)[0].strip().removesuffix("\\").strip()
            found.values[match[1]] = Parameter(literal(value), shown, number)
    if not found.values:
        raise UnreadableInput(f"{shown} holds no KEY=VALUE line; give YAML, TOML, JSON, an environment or a script")
    return found


def _of_script(path: Path, shown: str, text: str) -> Parameters:
    """What a script's settings are by default, under the environment variables they are read from."""
    from golf.referee.case import Case, Script
    from golf.referee.settings import UNKNOWN, effective
    from golf.referee.syntax import last_name, targets
    from golf.rulings import Submission

    script = Script(shown, text)
    if script.tree is None:
        raise UnreadableInput(f"{shown} is no Python: {script.problem}")
    case = Case(
        folder=path.parent, files={}, readmes=[], json={}, json_file=None, scripts=[script], shells=[], others=[],
        logs=[], submission=Submission(folder="script"),
    )  # fmt: skip
    settings = effective(case)
    found = Parameters(shown, False)  # what it is given comes as texts
    for name in settings.named(""):
        setting = settings.get(name)
        if setting is None or setting.disputed or setting.value is UNKNOWN:
            continue
        line = setting.evidence.line
        if line is None or not _is_setting(script, line):
            continue
        read = _READS.findall(script.lines[line - 1])
        if not _LAUNCHER.isdisjoint(read):
            continue
        found.values[read[0] if len(read) == 1 else name] = Parameter(setting.value, shown, line)
    given = {last_name(target).lower() for statement in script.statements for target in targets(statement)}
    read_there = {name.lower() for name in _READS.findall(text)}
    found.untold = frozenset((given | read_there) - {name.lower() for name in found.values})
    if not found.values:
        raise UnreadableInput(f"{shown} gives no setting a value that can be told without running it")
    return found


def _is_setting(script: Any, line: int) -> bool:
    """Whether a line reads the environment, or stands in a class, or at the top of the module in lower case.

    A constant in capitals (`CONTROL_PATTERNS`) is no setting anybody logs.
    """
    text = script.lines[line - 1]
    return "environ" in text or "getenv" in text or bool(re.match(r"\s+[a-z]|[a-z]", text))


# --- values


def flat(table: Mapping[str, Any], shown: str = "", lines: Mapping[str, int] | None = None) -> dict[str, Parameter]:
    """A nested table as dotted names; items of a list by number.

    Raises:
        UnreadableInput: it is deeper or larger than any configuration.
    """
    found: dict[str, Parameter] = {}
    for name, value in _leaves(table, "", 0):
        if len(found) >= KEYS_MAX:
            raise UnreadableInput(f"{shown or 'the run'} has over {KEYS_MAX:,} settings; that is no configuration")
        found[name] = Parameter(value, shown, (lines or {}).get(name))
    return found


def _leaves(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEPTH_MAX:
        raise UnreadableInput(f"settings are nested deeper than {DEPTH_MAX} at {prefix[:80]}")
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            name = str(key) if str(key).strip() else repr(key)
            yield from _leaves(item, f"{prefix}.{name}" if prefix else name, depth + 1)
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{prefix}.{index}", depth + 1)
    elif isinstance(value, Mapping | list | tuple):
        if prefix:
            yield prefix, {} if isinstance(value, Mapping) else []
    else:
        yield prefix, value if isinstance(value, bool | int | float | str) or value is None else str(value)


def literal(text: str) -> Any:
    """What a text of an environment or of MLflow stands for: a number, a truth value, None, or itself."""
    bare = text.strip()
    if bare.lower() in _WORDS:
        return _WORDS[bare.lower()]
    if _NUMBER.fullmatch(bare):
        return float(bare) if re.search(r"[.eE]", bare) else int(bare)
    if bare.lower() in ("nan", "inf", "+inf", "-inf"):
        return float(bare)
    return text


def of_texts(table: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that print a list or a table, as one: MLflow keeps `{'lr': 0.1}` so."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found[key] = value
        if isinstance(value, str) and value[:1] in "[({" and len(value) <= TEXT_MAX:
            try:
                found[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return found


def _lines(text: str) -> dict[str, int]:
    """Where each dotted name stands, for YAML and JSON by their own parser, for TOML by its headers."""
    import yaml

    found: dict[str, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return _toml_lines(text)
    if not isinstance(root, yaml.MappingNode):
        return _toml_lines(text)
    waiting: list[tuple[Any, str, int]] = [(root, "", 0)]
    while waiting and len(found) < KEYS_MAX:
        node, prefix, depth = waiting.pop()
        if depth > DEPTH_MAX:
            continue
        items: list[tuple[str, Any, Any]] = []
        if isinstance(node, yaml.MappingNode):
            items = [(key.value, key, value) for key, value in node.value if isinstance(key.value, str)]
        elif isinstance(node, yaml.SequenceNode):
            items = [(str(index), value, value) for index, value in enumerate(node.value)]
        for name, at, value in items:
            dotted = f"{prefix}.{name}" if prefix else name
            found[dotted] = at.start_mark.line + 1
            waiting.append((value, dotted, depth + 1))
    return found


def _toml_lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([\w.\-\"' ]+)\]", line):
            table = re.sub(r"[\"' ]", "", header[1]) + "."
        elif given := re.match(r"\s*([\w.\-\"' ]+?)\s*=", line):
            found.setdefault(table + re.sub(r"[\"' ]", "", given[1]), number)
    return found
