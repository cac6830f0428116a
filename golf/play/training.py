"""One seed's training: in a checkout of the snapshot, here, elsewhere, or already done while nobody looked.

Its weights and the model's script end up in the experiment's folder; nothing is measured yet (`golf.play.run`).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golf import durable
from golf.environment import inherited
from golf.errors import AmbiguousInput, JobFailed, UnreadableInput
from golf.jobs import ending, process, progress, remote, salvage
from golf.jobs.leases import Lease, Leases
from golf.measure import artifact
from golf.play import experiments, worktree
from golf.play.budget import cost_usd
from golf.play.launch import launch
from golf.play.watching import Watcher
from golf.schema import Experiment
from golf.workspace import TierSettings, Workspace


@dataclass(frozen=True)
class Setting:
    """All that one run needs to know."""

    workspace: Workspace
    folder: Path
    source: Path
    """The experiment's folder in the checkout, relative to the workspace."""
    experiment: Experiment
    tier: TierSettings
    run_id: str
    commit: str
    data: str
    """Fingerprint of what it is scored on."""
    status: progress.Status
    started: float
    """Monotonic seconds."""
    place: Path
    """Where logs and artifacts go: the experiment's folder, unless a newer run's lie there."""
    salvaged: Path | None = None
    """What a lost run left, a folder per seed."""

    @property
    def seeds(self) -> list[int]:
        """What is trained, or of a lost run the claimed seeds that are there."""
        claimed = self.experiment.seeds
        if self.salvaged is None:
            return claimed
        there = salvage.kept(self.salvaged)
        return [seed for seed in claimed if seed in there]

    @property
    def env(self) -> dict[str, str]:
        """The trainer's settings."""
        return experiments.settings(self.workspace, self.experiment, self.tier)

    def log(self, seed: int) -> Path:
        """A seed's training log."""
        return self.place / "logs" / f"train_seed{seed}.log"

    def stop_file(self, seed: int) -> Path:
        """Whoever makes this file ends a seed's training early; its result counts."""
        return self.log(seed).with_suffix(".stop")

    def metrics(self, seed: int) -> Path:
        """What a seed's trainer writes for whoever watches."""
        return self.place / "logs" / f"seed{seed}.metrics.jsonl"


def train(setting: Setting, seed: int, should_stop: Callable[[], str | None]) -> process.Ended:
    """One trainer in its own worktree; its weights and the model's script are copied to the experiment's folder."""
    if reason := should_stop():
        raise JobFailed(f"seed {seed} was not started: {reason}")
    experiment = setting.experiment
    place = setting.workspace.worktrees / f"{setting.status.folder.name}.seed{seed}"  # of the job: a lost run has two
    with worktree.checkout(setting.workspace.root, setting.commit, place) as root:
        script = root / setting.source / experiment.script
        code = experiments.model_script(script).read_bytes()  # as committed: the trainer may rewrite itself
        before = {path: _digest(path) for path in root.iterdir() if _is_weights(path)}
        relative = str(script.relative_to(root))
        trained = _salvaged if setting.salvaged else _here if setting.tier.backend == "local" else _elsewhere
        watcher = Watcher(
            setting.workspace,
            experiment.tier,
            setting.tier,
            data=setting.data,
            experiment=setting.folder.name,
            log=setting.log(seed),
            stop_file=setting.stop_file(seed),
            should_stop=should_stop,
        )
        ended = trained(setting, seed, root, relative, watcher)
        if ended.reason is not None or ended.exit_code != 0:
            log = setting.log(seed)
            raise JobFailed(f"training seed {seed} {ended.told}. Log: {log}\n{_tail(log)}")
        weights = _trained_weights(root, before, seed)
        target = setting.place / "artifact" / f"seed{seed}"
        target.mkdir(parents=True)
        shutil.copyfile(weights, target / weights.name)
        (target / artifact.SCRIPT).write_bytes(code)
    return ended


def _here(setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]) -> process.Ended:
    """The trainer as a process of this machine."""
    return run_here(
        setting.workspace,
        setting.experiment.command or setting.tier.command,
        script,
        {**threads(setting.tier.parallel_seeds), **setting.env},
        seed=seed,
        root=root,
        log=setting.log(seed),
        metrics=setting.metrics(seed),
        stop_file=setting.stop_file(seed),
        should_stop=should_stop,
    )


def run_here(
    workspace: Workspace,
    command: Sequence[str],
    script: str,
    settings: Mapping[str, str],
    *,
    seed: int,
    root: Path,
    log: Path,
    metrics: Path,
    stop_file: Path,
    should_stop: Callable[[], str | None],
    new_group: bool = False,
) -> process.Ended:
    """A trainer as a process of this machine, in `root`, under its settings and nothing else of this environment.

    Raises:
        JobFailed: it could not be started.
    """
    python = workspace.python
    command = [word.replace("{python}", python).replace("{script}", script) for word in command]
    env = {
        **inherited(),
        **settings,
        # torchrun lies beside the interpreter
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "SEED": str(seed),
        "RUN_ID": f"seed{seed}",
        "PYTHONDONTWRITEBYTECODE": "1",
        progress.METRICS: str(metrics),
        progress.STOP: str(stop_file),
    }
    try:
        return process.run(command, cwd=root, env=env, output=log, should_stop=should_stop, new_group=new_group)
    except (OSError, ValueError) as error:
        raise JobFailed(f"the trainer could not be started: {' '.join(command)}: {error}") from error


def _salvaged(
    setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]
) -> process.Ended:
    """No trainer: what one left that ended well while nobody looked."""
    del script, should_stop
    assert setting.salvaged is not None
    place = setting.salvaged / f"seed{seed}"
    for file in place.iterdir():
        shutil.copyfile(file, setting.log(seed) if file.name == salvage.LOG else root / file.name)
    lease = _lease(setting, seed)
    return process.Ended(0, None, 0, ((lease.gone_at or 0) - (lease.asked_at or 0)) / 1e6)


def _elsewhere(
    setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]
) -> process.Ended:
    """The trainer on the back-end that its lease was written for; its weights come back into `root`."""
    tier, lease = setting.tier, _lease(setting, seed)
    planned = (lease.backend, lease.options, lease.usd_per_s)
    if planned != (tier.backend, json.dumps(tier.options), cost_usd(1.0, tier.gpus, tier.hourly_rate_usd)):
        raise JobFailed(
            f"seed {seed} was not started: tier {setting.experiment.tier!r} in golf.toml has another back-end, other "
            "options or another price than when this run was planned. Run it again to have it as it is now"
        )
    asked = launch(
        setting.experiment,
        tier,
        setting.env,
        key=lease.key,
        owner=lease.owner,
        tree=root,
        script=script,
        seed=seed,
        time_limit_s=lease.limit_s,
    )
    return remote.run(
        setting.workspace,
        ending.opened(lease),
        asked,
        output=setting.log(seed),
        stop_file=setting.stop_file(seed),
        should_stop=should_stop,
    )


def _lease(setting: Setting, seed: int) -> Lease:
    found = [one for one in Leases(setting.workspace.database).of_run(setting.run_id) if one.seed == seed]
    if not found:
        raise JobFailed(f"seed {seed} has no lease in run {setting.run_id}: it was not planned to train elsewhere")
    return found[0]


def _is_weights(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(artifact.COMPRESSED + artifact.RAW)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _trained_weights(root: Path, before: dict[Path, str], seed: int) -> Path:
    """The one weights file the trainer wrote; files that came with the snapshot were trained by something else.

    They are told by their bytes: what was fetched from elsewhere is all new by its times.
    """
    for path, digest in before.items():
        if path.is_file() and _digest(path) == digest:
            path.unlink()
    try:
        return artifact.find_weights(root)
    except AmbiguousInput as error:
        raise JobFailed(f"seed {seed} left more than one artifact: {str(error).split('. ')[0]}") from error
    except UnreadableInput as error:
        raise JobFailed(
            f"training seed {seed} ended well and left no weights (such as final_model.int8.ptz) in its working folder"
            + (", or only those that came with the snapshot" if before else "")
        ) from error


def threads(parallel: int) -> dict[str, str]:
    """Seeds that share the cores get a fair part each: two trainers on all cores are slower than one."""
    if parallel == 1:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // parallel))}


def _tail(log: Path, lines: int = 5) -> str:
    return "\n".join(f"  {line[:300]}" for line in durable.tail(log, 4000).splitlines()[-lines:])
