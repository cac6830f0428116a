"""What contradicts a record: its capsule, its logs and the rules of its track held against each other."""

import math
import re
from collections.abc import Iterator, Mapping

from golf import rules
from golf.desk.package.capsule import Capsule, SeedEvidence, date_of
from golf.errors import UnreadableInput
from golf.referee.checks.times import TRAIN_NOTE_S
from golf.schema import TrainingLog

RECORD = "10min_16mb"
GPUS = 8
"""Of the record track. Source: openai/parameter-golf README, 8×H100 SXM."""

PUBLISHED = "fineweb"
"""What the names of folders with the published validation split begin with."""

EXACT = 1e-9
"""Two readings of one printed number differ by less."""

_COUNTED = re.compile(r"([\d,]+) of ([\d,]+) target tokens")
_ACCELERATOR = re.compile(r"(?<![a-wyz\d])H[12]00(?!\d)", re.IGNORECASE)
"""H100, and H200 as two merged records have them: `8xH100`, but no GH200."""

Logs = Mapping[int, TrainingLog]
"""By seed."""


def contradictions(capsule: Capsule, logs: Logs, scripts: Mapping[str, bytes]) -> list[str]:
    """Every reason for which the record is not to be believed, or not within its track's limits.

    Args:
        capsule: What the record claims to rest on.
        logs: Its packed logs, read; a seed without one is a reason.
        scripts: The packed scripts, by name.
    """
    sizes = {len(data) for data in scripts.values()}
    found = [*_limits(capsule), *_seeds(capsule)]
    for seed in capsule.seeds:
        log = logs.get(seed.seed)
        if log is None:
            found.append(f"{seed.log}: the log of seed {seed.seed} is missing, or is no training log")
            continue
        found += _score(seed, log)
        found += _told(seed, log)
        found += _size(capsule, seed, log, sizes)
    found += _together([logs[seed.seed] for seed in capsule.seeds if seed.seed in logs])
    if capsule.track == RECORD:
        found += _record(capsule, logs)
    return found


def code_bytes(log: TrainingLog, seed: SeedEvidence) -> int:
    """Bytes the code counts for: the log's total without the weights, else what was measured without them."""
    total = log.artifact_bytes if log.artifact_bytes is not None else seed.artifact_bytes
    return total - seed.weights.bytes


def total_bytes(log: TrainingLog, seed: SeedEvidence) -> int:
    """artifact_bytes of a seed: as logged; measured, where the log does not say."""
    return log.artifact_bytes if log.artifact_bytes is not None else seed.artifact_bytes


def is_subset(seed: SeedEvidence) -> bool | None:
    """Whether a score covers only a part of the split; None when that was not written down."""
    counted = _COUNTED.search(seed.scored_on)
    return None if counted is None else counted[1] != counted[2]


# --- one by one


def _limits(capsule: Capsule) -> Iterator[str]:
    """The limits are the challenge's; a capsule with others was held to nothing."""
    challenge = rules.PRESETS.get(capsule.challenge)
    if challenge is None:
        yield f"there is no challenge {capsule.challenge[:60]!r}; known: {', '.join(rules.PRESETS)}"
        return
    clock = capsule.track == RECORD
    due = {
        "artifact_bytes_max": challenge.artifact_bytes_max,
        "train_time_s_max": challenge.train_time_s_max if clock else None,
        "eval_time_s_max": challenge.eval_time_s_max if clock else None,
    }
    for name, value in capsule.limits.model_dump().items():
        if value != due[name]:
            yield f"limits.{name} is {value}, and the track {capsule.track} of {challenge.name} has {due[name]}"


def _seeds(capsule: Capsule) -> Iterator[str]:
    ran = [seed.seed for seed in capsule.seeds]
    if missing := [seed for seed in capsule.claimed_seeds if seed not in ran]:
        yield f"of the claimed seeds {capsule.claimed_seeds} there is no result of {missing}"
    if extra := [seed for seed in ran if seed not in capsule.claimed_seeds]:
        yield f"seeds {extra} are not among the claimed ones, {capsule.claimed_seeds}"
    if len(set(ran)) < len(ran):
        yield f"a seed is there twice: {ran}"
    if len({seed.log for seed in capsule.seeds}) < len(ran):
        yield "two seeds have one log"


def _score(seed: SeedEvidence, log: TrainingLog) -> Iterator[str]:
    for name, said, logged, measured in (
        ("val_bpb", log.final_bpb, seed.logged_val_bpb, seed.val_bpb),
        ("val_loss", log.final_loss, seed.logged_val_loss, seed.val_loss),
    ):
        if said is None or not math.isfinite(said):
            yield f"{seed.log} has no final {name}: {log.missing.get(f'final_{name[4:]}', 'it is no number')}"
            continue
        if abs(said - logged) > EXACT:
            yield f"{seed.log} says {name} {said:.8f}, and the run was recorded with {logged:.8f}"
        allowed = rules.DISAGREEMENT_BPB * (1.0 if name == "val_bpb" else max(1.0, seed.val_loss / seed.val_bpb))
        if not abs(said - measured) <= allowed:
            yield (
                f"{seed.log} says {name} {said:.6f}, and Caddie measured {measured:.6f} on the artifact: "
                f"{abs(said - measured):.6f} apart, allowed {allowed:.6f}"
            )


def _told(seed: SeedEvidence, log: TrainingLog) -> Iterator[str]:
    printed = log.hyperparameters.get("seed")
    if printed is not None and printed.isdigit() and int(printed) != seed.seed:
        yield f"{seed.log} is of seed {printed} by its own words: are logs swapped?"
    if log.seed is not None and log.seed != seed.seed:
        yield f"{seed.log} is of seed {log.seed} by its name"
    for name, said, recorded in (
        ("train_time_s", log.train_time_s, seed.train_time_s),
        ("eval_time_s", log.eval_time_s, seed.eval_time_s),
        ("steps", log.steps, seed.steps),
    ):
        if said != recorded and not (said is not None and recorded is not None and abs(said - recorded) <= EXACT):
            yield f"{seed.log} says {name} {said}, and the run was recorded with {recorded}"


def _size(capsule: Capsule, seed: SeedEvidence, log: TrainingLog, script_sizes: set[int]) -> Iterator[str]:
    limit = capsule.limits.artifact_bytes_max
    total = total_bytes(log, seed)
    if total > limit:
        yield f"seed {seed.seed}: {total:,} bytes, {total - limit:,} over the limit of {limit:,}"
    if log.model_bytes is not None and log.model_bytes != seed.weights.bytes:
        yield (
            f"{seed.log} states {log.model_bytes:,} bytes of weights, and {seed.weights.path} has "
            f"{seed.weights.bytes:,}"
        )
    if seed.artifact_bytes - seed.weights.bytes not in script_sizes:
        yield (
            f"seed {seed.seed}: measured {seed.artifact_bytes:,} bytes less the weights are "
            f"{seed.artifact_bytes - seed.weights.bytes:,} of code, and no packed script has that size"
        )
    stated = [size for kind, size in log.code_bytes.items() if kind != "compressed"]
    if stated and not script_sizes & set(stated):
        yield (
            f"{seed.log} states {stated[0]:,} bytes of code, and no packed script has that size: it is not the script "
            "that ran"
        )
    if log.artifact_bytes is not None:
        counted = log.artifact_bytes - seed.weights.bytes
        if counted not in script_sizes and counted != log.code_bytes.get("compressed"):
            yield (
                f"{seed.log} states {log.artifact_bytes:,} bytes in all, which is no sum of weights "
                f"({seed.weights.bytes:,}) and a packed script or the compressed code it states"
            )


def _together(logs: list[TrainingLog]) -> Iterator[str]:
    """Over all seeds: one text has one number of tokens per byte."""
    ratios = [log.final_bpb / log.final_loss for log in logs if log.final_bpb and log.final_loss]
    if ratios and max(ratios) - min(ratios) > 1e-4 * max(ratios):
        yield "the logs' val_bpb and val_loss are not of one text: their ratio differs between seeds"
    if len({log.val_tokens for log in logs}) > 1:
        yield f"the logs were scored on different numbers of tokens: {sorted({log.val_tokens or 0 for log in logs})}"


def _record(capsule: Capsule, logs: Logs) -> Iterator[str]:
    """What the record track asks for besides."""
    limits = capsule.limits
    train_limit = limits.train_time_s_max or rules.TRAIN_TIME_S_MAX
    for seed in capsule.seeds:
        log = logs.get(seed.seed)
        if log is None:
            continue
        if log.train_time_s is None:
            yield f"{seed.log} does not say how long it trained, and a record is held to {train_limit:.0f} s"
        elif log.train_time_s > train_limit + (TRAIN_NOTE_S - rules.TRAIN_TIME_S_MAX):
            yield f"{seed.log}: trained {log.train_time_s:.3f} s, the record track has {train_limit:.0f} s"
        eval_limit = limits.eval_time_s_max or rules.EVAL_TIME_S_MAX
        if log.eval_time_s is None:
            yield f"{seed.log} does not say how long it evaluated, and a record is held to {eval_limit:.0f} s"
        elif log.eval_time_s > eval_limit:
            yield f"{seed.log}: evaluated {log.eval_time_s:.3f} s, the record track has {eval_limit:.0f} s"
        if log.world_size != GPUS:
            said = (
                "does not say on how many GPUs it ran" if log.world_size is None else f"is of {log.world_size} GPU(s)"
            )
            yield f"{seed.log} {said}, and a record is made on {GPUS}"
        if is_subset(seed):
            yield f"seed {seed.seed} was scored on a subset ({seed.scored_on}); a record is scored on the whole split"
    if not _ACCELERATOR.search(capsule.hardware or ""):
        yield f"a record is made on 8xH100, and the hardware is {capsule.hardware or 'not known: --hardware TEXT'}"
    if not capsule.data.name.lower().startswith(PUBLISHED):
        yield f"scored on {capsule.data.name}, which is not the challenge's validation split"


def by_seed(capsule: Capsule, read: Mapping[str, TrainingLog | UnreadableInput]) -> dict[int, TrainingLog]:
    """The logs that could be read, by the seed the capsule gives them."""
    found = {}
    for seed in capsule.seeds:
        log = read.get(seed.log)
        if isinstance(log, TrainingLog) and (log.points or log.candidates):
            found[seed.seed] = log
    return found


def date_contradiction(capsule: Capsule, folder_name: str) -> str | None:
    """Why a folder's name is not the record's, if it is not."""
    if folder_name == f"{date_of(capsule)}_{capsule.name}":
        return None
    return f"the folder is called {folder_name[:120]}, and the run ended on {date_of(capsule)}: {capsule.name}"
