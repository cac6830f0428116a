"""`golf audit`, `golf certify`, `golf compare`: is a score causal, does it decode, is it a gain."""

import argparse
from pathlib import Path
from typing import Any

from golf import leftovers
from golf.cli import verb
from golf.errors import BadConfig, NotFound

TARGET = "FILE.py:NAME (a function score(tokens) or a factory), an experiment, or a folder with weights and script"

CONTRACT = """a scorer (docs/referee.md has more):
  VOCAB_SIZE = 1024
  def score(tokens): ...      (T,) token ids to (T,) nats: minus ln p of each, or (T - 1,) without the first
or a factory of an object that has besides, optionally:
  def predict(prefix): ...    (T,) token ids to (V,) ln p of every next token: whole distributions at a call each"""


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs that test a scorer and its numbers."""
    probe = verb.add(
        verbs,
        "audit",
        audit,
        "test a scorer from outside: does a score move with later tokens, do probabilities sum to more than 1, is "
        "there a memory",
        "golf audit scorers.py:my_scorer --vocab-size 1024",
    )
    _scorer_arguments(probe)
    probe.description = f"{probe.description}\n\n{CONTRACT}\n\nexit 0 causal, 1 a violation, 2 undecided"
    probe.add_argument(
        "--bytes",
        action="store_true",
        help="audit the byte table: count the text by decoding, name each mistake, correct the score; TARGET is "
        "then a table (.npz) or the script that builds one (default: the challenge's)",
    )
    probe.add_argument("--claimed-bpb", type=verb.positive, metavar="BPB", help="with --bytes: a score to correct")
    probe.add_argument(
        "--repro",
        metavar="PATH",
        help="audit reproducibility instead: seeds, order, determinism and versions of a script, an experiment or a "
        "folder with scripts, read and not run; exit 1 on an error (docs/reproducibility.md)",
    )
    probe.add_argument(
        "--rerun",
        type=verb.count,
        metavar="N",
        help="with --repro: then run it N times on the smoke tier's settings and one seed (--seed), and compare losses",
    )
    probe.add_argument("--positions", type=verb.count, default=128, help="positions drawn at random (default: 128)")
    probe.add_argument("--tokens", type=verb.whole, default=256, help="length of each scored sequence (default: 256)")
    probe.add_argument(
        "--sum-time",
        type=verb.positive,
        default=20.0,
        metavar="S",
        help="seconds to go on adding up whole distributions of a scorer without predict(prefix) (default: 20)",
    )
    probe.add_argument(
        "--random-seed", type=verb.whole, default=0, help="of text, positions, replacements (default: 0)"
    )
    probe.add_argument(
        "--time-limit", type=verb.positive, default=1800.0, metavar="S", help="seconds for all of it (default: 1800)"
    )

    proof = verb.add(
        verbs,
        "certify",
        certify,
        "prove a score: compress validation text through the scorer, decode it in a fresh process, compare it",
        "golf certify baseline --text-bytes 64000",
    )
    _scorer_arguments(proof)
    proof.description = (
        f"{proof.description}\n\n{CONTRACT}\n\nexit 0 certified, 1 not certified, 2 it could not be tried"
    )
    proof.add_argument(
        "--text-bytes", type=verb.whole, default=64_000, metavar="N", help="about how much text (default: 64000)"
    )
    proof.add_argument(
        "--time-limit", type=verb.positive, default=7200.0, metavar="S", help="seconds for all of it (default: 7200)"
    )

    gain = verb.add(
        verbs,
        "compare",
        compare,
        "is run A better than run B: one-sided Welch over seeds, the bars for a record, how many more seeds settle it",
        "golf compare wider baseline",
    )
    gain.add_argument("a", help="the run that is claimed to be better: an experiment, or a submission's folder")
    gain.add_argument("b", help="what it is held against")
    gain.add_argument(
        "--looks", type=verb.whole, metavar="N", help="ideas A was picked from (default: runs of the tier since B)"
    )
    gain.add_argument("--speed-up", action="store_true", help="a change of systems alone: no gain in nats is asked for")


def _scorer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", help=TARGET)
    parser.add_argument("--script", type=Path, help="training script, when it is not beside the weights")
    parser.add_argument(
        "--with",
        dest="beside",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a file or folder the scorer reads, e.g. weights: it sees its script, the modules beside it, and no other",
    )
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="a setting the script reads")
    parser.add_argument("--seed", type=int, help="which seed's artifact of an experiment (default: the largest)")
    parser.add_argument("--vocab-size", type=verb.whole, help="of a Python file that does not say")
    parser.add_argument("--seq-len", type=verb.whole, help="tokens per window (default: the script's)")
    parser.add_argument("--stride", type=verb.whole, help="tokens scored per window (default: plain windows)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or mps")
    parser.add_argument("--data", type=Path, help="validation shards (default: the workspace's)")
    parser.add_argument("--tokenizer", type=Path, help="their SentencePiece model (default: the workspace's)")


def _target(arguments: argparse.Namespace) -> dict[str, Any]:
    """Workspace and target, as both verbs take them."""
    from golf.play import audit as audits

    if arguments.target is None:
        raise BadConfig(f"what is to be asked? Give {TARGET}")
    workspace = verb.opened_if_any()
    target = audits.find_target(
        arguments.target,
        workspace=workspace,
        script=arguments.script,
        env=verb.settings(arguments.env),
        checkpoint_seed=arguments.seed,
        vocab_size=arguments.vocab_size,
        seq_len=arguments.seq_len,
        stride=arguments.stride,
        device=arguments.device,
        beside=arguments.beside,
    )
    return {"target": target, "workspace": workspace, "data": arguments.data, "tokenizer": arguments.tokenizer}


def audit(arguments: argparse.Namespace) -> int:
    """Exit 0 causal (or the bytes exact), 1 a violation (or a miscount), 2 it could not be decided."""
    from golf.play import audit as audits
    from golf.report import progress, render

    if arguments.repro is not None:
        return _audit_repro(arguments)
    if arguments.rerun is not None:
        raise BadConfig("--rerun goes with --repro PATH: golf audit --repro train.py --rerun 2")
    if arguments.bytes:
        return _audit_bytes(arguments)
    with leftovers.asked_to_end(), progress.progress("auditing") as bar:
        found = audits.audit(
            **_target(arguments),
            num_tokens=arguments.tokens,
            num_positions=arguments.positions,
            sum_seconds=arguments.sum_time,
            seed=arguments.random_seed,
            time_limit_s=arguments.time_limit,
            progress=lambda what, done, total: bar.update(what, done, total, unit="position"),
        )
    render.show(found, json=arguments.json)
    return {"causal": 0, "violation": 1, "inconclusive": 2}[found.verdict]


def _audit_bytes(arguments: argparse.Namespace) -> int:
    from golf.play import audit_bytes
    from golf.report import render

    with leftovers.asked_to_end():
        counted = audit_bytes.audit_bytes(
            arguments.target,
            workspace=verb.opened_if_any(),
            data=arguments.data,
            tokenizer=arguments.tokenizer,
            claimed_bpb=arguments.claimed_bpb,
            time_limit_s=arguments.time_limit,
        )
    render.show(counted, json=arguments.json)
    return 0 if counted.verdict == "exact" else 1


def _audit_repro(arguments: argparse.Namespace) -> int:
    """Exit 0 without an error, 1 with one or when a repetition differs."""
    from golf.desk.repro import repetition, reproducibility
    from golf.report import render

    workspace = verb.opened_if_any()
    subject = None
    path = Path(arguments.repro)
    if arguments.rerun is not None or not path.exists():
        if workspace is None and not path.exists():
            raise NotFound(f"there is nothing at {path}, and no workspace here whose experiment it could be")
        if workspace is None:
            workspace = verb.opened()  # says what is missing
        subject = repetition.find_subject(workspace, arguments.repro)
        path = subject.script
    found = reproducibility.audit(path)
    if arguments.rerun is not None and subject is not None and workspace is not None:
        with leftovers.asked_to_end():
            repeated = repetition.repeat(
                workspace,
                subject,
                runs=arguments.rerun,
                seed=arguments.seed,
                env=verb.settings(arguments.env),
                beside=arguments.beside,
                time_limit_s=arguments.time_limit,
            )
        found = found.model_copy(update={"repetition": repeated})
    render.show(found, json=arguments.json)
    return 0 if found.is_clean else 1


def certify(arguments: argparse.Namespace) -> int:
    """Exit 0 certified, 1 not; what cannot be decided is an error."""
    from golf.play import certify as proofs
    from golf.report import progress, render

    with leftovers.asked_to_end(), progress.progress("certifying") as bar:
        found = proofs.certify(
            **_target(arguments),
            text_bytes=arguments.text_bytes,
            time_limit_s=arguments.time_limit,
            progress=lambda what, done, total, note: bar.update(what, done, total, note, unit="token"),
        )
    render.show(found, json=arguments.json)
    return 0 if found.verdict == "certified" else 1


def compare(arguments: argparse.Namespace) -> int:
    """Exit 0 when A is shown to be better, 1 when it is not, 2 when there are too few seeds to say."""
    from golf.play import compare as comparing
    from golf.report import render

    found = comparing.compare_runs(
        verb.opened_if_any(), arguments.a, arguments.b, looks=arguments.looks, is_speed_up=arguments.speed_up
    )
    render.show(found, json=arguments.json)
    return {"better": 0, "unsettled": 1, "worse": 1, "unknown": 2}[found.verdict]
