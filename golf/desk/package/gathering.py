"""What a record is made of: claim and scripts from the commit that ran, logs, artifacts, data, packages.

Each piece is looked at whatever became of the others, and what speaks against it is kept: a refusal names everything.
"""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Literal

import yaml
from pydantic import ValidationError

from golf import rules
from golf.desk import private
from golf.desk.package import capsule as capsules
from golf.desk.package import pins, record_facts, record_text
from golf.desk.package.capsule import Ancestor, Capsule, DataPrint, Environment, Limits, SeedEvidence, Track
from golf.errors import GolfError, UnreadableInput
from golf.measure import artifact, shards
from golf.measure import logs as training_logs
from golf.play import experiments, ledger, run, worktree
from golf.referee import case as cases
from golf.schema import Experiment, Result, SeedResult, TrainingLog
from golf.workspace import TierSettings, Workspace, describe, read_config

ANCESTORS_MAX = 20
NOTES_BYTES_MAX = 200_000
GITHUB_ID = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}"
UNSAID = "unknown"

_LEFT_OUT = (experiments.CONFIG, "review.json", *experiments.WRITTEN, *experiments.EVIDENCE)
"""Of an experiment's folder in the commit: claim and evidence, and no part of what ran."""

_DEVICE = re.compile(r"^device:(.+?) threads:\d+", re.MULTILINE)


@dataclass(frozen=True)
class Request:
    """What a person says about a record; the rest is measured."""

    author: str = ""
    github_id: str = ""
    name: str = ""
    """The folder's name behind the day; default: the experiment's."""
    track: Track | None = None
    """Default: the record track for a tier with eight GPUs, else the other."""
    blurb: str = ""
    """Default: the hypothesis' first line."""
    hardware: str = ""
    """Where the logs do not say."""
    builds_on: Sequence[str] = ()
    notes: str = ""
    """Markdown of the author's own."""
    redact_paths: bool = False
    """Replace the machine's paths in logs, and nowhere else."""


class Gathered:
    """The pieces of a record, and what speaks against each."""

    def __init__(self, workspace: Workspace, folder: Path, result: Result, request: Request) -> None:
        self.workspace, self.folder, self.result, self.request = workspace, folder, result, request
        self.machine = private.Machine.of(workspace)
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.name = request.name or re.sub(r"^\d{4}-\d\d-\d\d_", "", folder.name)
        self.files: dict[str, bytes] = {}
        """Scripts and logs, by their names in the record."""
        self.scripts: list[str] = []
        self.seeds: list[SeedEvidence] = []
        self.logs: dict[int, TrainingLog] = {}
        self.claim: Experiment | None = None
        self.source: str | None = None
        self.tier: TierSettings | None = None
        self.data: DataPrint | None = None
        self.environment: Environment | None = None
        self.logged: list[str] = []
        """Texts of the logs."""

    @property
    def track(self) -> Track:
        if self.request.track is not None:
            return self.request.track
        gpus = self.tier.gpus if self.tier is not None else 0
        return record_facts.RECORD if gpus >= record_facts.GPUS else "non_record_16mb"

    def refuse(self, *reasons: str) -> None:
        self.reasons += [reason for reason in reasons if reason not in self.reasons]

    @contextlib.contextmanager
    def refusing(self, what: str) -> Iterator[None]:
        """Whatever of ours or of the system goes wrong in the block is a reason, and the next piece is looked at."""
        try:
            yield
        except (GolfError, OSError, ValueError) as error:
            self.refuse(f"{what}: {error}")

    def gather(self) -> None:
        self._asked()
        with self.refusing("the commit that ran"):
            self._commit()
        with self.refusing("the ledger"):
            self._ledger()
        for seed in self.result.seeds:
            with self.refusing(f"seed {seed.seed}"):
                self._seed(seed)
        claimed = self.claim.seeds if self.claim is not None else []
        if missing := sorted(set(claimed) - {seed.seed for seed in self.result.seeds}):
            self.refuse(f"seeds {missing} are claimed and have no result: golf run {self.folder.name}")
        with self.refusing("the data"):
            self._data()
        with self.refusing("what was imported"):
            self._environment()

    def _asked(self) -> None:
        asked, result = self.request, self.result
        if not asked.author.strip():
            self.refuse("who made it is not said: --author NAME")
        if not re.fullmatch(GITHUB_ID, asked.github_id):
            self.refuse("the author's GitHub name is not said, or is none: --github-id ID")
        if not capsules.is_name(self.name):
            self.refuse(f"{self.name!r} is no name for a record: letters, digits, '_', '.', '+', '-'; --name NAME")
            self.name = self.folder.name
        if len(asked.notes.encode()) > NOTES_BYTES_MAX:
            self.refuse(f"the author's notes have over {NOTES_BYTES_MAX:,} bytes")
        if result.status == "crash":
            self.refuse(f"the run crashed: {result.error or 'no reason was kept'}")
        if result.status == "discard":
            self.notes.append("the run was discarded: the README says so")
        if self.workspace.challenge.artifact_bytes_max != self._challenge.artifact_bytes_max:
            self.notes.append("golf.toml has a size limit of its own; the record is held to the challenge's as well")

    @property
    def _challenge(self) -> rules.Challenge:
        return rules.PRESETS[self.workspace.challenge.name]

    # --- the commit

    def _commit(self) -> None:
        """Claim, scripts and tier as they ran."""
        workspace, commit = self.workspace, self.result.commit
        if commit == "-":
            raise UnreadableInput("result.json names none, so what ran is not known: run it again")
        now = experiments.load(self.folder)
        self.source = next(
            (
                source.as_posix()
                for owner in dict.fromkeys((self.folder.name, now.parent))  # a paid run plays its parent's commit
                if owner is not None
                and now.script
                in worktree.files(workspace.root / (source := experiments.relative(workspace, owner)), commit)
            ),
            None,
        )
        if self.source is None:
            raise UnreadableInput(f"{commit[:12]} has no {now.script} of {self.folder.name} or its parent")
        own = self.source == experiments.relative(workspace, self.folder.name).as_posix()
        self.claim = self._claim_at(commit) if own else now
        if own and self.claim.model_dump() != now.model_dump():
            self.refuse(f"{experiments.CONFIG} was edited since the run: put back what was claimed, or run it again")
        if self.claim.hypothesis != self.result.hypothesis:
            self.refuse("result.json has another hypothesis than the claim that ran")
        self.tier = self._tier_at(commit)
        for name in worktree.files(workspace.root / self.source, commit):
            top = PurePosixPath(name).parts[0]
            if top in _LEFT_OUT or top.startswith("."):
                continue
            if name in record_text.WRITTEN or re.fullmatch(r"train_seed\d+\.log", name):
                self.notes.append(f"the experiment's own {name} is left out: the packer writes one (--notes FILE)")
                continue
            self.files[name] = worktree.content(workspace.root, commit, f"{self.source}/{name}")
            self.scripts.append(name)
        for name in self.scripts:
            path = self.folder / name
            if not own and name != self.claim.script and not path.exists():
                continue  # a paid run has a folder of its own, with a copy of the script alone
            if not path.is_file() or path.read_bytes() != self.files[name]:
                self.refuse(
                    f"{name} is not what ran: it was edited or removed since commit {commit[:12]}. Put it back: "
                    f"git show {commit[:12]}:{self.source}/{name} > {self.folder.name}/{name}, or run it again"
                )

    def _claim_at(self, commit: str) -> Experiment:
        text = worktree.content(self.workspace.root, commit, f"{self.source}/{experiments.CONFIG}")
        try:
            return Experiment.model_validate(yaml.safe_load(text))
        except ValidationError as error:
            raise UnreadableInput(f"{experiments.CONFIG} of {commit[:12]}: {describe(error)}") from error
        except yaml.YAMLError as error:
            raise UnreadableInput(f"{experiments.CONFIG} of {commit[:12]} is no YAML") from error

    def _tier_at(self, commit: str) -> TierSettings:
        """The tier as the commit's golf.toml has it: today's may be another."""
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "golf.toml"
            try:
                place.write_bytes(worktree.content(self.workspace.root, commit, place.name))
                tiers = read_config(place).tiers
            except GolfError:
                tiers = {}
        if self.result.tier in tiers:
            return tiers[self.result.tier]
        self.notes.append(f"the commit does not define tier {self.result.tier}: the command is golf.toml's of today")
        return self.workspace.tier(self.result.tier)

    # --- ledger and seeds

    def _ledger(self) -> None:
        result = self.result
        rows = [
            row
            for row in ledger.read(self.workspace.ledger)
            if experiments.named_in(row.description) == result.experiment and result.commit.startswith(row.commit)
        ]
        if not rows:
            self.refuse(f"the ledger has no row of {result.experiment} at commit {result.commit[:12]}")
        scores, sizes = ([getattr(seed, of) for seed in result.seeds] for of in ("val_bpb", "artifact_bytes"))
        if scores and (result.val_bpb is None or abs(fmean(scores) - result.val_bpb) > record_facts.EXACT):
            self.refuse(f"result.json says val_bpb {result.val_bpb}, and its seeds' mean is {fmean(scores)}")
        if sizes and result.artifact_bytes != max(sizes):
            self.refuse(f"result.json says {result.artifact_bytes} bytes, and its largest seed has {max(sizes)}")
        facts = (result.val_bpb, result.artifact_bytes, result.tier, result.status)
        if rows and all((row.val_bpb, row.artifact_bytes, row.tier, row.status) != facts for row in rows):
            row = rows[-1]
            self.refuse(
                f"the ledger says val_bpb {row.val_bpb}, {row.artifact_bytes} bytes, {row.tier}, {row.status}; "
                f"result.json {result.val_bpb}, {result.artifact_bytes} bytes, {result.tier}, {result.status}"
            )

    def _seed(self, seed: SeedResult) -> None:
        place = self.folder / "artifact" / f"seed{seed.seed}"
        log = self.folder / seed.log
        if not log.resolve().is_relative_to(self.folder.resolve()) or not log.is_file() or log.is_symlink():
            raise UnreadableInput(f"its log {seed.log} is missing")
        text = log.read_bytes()
        read = training_logs.read_log(log)
        if not (read.points or read.candidates):
            raise UnreadableInput(f"{seed.log} is no training log: it has neither a step nor a score")
        if read.final_bpb is None or read.final_loss is None:
            raise UnreadableInput(f"{seed.log} has no final score: {read.missing.get('final_bpb', 'no loss')}")
        if seed.logged_val_bpb is None or abs(seed.logged_val_bpb - read.final_bpb) > record_facts.EXACT:
            self.refuse(
                f"{seed.log} says val_bpb {read.final_bpb}, and result.json recorded {seed.logged_val_bpb} of it"
            )
        if read.train_time_s != seed.train_time_s:
            self.refuse(f"{seed.log} says train_time_s {read.train_time_s}, and result.json has {seed.train_time_s}")
        if read.steps != seed.steps:
            self.refuse(f"{seed.log} says {read.steps} steps, and result.json has {seed.steps}")
        if not place.is_dir():
            raise UnreadableInput("its artifact is missing, so its size cannot be measured again")
        weights = artifact.find_weights(place)
        measured = artifact.measure_artifact(place, challenge=self.workspace.challenge)
        if measured.artifact_bytes != seed.artifact_bytes:
            self.refuse(
                f"seed {seed.seed}: its artifact has {measured.artifact_bytes:,} bytes, and result.json has "
                f"{seed.artifact_bytes:,}"
            )
        self._weighed(seed.seed, measured.artifact_bytes, weights.stat().st_size, read)
        if (place / artifact.SCRIPT).read_bytes() not in [self.files[name] for name in self.scripts]:
            self.refuse(
                f"seed {seed.seed}: the script beside its artifact is not one of commit {self.result.commit[:12]}"
            )
        packed, count = text, 0
        if self.request.redact_paths:
            plain, count = self.machine.redacted(text.decode("utf-8", "surrogateescape"))
            packed = plain.encode("utf-8", "surrogateescape")
        name = f"train_seed{seed.seed}.log"
        if packed in [self.files[other.log] for other in self.seeds]:
            self.refuse(f"{seed.log} is another seed's log, byte for byte")
        self.files[name] = packed
        self.logs[seed.seed] = read
        self.logged.append(text.decode("utf-8", "replace"))
        self.seeds.append(
            SeedEvidence(
                seed=seed.seed,
                log=name,
                logged_val_bpb=read.final_bpb,
                logged_val_loss=read.final_loss,
                val_bpb=seed.val_bpb,
                val_loss=seed.val_loss,
                artifact_bytes=seed.artifact_bytes,
                weights=capsules.hashed_file(weights, weights.name),
                train_time_s=read.train_time_s,
                eval_time_s=read.eval_time_s,
                steps=read.steps,
                scored_on=seed.scored_on,
                log_sha256=capsules.hashed(text, name).sha256,
                num_redacted=count,
            )
        )

    def _weighed(self, seed: int, as_they_lie: int, weights: int, log: TrainingLog) -> None:
        """Over as the files lie is over, unless the log counts the code compressed, as accepted records since #1530."""
        limit = min(self._challenge.artifact_bytes_max, self.workspace.challenge.artifact_bytes_max)
        if as_they_lie <= limit:
            return
        told = f"seed {seed}: artifact over the limit of {limit:,} bytes by {as_they_lie - limit:,}"
        packed = log.code_bytes.get("compressed")
        if packed is not None and weights + packed <= limit:
            self.notes.append(f"{told} as its files lie; within it by its log, which counts the code compressed")
        else:
            self.refuse(told)

    # --- data and packages

    def _data(self) -> None:
        workspace = self.workspace
        now = run.data_fingerprint(workspace)
        if now != self.result.data:
            raise UnreadableInput(f"here lie {now}, and the run was scored on {self.result.data}")
        train, val = (shards.find_shards(workspace.data, split) for split in ("train", "val"))
        listed = [*train, *val, *shards.find_sidecars(workspace.data)]
        self.data = DataPrint(
            name=workspace.data.name,
            fingerprint=now,
            shards=[capsules.hashed_file(path, path.name) for path in listed],
            train_tokens=sum(shards.read_header(path).num_tokens for path in train),
            validation_tokens=sum(shards.read_header(path).num_tokens for path in val),
            tokenizer=capsules.hashed_file(workspace.tokenizer, workspace.tokenizer.name),
        )

    def _environment(self) -> None:
        """Versions of what the scripts import, packed ones unpacked without running them."""
        with tempfile.TemporaryDirectory(prefix="golf-package-") as scratch:
            for name in self.scripts:
                place = Path(scratch) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(self.files[name])
            read = cases.open_case(Path(scratch)).scripts
        sources = {script.name: script.text for script in read}
        if unread := [script.name for script in read if script.problem]:
            self.refuse(f"{', '.join(unread)}: no Python that could be read, so what it imports is not known")
        named = pins.imports(sources, local=self.scripts)
        told = [pins.logged(text) for text in self.logged]
        logged = told[0] if told else {}
        if any(one != logged for one in told):
            self.refuse("the seeds' logs state different versions of python or torch")
        if self.tier is None:
            return
        if self.tier.backend != "local":
            self.environment = Environment(
                source="log" if logged else "unknown",
                python=logged.get("python"),
                platform=None,
                packages={"torch": logged["torch"]} if "torch" in logged else {},
                imported=named,
            )
            self.notes.append("it ran elsewhere: versions are known as far as its logs state them")
            return
        found = pins.installed(self.workspace.python, named)
        imported = {
            owner: where for name, where in named.items() for owner in found.owners[name] if owner in found.versions
        }
        versions = {"python": found.python, "torch": found.versions.get("torch")}
        for name, said in logged.items():
            if versions.get(name) != said:
                self.refuse(f"the logs are of {name} {said}, and the training interpreter has {versions.get(name)} now")
        if later := found.since(self.result.finished_at):
            self.refuse(
                f"{', '.join(later)}: installed after the run ended, so what it ran under is not known: run it again"
            )
        self.environment = Environment(
            source="interpreter",
            python=found.python,
            platform=found.platform,
            packages=dict(sorted(found.versions.items())),
            imported=imported,
            not_found={name: where for name, where in named.items() if not found.owners[name]},
        )

    # --- all of it

    def capsule(self) -> Capsule | None:
        """The capsule without its files; None, with reasons, where a piece is missing."""
        asked, result = self.request, self.result
        ready = self.claim and self.source and self.tier and self.data and self.environment and self.seeds
        if not ready:
            return None
        assert self.claim and self.source and self.tier and self.data and self.environment
        challenge, clock = self._challenge, self.track == record_facts.RECORD
        hardware, known = self._hardware()
        try:
            return Capsule(
                layout=capsules.LAYOUT,
                made_by=f"Caddie {version('caddie')}",
                challenge=challenge.name,
                track=self.track,
                name=self.name,
                author=asked.author.strip() or UNSAID,  # refused already: the rest is looked at all the same
                github_id=asked.github_id if re.fullmatch(GITHUB_ID, asked.github_id) else UNSAID,
                blurb=(asked.blurb or result.hypothesis.strip().splitlines()[0])[:1000],
                hardware=hardware,
                hardware_from=known,
                experiment=result.experiment,
                run_id=result.run_id,
                commit=result.commit,
                source=self.source,
                tier=result.tier,
                status=result.status,
                finished_at=result.finished_at,
                hypothesis=result.hypothesis,
                expected_outcome=self.claim.expected_outcome,
                outcome=result.promotion.reason if result.promotion is not None else "",
                techniques=self.claim.techniques,
                script=self.claim.script,
                scripts=self.scripts,
                command=self.claim.command or self.tier.command,
                settings=result.settings,
                claimed_seeds=self.claim.seeds,
                seeds=self.seeds,
                limits=Limits(
                    artifact_bytes_max=challenge.artifact_bytes_max,
                    train_time_s_max=challenge.train_time_s_max if clock else None,
                    eval_time_s_max=challenge.eval_time_s_max if clock else None,
                ),
                lineage=_lineage(self.workspace, self.claim),
                builds_on=list(asked.builds_on),
                run_notes=result.notes,
                author_notes=asked.notes,
                cost_usd=result.cost_usd,
                data=self.data,
                environment=self.environment,
                files=[],
            )
        except ValidationError as error:
            self.refuse(f"the pieces make no capsule: {describe(error)[:500]}")
            return None

    def _hardware(self) -> tuple[str | None, Literal["log", "author", "unknown"]]:
        """What the logs say it ran on; what the author says, where they do not."""
        said = {match[1].strip() for text in self.logged if (match := _DEVICE.search(text))}
        sizes = {log.world_size for log in self.logs.values()}
        if len(said) == 1 and len(sizes) == 1:
            device, size = said.pop(), sizes.pop()
            if self.request.hardware and device.lower() not in self.request.hardware.lower():
                self.notes.append(f"--hardware is not used: the logs say {device}")
            return (f"{size}x{device}" if size and device != "cpu" else device), "log"
        if self.request.hardware.strip():
            return self.request.hardware.strip()[:100], "author"
        return None, "unknown"


def _lineage(workspace: Workspace, claim: Experiment) -> list[Ancestor]:
    """Parents, nearest first; one that is gone ends the line."""
    found: list[Ancestor] = []
    parent = claim.parent
    while parent is not None and len(found) < ANCESTORS_MAX and parent not in [one.name for one in found]:
        try:
            folder = experiments.find(workspace, parent)
            theirs, result = experiments.load(folder), experiments.read_result(folder)
        except GolfError:
            found.append(Ancestor(name=parent, hypothesis="(no longer in the workspace)", val_bpb=None))
            break
        score = None if result is None else result.val_bpb
        found.append(Ancestor(name=folder.name, hypothesis=theirs.hypothesis.splitlines()[0], val_bpb=score))
        parent = theirs.parent
    return found
