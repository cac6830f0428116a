"""Where things live: the folder with `golf.toml`, and the settings in it.

A workspace is found upwards from the current directory, or named by GOLF_WORKSPACE. Every path in
`golf.toml` is relative to it. Settings are typed; an unknown key is an error that names it, because
a misspelt limit must not silently become a default.
"""

import functools
import os
import shutil
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golf import durable, rules
from golf.errors import BadConfig, NotFound

CONFIG_NAME = "golf.toml"


class Settings(BaseModel):
    """Base of the tables in golf.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class TierSettings(Settings):
    """One rung of the ladder: where it runs, what it runs, what it may cost."""

    backend: str = "local"
    options: dict[str, Any] = {}
    """What a remote back-end wants to know besides; each checks its own (`golf.jobs.backend`)."""
    command: list[str] = ["{python}", "-u", "{script}"]
    """`{python}` is the training interpreter, `{script}` the experiment's script."""
    env: dict[str, str] = {}
    time_limit_s: float = Field(default=3600.0, gt=0)
    """Wall-clock limit for one run over all its seeds; the process group is ended at it. On a back-end elsewhere it is
    the limit of each launch, and every seed is a launch: so much of a machine's time is paid for per seed at most."""
    parallel_seeds: int = Field(default=1, ge=1, strict=True)
    gpus: int = Field(default=0, ge=0, strict=True)
    hourly_rate_usd: float = Field(default=0.0, ge=0)
    """Price of 8 GPUs for an hour; 0 makes the tier free."""
    early_stop: Literal["off", "step-1000", "bank"] = "off"
    """Whether a seed is ended that cannot beat the best any more: by the simple rule, or by the curves of past runs."""
    early_stop_delta_bpb: float = Field(default=0.0, ge=0)
    """By how much it must beat the best."""


class BudgetSettings(Settings):
    """Compute credits in US dollars. Defaults are the ones the published loops ran with."""

    total_usd: float = Field(default=500.0, ge=0)
    reserve_usd: float = Field(default=50.0, ge=0)
    hourly_rate_usd: float = Field(default=20.0, ge=0)
    """Price of 8×H100 for an hour."""
    gpus: int = Field(default=8, ge=1, strict=True)
    run_time_s: float = Field(default=630.0, gt=0)
    """Worst-case billed seconds of one paid run, boot included: 630 s at $20 is $3.50."""
    min_interval_s: float = Field(default=3600.0, ge=0)


class JobsSettings(Settings):
    """How closely remote launches are looked after."""

    lease_s: float = Field(default=180.0, ge=2.0, le=3600.0)
    """A launch that nobody has looked after for so long is ended."""
    poll_s: float = Field(default=5.0, gt=0.0, le=60.0)
    """Between two looks at it."""
    settling_s: float = Field(default=600.0, ge=0.0, le=86_400.0)
    """An unanswered launch that no listing has shown for so long never came to be; its money is free again."""


class DataSettings(Settings):
    """Shards and tokenizer, as the challenge's DATA_PATH and TOKENIZER_PATH."""

    path: str = "data/datasets/fineweb10B_sp1024"
    tokenizer: str = "data/tokenizers/fineweb_1024_bpe.model"


class TrainSettings(Settings):
    """How training scripts are run."""

    python: str = ""
    """Interpreter with torch; empty means the one Caddie runs under."""


class GateSettings(Settings):
    """Promotion to paid compute."""

    mode: Literal["fixed", "adaptive"] = "fixed"
    """adaptive: the gain that pays, by measured noise and pairs of local and paid runs; until known, `promotion`."""
    promotion: float = Field(default=rules.PROMOTION_THRESHOLD, gt=0, lt=1)


class TrackingSettings(Settings):
    """Where the metrics of played runs go besides their own files (docs/tracking.md)."""

    to: list[Literal["trackio", "mlflow", "wandb", "jsonl"]] = ["trackio"]
    """One that is not installed is left out; where none is, JSON lines stand in."""
    project: str = ""
    """Trackio's and W&B's project, MLflow's experiment; empty: the workspace folder's name."""
    tracking_uri: str = ""
    """MLflow's store; empty: `.golf/mlflow.db`. No credentials here: MLFLOW_TRACKING_USERNAME, …_PASSWORD, …_TOKEN."""
    live: bool = True
    """Points go there while the run is on, by a process beside it that only reads the trainer's files."""
    alerts: bool = True
    """What a look at the curves finds (NaN, divergence, spikes, plateau) and a budget near its limit, as alerts."""
    system: bool = False
    """This machine's CPU, memory and disk in Trackio, while a run is on."""
    gpu: bool = False
    """Its GPUs as well: this asks the driver every ten seconds, beside the trainer."""


class GuardSettings(Settings):
    """Files that score experiments; hashed before and after each run."""

    frozen: list[str] = ["baselines", "eval.py"]


class RouteSettings(Settings):
    """Model and reasoning effort of one role, instead of what `golf route` would choose."""

    model: str | None = None
    effort: str | None = None


class WebSearch(Settings):
    """One kind of Tavily search."""

    queries: list[str]
    topic: Literal["general", "news"] = "general"
    depth: Literal["basic", "advanced"] = "basic"
    time_range: Literal["day", "week", "month", "year"] = "month"
    domains: list[str] = []
    """Only from these; empty: from anywhere."""
    max_results: int = Field(default=6, ge=1, le=20)


TAVILY_MODES = {
    "ml": WebSearch(
        queries=["low-bit quantization-aware training of small language models", "OpenAI Parameter Golf technique"],
        depth="advanced",
        time_range="week",
    ),
    "math": WebSearch(queries=["rate distortion theory of neural network weights", "Muon optimizer analysis"]),
    "systems": WebSearch(
        queries=["fast GPU kernels for training small transformers", "entropy coding of model weights"]
    ),
}
"""The scheduled kinds: what the models do, why it works, what makes it fast and small."""


class ResearchEndpoints(Settings):
    """Where the sources' APIs are: https, or http on loopback."""

    arxiv: str = "https://export.arxiv.org"
    openreview: str = "https://api2.openreview.net"
    semantic_scholar: str = "https://api.semanticscholar.org"
    github: str = "https://api.github.com"
    tavily: str = "https://api.tavily.com"


class ResearchSettings(Settings):
    """What research reads, and how often. Defaults are the published loop's where it states them."""

    off: list[str] = []
    """Sources that are not asked: `golf.research.sources.SOURCES`."""
    batch_h: float = Field(default=6.0, gt=0, le=8760)
    breaking_h: float = Field(default=1.0, gt=0, le=8760)
    lookback_days: float = Field(default=14.0, gt=0, le=3650)
    """What was published so long before a source's last good visit is still looked at: things appear with delay."""
    deadline_s: float = Field(default=60.0, gt=0, le=600)
    """Of one source's visit, waits included."""
    off_track: float = Field(default=0.25, ge=0, le=1)
    """Share of `golf next` off the beaten track: what is hardly tried, whatever its score."""
    human_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the next experiments that a person directs: so many of `golf next` are left to them."""
    repositories: list[str] = ["openai/parameter-golf", "KellerJordan/modded-nanogpt", "karpathy/autoresearch"]
    """Whose pull requests are watched."""
    submissions_of: list[str] = ["openai/parameter-golf"]
    """Those of them whose pull requests' record folders are read too."""
    pulls_max: int = Field(default=30, ge=1, le=100)
    """Newest pull requests of one repository; without a token GitHub answers 60 questions an hour."""
    queries: list[str] = [
        "quantization-aware training",
        "test-time training",
        "Muon optimizer",
        "bits per byte",
        "weight sharing transformer",
        "low-bit language model",
    ]
    """Phrases for arXiv, OpenReview and Semantic Scholar."""
    categories: list[str] = ["cs.LG", "cs.CL"]
    """Of arXiv."""
    feeds: list[str] = [
        "https://lilianweng.github.io/index.xml",
        "https://magazine.sebastianraschka.com/feed",
        "https://developer.nvidia.com/blog/feed/",
    ]
    code_queries: list[str] = ["parameter golf val_bpb language:python", "modded-nanogpt Muon language:python"]
    """For GitHub's code search, which wants a token."""
    tavily: dict[str, WebSearch] = TAVILY_MODES
    breaking: WebSearch = WebSearch(
        queries=["Parameter Golf challenge new record", "language model quantization breakthrough"],
        topic="news",
        time_range="day",
        max_results=5,
    )
    """The hourly kind."""
    notes: str = ""
    """A folder of Markdown notes; empty: none."""
    clone: str = ""
    """A local clone of `clone_of` that has its pull requests; empty: none."""
    clone_of: str = "openai/parameter-golf"
    clone_pulls_max: int = Field(default=200, ge=1, le=10_000)
    """Newest pull requests of the clone."""
    endpoints: ResearchEndpoints = ResearchEndpoints()


class ChallengeSettings(Settings):
    """A preset, with its size limit overridden for a challenge of one's own."""

    preset: str = rules.PARAMETER_GOLF.name
    artifact_bytes_max: int | None = Field(default=None, gt=0)


SMOKE = {
    "ITERATIONS": "20",
    "VAL_LOSS_EVERY": "10",
    "WARMUP_STEPS": "0",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "128",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "128",
    "TRAIN_BATCH_TOKENS": "2048",
    "VAL_BATCH_SIZE": "8192",
}
"""The challenge's variables for a run that only shows that everything works."""


def _default_tiers() -> dict[str, TierSettings]:
    return {
        "smoke": TierSettings(env=SMOKE, time_limit_s=600),
        "local": TierSettings(env={"ITERATIONS": "500"}, time_limit_s=7200),
    }


class Config(Settings):
    """golf.toml; defaults are made where one is read, as most starts read none."""

    challenge: ChallengeSettings = Field(default_factory=ChallengeSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
    tiers: dict[str, TierSettings] = Field(default_factory=_default_tiers)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    jobs: JobsSettings = Field(default_factory=JobsSettings)
    gate: GateSettings = Field(default_factory=GateSettings)
    guard: GuardSettings = Field(default_factory=GuardSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    research: ResearchSettings = Field(default_factory=ResearchSettings)
    route: dict[str, RouteSettings] = {}


@dataclass(frozen=True)
class Workspace:
    """A folder with golf.toml; the properties are the places in it."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Workspace":
        """The workspace around `start` (default: GOLF_WORKSPACE, else the current directory).

        Raises:
            NotFound: no golf.toml from there upwards.
        """
        named = os.environ.get("GOLF_WORKSPACE")
        origin = (start or Path(named or ".")).expanduser().resolve()
        if start is None and named:
            if not (origin / CONFIG_NAME).is_file():
                raise NotFound(
                    f"GOLF_WORKSPACE is {named}, and there is no {CONFIG_NAME} in it. Make one: golf init {named}"
                )
            return cls(origin)
        for folder in (origin, *origin.parents):
            if (folder / CONFIG_NAME).is_file():
                return cls(folder)
        raise NotFound(f"no {CONFIG_NAME} in {origin} or above it. Make a workspace here: golf init")

    @cached_property
    def config(self) -> Config:
        """golf.toml, typed.

        Raises:
            BadConfig: it is not TOML, or a key is unknown or out of range; the message names the key.
        """
        return read_config(self.root / CONFIG_NAME)

    @property
    def challenge(self) -> rules.Challenge:
        """The preset in force, with golf.toml's overrides."""
        table = self.config.challenge
        preset = rules.PRESETS.get(table.preset)
        if preset is None:
            raise BadConfig(f"challenge.preset is {table.preset!r}; known presets: {', '.join(rules.PRESETS)}")
        overrides = table.model_dump(exclude={"preset"}, exclude_none=True)
        return rules.Challenge(**{**vars(preset), **overrides})

    def tier(self, name: str) -> TierSettings:
        """Settings of one tier.

        Raises:
            BadConfig: golf.toml has no such tier.
        """
        try:
            return self.config.tiers[name]
        except KeyError:
            known = ", ".join(sorted(self.config.tiers))
            raise BadConfig(f"no tier {name!r} in {self.root / CONFIG_NAME}; it has: {known}") from None

    def inside(self, path: str | Path) -> Path:
        """`path` (relative to the workspace) as an absolute path that stays inside it.

        Raises:
            BadConfig: it leads out of the workspace, by `..`, absolutely or through a symlink.
        """
        full = (self.root / path).resolve()
        if not full.is_relative_to(self.root.resolve()):
            raise BadConfig(f"{path} leads out of the workspace {self.root}; give a path inside it")
        return full

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def ledger(self) -> Path:
        return self.root / "results.tsv"

    @property
    def notes(self) -> Path:
        """The shared channel of human, implementer and critic."""
        return self.root / "notes.jsonl"

    @property
    def state(self) -> Path:
        """`.golf/`: database, jobs, worktrees; ignores itself in git."""
        folder = self.root / ".golf"
        if not (folder / ".gitignore").exists():  # the file, not the folder: a kill may fall between the two
            folder.mkdir(exist_ok=True)
            (folder / ".gitignore").write_text("*\n")
        return folder

    @property
    def database(self) -> Path:
        return self.state / "golf.db"

    @property
    def jobs(self) -> Path:
        return self.state / "jobs"

    @property
    def worktrees(self) -> Path:
        return self.state / "worktrees"

    @property
    def python(self) -> str:
        """The training interpreter: a path as golf.toml means it, or a program on PATH."""
        chosen = self.config.train.python
        if not chosen:
            return sys.executable
        if os.sep in chosen:
            return str(self.root / Path(chosen).expanduser())  # an absolute one stays as it is
        return shutil.which(chosen) or chosen

    @property
    def data(self) -> Path:
        """Folder of shards (DATA_PATH)."""
        return (self.root / self.config.data.path).resolve()

    @property
    def tokenizer(self) -> Path:
        """SentencePiece model (TOKENIZER_PATH)."""
        return (self.root / self.config.data.tokenizer).resolve()


def point_at(workspace: Workspace, data: Path, tokenizer: Path) -> bool:
    """Set `[data]` in golf.toml to a course inside the workspace, where it still says the default.

    Everything else in the file, comments included, stays as it is. Returns whether it was changed.
    """
    path, default = workspace.root / CONFIG_NAME, DataSettings()
    if workspace.config.data != default or not data.resolve().is_relative_to(workspace.root.resolve()):
        return False
    text = path.read_text(encoding="utf-8")
    places = {
        "path": data.resolve().relative_to(workspace.root.resolve()).as_posix(),
        "tokenizer": tokenizer.resolve().relative_to(workspace.root.resolve()).as_posix(),
    }
    if "[data]" in text:
        for key, place in places.items():
            text = text.replace(f'{key} = "{getattr(default, key)}"', f'{key} = "{place}"')
    else:
        text += "\n[data]\n" + "".join(f'{key} = "{place}"\n' for key, place in places.items())
    durable.replace(path, text)
    return read_config(path).data.model_dump() == places


def read_config(path: Path) -> Config:
    """Parse a golf.toml.

    Raises:
        BadConfig: not TOML, or a key is unknown or has an unusable value.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path} could not be read: {error}") from error
    except ValidationError as error:
        start = "\n" if error.error_count() > 1 else " "  # each on a line of its own: one must not hide another
        raise BadConfig(f"{path}:{start}{describe(error, between=chr(10))}") from error


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> Config:
    """Kept by what the file says, as every call to a server reads it anew; nothing of a Config is ever changed."""
    return Config.model_validate(tomllib.loads(text))


def describe(error: ValidationError, between: str = "; ") -> str:
    """What is wrong with each key of a pydantic error, without its class names and links."""
    lines = [f"{'.'.join(str(key) for key in item['loc'])}: {item['msg']}" for item in error.errors()]
    return between.join(lines)
