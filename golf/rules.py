"""The challenge's limits, each with its source. Data, so that a workspace may bring its own.

"MB" in the challenge is decimal: 16 MB is 16,000,000 bytes, never 16 MiB.
"""

from dataclasses import dataclass

ARTIFACT_BYTES_MAX = 16_000_000
"""Upper limit on artifact_bytes, code and compressed weights together; 16,000,000 itself passes.

Source: openai/parameter-golf README, FAQ on artifact size ("not 16 MiB / 16,777,216").
"""

TRAIN_TIME_S_MAX = 600.0
"""Training wall-clock on 8×H100 SXM, seconds. Source: openai/parameter-golf README."""

EVAL_TIME_S_MAX = 600.0
"""Evaluation wall-clock, in addition to training, seconds. Source: the README's FAQ 4."""

NAIVE_BASELINE_BPB = 1.2244
"""val_bpb of the challenge's naive baseline. Source: records/track_10min_16mb/2026-03-17_NaiveBaseline."""

PROMOTION_THRESHOLD = 0.03
"""Relative improvement over the running local baseline that earns a paid run.

Source: "Parameter Golf Auto Research" (2026-03-27), section "Two Tiers of Compute".
"""

DISAGREEMENT_BPB = 5e-4
"""Difference between a logged and a measured val_bpb above which the two disagree; ours, not the challenge's."""

SHARD_MAGIC = 20240520
SHARD_VERSION = 1
SHARD_HEADER_INTS = 256
"""A `.bin` shard: 256 little-endian int32 (magic, version, token count, zeros), then uint16 tokens.

Source: the challenge's data pipeline; the format comes from karpathy's llm.c.
"""


@dataclass(frozen=True)
class Challenge:
    """What a submission is held to."""

    name: str
    artifact_bytes_max: int = ARTIFACT_BYTES_MAX
    train_time_s_max: float = TRAIN_TIME_S_MAX
    eval_time_s_max: float = EVAL_TIME_S_MAX
    baseline_bpb: float | None = None
    """Published val_bpb to beat; None where there is none."""


PARAMETER_GOLF = Challenge(name="parameter-golf", baseline_bpb=NAIVE_BASELINE_BPB)
PRESETS = {PARAMETER_GOLF.name: PARAMETER_GOLF}
