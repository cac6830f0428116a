"""`golf measure-artifact`, `golf predict-size`, `golf evaluate-bpb`, `golf read-log`."""

import argparse
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the measuring verbs."""
    weigh = verb.add(
        verbs,
        "measure-artifact",
        measure_artifact,
        "count the bytes a submission weighs under the rules, and the room left",
        "golf measure-artifact experiments/2026-11-21_baseline",
    )
    weigh.add_argument("path", help="experiment, submission folder, weights or script")
    weigh.add_argument("--script", help="the training script, when it is not train_gpt.py")
    weigh.add_argument("--weights", help="the weights file, when there are several")
    weigh.add_argument("--helper", action="append", default=[], help="another code file that counts; repeatable")
    weigh.add_argument("--tokenizer", help="a custom tokenizer file, reported apart")
    weigh.add_argument("--accounting", choices=("shipped", "packed", "logged"), help="convention for code bytes")
    weigh.add_argument("--code-only", action="store_true", help="there are no weights yet")
    weigh.add_argument("--savings", action="store_true", help="try better codecs (up to a minute for 16 MB)")
    weigh.add_argument("--fits", metavar="CODEC", help="does it fit, packed with CODEC; which is run only if close")
    weigh.add_argument("--seed", type=int, help="of an experiment: this seed's artifact (default: the largest)")

    plan = verb.add(
        verbs,
        "predict-size",
        predict_size,
        "parameters and bytes of an artifact before it is trained: by part, an interval for 95 in 100, does it fit",
        "golf predict-size --script train_gpt.py --env NUM_LAYERS=11 --env MATRIX_BITS=6",
    )
    plan.add_argument("--script", type=Path, help="take its own defaults, read and not run, for what --env leaves open")
    plan.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as the script reads them; unset: the script's, else the baseline's",
    )
    plan.add_argument("--params", type=int, help="parameters, as a script prints them at its start")
    plan.add_argument(
        "--code-bytes", type=verb.whole, help="counted size of the script (default: a guess, and said so)"
    )

    score = verb.add(
        verbs,
        "evaluate-bpb",
        evaluate_bpb,
        "score a checkpoint or artifact in bits per byte on the validation split",
        "golf evaluate-bpb experiments/2026-11-21_baseline --stride 64",
    )
    score.add_argument("path", help="experiment, artifact folder or checkpoint")
    score.add_argument("--script", help="training script that defines the model (default: beside the checkpoint)")
    score.add_argument("--data", help="folder of shards (default: golf.toml)")
    score.add_argument("--tokenizer", help="SentencePiece model (default: golf.toml)")
    score.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="model settings; repeatable")
    score.add_argument("--seq-len", type=int, help="window length in tokens (default: TRAIN_SEQ_LEN)")
    score.add_argument("--stride", type=int, help="sliding window: tokens scored per window")
    score.add_argument("--tokens", type=int, help="score only this many tokens, and say so")
    score.add_argument("--dtype", choices=("float32", "float64", "bfloat16"), default="float32")
    score.add_argument("--detach", action="store_true", help="return the job instead of waiting for it")

    read = verb.add(
        verbs,
        "read-log",
        read_log,
        "a training log as numbers, in any of the challenge's dialects",
        "golf read-log experiments/2026-11-21_baseline/logs/train_seed1337.log --json",
    )
    read.add_argument("path", type=Path)


def measure_artifact(arguments: argparse.Namespace) -> int:
    """Exit 0 within the limit, 1 over it, 2 not measurable."""
    from golf.measure import artifact
    from golf.play import targets
    from golf.report import render

    path, challenge = targets.artifact(arguments.path, arguments.seed)
    measured = artifact.measure_artifact(
        path,
        challenge=challenge,
        script=arguments.script,
        weights=arguments.weights,
        helpers=arguments.helper,
        tokenizer=arguments.tokenizer,
        accounting=arguments.accounting,
        code_only=arguments.code_only,
        savings=arguments.savings,
    )
    if arguments.fits is not None:
        room_bytes = measured.limit_bytes - measured.code_bytes
        return _fits(path, arguments.weights, room_bytes, arguments.fits, arguments.json)
    render.show(measured, json=arguments.json)
    return 0 if measured.status == "OK" else 1


def _fits(path: Path, weights: str | None, room_bytes: int, codec: str, json: bool) -> int:
    """Exit 1 when it does not fit, or likely not."""
    from golf.errors import NotFound
    from golf.measure import artifact, fit
    from golf.report import render
    from golf.workspace import Workspace

    named = weights or (path.name if path.is_file() and path.suffix != ".py" else None)
    payload = fit.payload_of(artifact.find_weights(path if path.is_dir() else path.parent, named))
    try:
        cache = Workspace.find().state / "sizes"
    except NotFound:
        cache = None
    with render.progress("packing") as bar:
        found = fit.does_it_fit(
            payload, room_bytes, codec, cache=cache, progress=lambda done: bar.update(codec, done, unit="byte")
        )
    render.show(found, json=json)
    return 1 if "not fit" in found.verdict else 0


def predict_size(arguments: argparse.Namespace) -> int:
    """Exit 0 unless it does not fit: what cannot be told is no refusal."""
    from golf.errors import BadConfig
    from golf.measure import size_prediction
    from golf.report import render

    settings = verb.settings(arguments.env)
    if wrong := size_prediction.misspelled(settings):
        said = ", ".join(f"{name} (did you mean {known}?)" for name, known in wrong.items())
        raise BadConfig(f"nothing is predicted from {said}: without it the answer would be the baseline's")
    if arguments.script is not None:
        from golf.measure.script_defaults import script_defaults

        own = script_defaults(arguments.script, size_prediction.SETTINGS)
        settings = {**own, **{name.upper(): value for name, value in settings.items()}}
    plan = size_prediction.plan_of(settings, arguments.params)
    found = size_prediction.predict_size(plan, code_bytes=arguments.code_bytes)
    render.show(found, json=arguments.json)
    return 1 if found.verdict == "does not fit" else 0


def evaluate_bpb(arguments: argparse.Namespace) -> int:
    """Scores in a job; Ctrl-C ends it."""
    from golf.cli import jobs
    from golf.play import start
    from golf.report import render
    from golf.schema import Evaluation

    workspace = verb.opened()
    job = start.start_evaluation(
        workspace,
        arguments.path,
        script=arguments.script,
        data=arguments.data,
        tokenizer=arguments.tokenizer,
        env=verb.settings(arguments.env),
        seq_len=arguments.seq_len,
        stride=arguments.stride,
        max_tokens=arguments.tokens,
        dtype=arguments.dtype,
        foreground=not arguments.detach,
    )
    if arguments.detach:
        render.show(job, json=arguments.json)
        return 0
    ended = jobs.finished(workspace, job, f"evaluating {arguments.path}")
    render.show(Evaluation.model_validate(ended.result), json=arguments.json)
    return 0


def read_log(arguments: argparse.Namespace) -> int:
    """Numbers, or the reason there is none."""
    from golf.measure import logs
    from golf.report import render

    render.show(logs.read_log(arguments.path), json=arguments.json)
    return 0
