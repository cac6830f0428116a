"""Score a checkpoint: `python eval.py --checkpoint PATH`. The same verb as `golf evaluate-bpb PATH`."""

import argparse
import sys

from golf.cli import main


def run(arguments: list[str] | None = None) -> int:
    """Translate the flags and call the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="final_model.int8.ptz, a .pt, or the folder of one")
    for flag in ("--script", "--data", "--tokenizer", "--seq-len", "--stride", "--tokens"):
        parser.add_argument(flag)
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="model settings; repeatable")
    options = vars(parser.parse_args(arguments))
    command = ["evaluate-bpb", options.pop("checkpoint")]
    for setting in options.pop("env"):
        command += ["--env", setting]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", value]
    return main(command)


if __name__ == "__main__":
    sys.exit(run())
