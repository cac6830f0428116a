"""What a seed's training is when it happens elsewhere: the words, variables and files that go there and come back."""

from collections.abc import Mapping
from pathlib import Path

from golf.jobs.backend import Launch
from golf.measure import artifact
from golf.play.budget import cost_usd
from golf.schema import Experiment
from golf.workspace import TierSettings


def launch(
    experiment: Experiment,
    tier: TierSettings,
    env: Mapping[str, str],
    *,
    key: str,
    owner: str,
    tree: Path,
    script: str,
    seed: int,
    time_limit_s: float,
) -> Launch:
    """One seed's launch, in a checkout `tree` with the experiment's script at `script` in it."""
    return Launch(
        key=key,
        owner=owner,
        tree=tree,
        command=[word.replace("{script}", script) for word in experiment.command or tier.command],
        env={**env, "SEED": str(seed), "RUN_ID": f"seed{seed}"},
        outputs=artifact.PATTERNS,
        time_limit_s=time_limit_s,
        gpus=tier.gpus,
        hourly_usd=cost_usd(3600.0, tier.gpus, tier.hourly_rate_usd),
    )
