"""`configs/sweep.yaml`: which settings take which values, what is kept, and how runs are started and tracked.

Read by PyYAML's safe loader, with numbers as OmegaConf reads them (`1e-3` is one). What YAML would pass over in silence
is an error here: a key that is not known, and one that is there twice.
"""

import difflib
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from golf.desk.private import Machine, leaks
from golf.errors import BadConfig, NotFound, UnreadableInput

BYTES_MAX = 256_000
"""A larger file is no plan of a person's."""
SEEDS_MAX = 64
NAME = r"[a-z0-9][a-z0-9_.-]{0,27}"
"""Of a sweep: an experiment is called `<sweep>-<point>` and has 80 characters."""
ROMAN = {"III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7}

Style = Literal["hydra", "env", "args"]
"""How a script takes its settings: `lr=0.1` by Hydra, `LR=0.1` in the environment, `--lr=0.1`."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class Range(_Table):
    """Numbers between two ends, both of them included."""

    low: float = Field(alias="from", allow_inf_nan=False)
    high: float = Field(alias="to", allow_inf_nan=False)
    scale: Literal["linear", "log"] = "linear"
    """log: equal ratios, and drawn evenly over magnitudes."""
    is_whole: bool = Field(default=False, alias="int")
    count: int | None = Field(default=None, ge=2, le=10_000, strict=True)
    """Values of it in a grid; random designs and Optuna draw between the ends."""


class Metric(_Table):
    """What runs are ranked by."""

    name: str = Field(default="val_bpb", min_length=1, max_length=80)
    """As a log spells it before the number, such as `val loss`."""
    goal: Literal["minimise", "maximise"] = "minimise"


class Tracking(_Table):
    """How runs are told apart in a tracker."""

    tool: Literal["none", "mlflow", "trackio"] = "none"
    experiment: str = Field(default="", max_length=200)
    """MLflow's experiment, or Trackio's project; empty: the sweep's name."""
    uri: str = Field(default="", max_length=500)
    """Of MLflow's store, e.g. `sqlite:///mlflow.db`; empty: what the environment says."""
    tags: dict[str, str] = {}
    run_name_key: str = ""
    """A setting of the script that takes the run's name, such as RUN_ID."""
    project_key: str = ""
    """A setting of the script that takes Trackio's project."""


def _resolution(value: Any) -> Any:
    return ROMAN.get(value.upper(), value) if isinstance(value, str) else value


class Factorial(_Table):
    """Two levels of each setting."""

    resolution: Annotated[Literal["full"] | Annotated[int, Field(ge=3, le=7)], BeforeValidator(_resolution)] = "full"
    """The smallest fraction that reaches it. III: settings apart from each other; IV: also from interactions of two."""


class Random(_Table):
    """Points drawn at random."""

    count: int = Field(ge=1, le=100_000, strict=True)
    seed: int = Field(default=0, strict=True)


class Optuna(_Table):
    """Points asked of Optuna's TPE sampler, one after the other."""

    trials: int = Field(ge=1, le=10_000, strict=True)
    seed: int = Field(default=0, ge=0, strict=True)
    batch: int = Field(default=4, ge=1, le=64, strict=True)
    """Points that `golf sweep plan` has open at a time."""
    startup: int = Field(default=10, ge=1, strict=True)
    """Drawn at random before the sampler learns."""


class Specification(_Table):
    """A sweep as it was written down."""

    name: str = ""
    """Default: the file's name, or its folder's where that is `sweep`."""
    style: Style = "hydra"
    command: list[str] = []
    """What is started; a text is split into words and never read by a shell."""
    design: Literal["grid", "factorial", "random", "optuna"] = "grid"
    grid: dict[str, list[Any]] = {}
    ranges: dict[str, Range] = {}
    fixed: dict[str, Any] = {}
    exclude: list[dict[str, Any]] = []
    """Combinations that have all of these values are left out; a list means any of its values."""
    constraints: list[str] = []
    """What every combination fulfils, such as `n_embd % n_head == 0`."""
    seeds: list[int] = [1337]
    seed_key: str | None = ""
    """The setting that takes the seed; default: SEED in an environment, else seed. null: the script takes none."""
    factorial: Factorial | None = None
    random: Random | None = None
    optuna: Optuna | None = None
    metric: Metric = Metric()
    tracking: Tracking = Tracking()
    on_failure: Literal["stop", "continue"] = "stop"
    run_time_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds that a run takes, where nothing measured says it."""
    hypothesis: str = ""
    """What is expected, and why; `golf sweep run` wants it, as every experiment does."""
    parent: str | None = None
    script: str | None = None
    """The training script that `golf sweep run` plays, relative to the workspace; default: the parent's."""
    tier: str | None = None

    @property
    def seed_setting(self) -> str | None:
        """The setting that takes the seed; None where the script takes none."""
        return None if self.seed_key is None else self.seed_key or ("SEED" if self.style == "env" else "seed")


def read(path: Path) -> Specification:
    """A sweep's file, checked in itself; what its values make together is checked by `golf.desk.sweep.points`.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it is too large, or no YAML.
        BadConfig: a key is unknown, there twice, or out of range.
    """
    if not path.is_file():
        raise NotFound(f"no sweep at {path.name}; write one (docs/sweeps.md has examples): golf sweep plan {path.name}")
    if path.stat().st_size > BYTES_MAX:
        raise UnreadableInput(f"{path.name} is {path.stat().st_size:,} bytes, over the limit of {BYTES_MAX:,}")
    return parse(path.read_text(encoding="utf-8-sig", errors="replace"), _default_name(path), path.name)


def parse(text: str, name: str, shown: str = "sweep.yaml") -> Specification:
    """As `read`, from a text; `name` is the sweep's where it has none."""
    if found := leaks({shown: text.encode()}, Machine(())):
        raise BadConfig(
            f"{found[0].told()}, which would stand in plans, scripts and claims: let runs find it in the environment "
            "that starts them"
        )
    table = _load(text, shown)
    if table is None:
        raise BadConfig(f"{shown} is empty; docs/sweeps.md has examples")
    if not isinstance(table, dict):
        raise BadConfig(f"{shown} holds a {type(table).__name__}, and a sweep is a table: grid, ranges, seeds, command")
    if isinstance(table.get("command"), str):
        try:
            table["command"] = shlex.split(table["command"])
        except ValueError as error:
            raise BadConfig(f"{shown}: command: {error}; give a list of words") from error
    try:
        found = Specification.model_validate(table)
    except ValidationError as error:
        raise BadConfig(f"{shown}: {_said(error)}") from error
    if not found.name:
        found = found.model_copy(update={"name": name})
    _check(found, shown)
    return found


def _check(found: Specification, shown: str) -> None:
    if not re.fullmatch(NAME, found.name):
        raise BadConfig(f"{shown}: name {found.name!r} is none: use a-z, 0-9, '-', '_' and '.', at most 28 characters")
    for design in ("factorial", "random", "optuna"):
        given = getattr(found, design) is not None
        if given and found.design != design:
            raise BadConfig(f"{shown}: {design} is set, and design is {found.design}: say design: {design}, or drop it")
        if not given and found.design == design and design != "factorial":
            needed = "random: {count: 20, seed: 0}" if design == "random" else "optuna: {trials: 20, seed: 0}"
            raise BadConfig(f"{shown}: design {design} needs its table, such as {needed}")
    if not found.seeds or len(set(found.seeds)) < len(found.seeds) or len(found.seeds) > SEEDS_MAX:
        raise BadConfig(f"{shown}: seeds are 1 to {SEEDS_MAX} different whole numbers (got {found.seeds[:9]})")
    if found.seed_key is None and len(found.seeds) > 1:
        raise BadConfig(
            f"{shown}: seed_key is null, so {len(found.seeds)} seeds would play one run {len(found.seeds)} times: give "
            "the script a seed, or drop seeds"
        )
    if not found.command:
        raise BadConfig(f"{shown}: command is missing: what starts a run, such as command: python train.py")
    if found.tracking.tool == "trackio" and not found.tracking.run_name_key:
        raise BadConfig(
            f"{shown}: Trackio takes no run name from the environment: name the setting that your script gives to "
            "trackio.init(name=…), as in tracking: {tool: trackio, run_name_key: run_name}"
        )


def _default_name(path: Path) -> str:
    stem = path.stem if path.stem != "sweep" or path.parent.name in ("", "configs") else path.parent.name
    return re.sub(r"[^a-z0-9_.-]", "-", stem.lower()).lstrip("_.-")[:28] or "sweep"


def _said(error: ValidationError) -> str:
    """What is wrong with each key; for an unknown one, what may have been meant."""
    said = []
    for item in error.errors()[:5]:
        where = ".".join(str(key) for key in item["loc"])
        if item["type"] != "extra_forbidden":
            said.append(f"{where}: {item['msg']}")
            continue
        model: type[BaseModel] = Specification
        for key in item["loc"][:-1]:
            field = model.model_fields.get(str(key))
            model = next((one for one in _tables(field.annotation) if field), model) if field else model
        known = [field.alias or name for name, field in model.model_fields.items()]
        known = ["from", "to", "scale", "int", "count"] if item["loc"][0] == "ranges" else known
        near = difflib.get_close_matches(str(item["loc"][-1]), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        said.append(f"unknown key {where}; {hint}")
    return "; ".join(said)


def _tables(annotation: Any) -> list[type[BaseModel]]:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return [one for one in options if isinstance(one, type) and issubclass(one, _Table)]


def _load(text: str, shown: str) -> Any:
    import yaml

    from golf.desk.drift.parameters import safe_loader

    class Loader(safe_loader()):
        """Also refuses a key that is there twice, of which YAML keeps the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value == "<<":
                    continue
                if isinstance(key.value, str) and key.value in seen:
                    raise BadConfig(f"{shown}:{key.start_mark.line + 1}: {key.value} is there twice; keep one of them")
                seen.add(key.value if isinstance(key.value, str) else id(key))
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader=Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise UnreadableInput(f"{shown} is no YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise UnreadableInput(f"{shown} is nested deeper than any sweep") from error
