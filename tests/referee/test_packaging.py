"""Whether files, seeds and hardware are there and belong together."""

from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.referee.checks import packaging
from golf.rulings import Finding

SCRIPT = 'import torch\nloss.backward()\nprint(f"final_int8_zlib_roundtrip_exact val_loss:{1} val_bpb:{2}")\n'
TABLE = {"name": "Toy", "val_bpb": 1.2}
SEEDS = {f"train_seed{seed}.log": log_of(seed=seed, code=len(SCRIPT)) for seed in (1, 2, 3)}


def of(found: list[Finding], code: str) -> list[str]:
    return [finding.severity for finding in found if finding.code == code]


def test_a_whole_submission_is_without_a_finding(tmp_path: Path) -> None:
    assert not packaging.findings(case_of(tmp_path, table=TABLE, logs=SEEDS, script=SCRIPT))


def test_neither_log_nor_json_blocks(tmp_path: Path) -> None:
    """cocohearts on #505: no submission.json and no training log, not leaderboard-ready."""
    [finding] = packaging.findings(case_of(tmp_path, script=SCRIPT))
    assert (finding.code, finding.severity) == ("MISSING_FILES", "block")
    assert finding.evidence[0].quote == "files: README.md, train_gpt.py"


@pytest.mark.parametrize(("track", "expected"), [("10min_16mb", ["flag"]), ("non_record_16mb", ["note"])])
def test_a_record_without_a_log_asks_for_a_reader(tmp_path: Path, track: str, expected: list[str]) -> None:
    """#1106 and #363 were accepted without one, outside the record track."""
    case = case_of(tmp_path, table=TABLE, script=SCRIPT, track=track)
    assert of(packaging.findings(case), "MISSING_FILES") == expected


def test_an_excerpt_lacks_no_script(tmp_path: Path) -> None:
    case = case_of(tmp_path, table=TABLE, logs=SEEDS)
    assert of(packaging.findings(case), "MISSING_FILES") == ["flag"]
    case.expects_code = False
    assert not packaging.findings(case)


def test_a_script_alone_is_an_excerpt_to_be_looked_at(tmp_path: Path) -> None:
    case = case_of(tmp_path, readme=None, script=SCRIPT)
    assert of(packaging.findings(case), "MISSING_FILES") == ["flag"]


def test_a_single_seed_is_a_note(tmp_path: Path) -> None:
    """Merged records began with one."""
    logs = {"train_seed1.log": SEEDS["train_seed1.log"]}
    assert of(packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT)), "EVIDENCE_WEAK") == ["note"]


def test_a_record_on_one_gpu_asks_for_a_reader(tmp_path: Path) -> None:
    logs = {name: log_of(world_size=1, code=len(SCRIPT), seed=n) for n, name in enumerate(SEEDS)}
    assert of(packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT)), "EVIDENCE_WEAK") == ["flag"]


def test_one_run_on_fewer_gpus_among_others_is_no_finding(tmp_path: Path) -> None:
    logs = {**SEEDS, "train_seed4.log": log_of(world_size=2, code=len(SCRIPT), seed=4)}
    assert not packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT))


@pytest.mark.parametrize(("differing", "expected"), [(1, ["note"]), (4, ["flag"])])
def test_seeds_of_several_configurations_ask_for_a_reader(tmp_path: Path, differing: int, expected: list[str]) -> None:
    """#2124: the headline's third seed came from another configuration; accepted records differ in one setting."""
    names = ["matrix_lr", "num_layers", "ttt_chunk", "lqer_rank"]
    logs = {
        f"train_seed{seed}.log": log_of(
            seed=seed,
            code=len(SCRIPT),
            settings={name: seed if n < differing else 0 for n, name in enumerate(names)},
        )
        for seed in (1, 2, 3)
    }
    assert of(packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT)), "EVIDENCE_WEAK") == expected


def test_a_headline_over_more_logs_than_the_json_counts_asks_for_a_reader(tmp_path: Path) -> None:
    """#2124: the README's mean takes in a run that submission.json calls a reference."""
    scores = {1: 1.21, 2: 1.22, 3: 1.17}
    logs = {f"train_seed{seed}.log": log_of(seed=seed, bpb=bpb, code=len(SCRIPT)) for seed, bpb in scores.items()}
    rows = {str(seed): {"val_bpb": scores[seed]} for seed in (1, 2)}
    table = {"name": "Toy", "val_bpb": 1.215, "seed_results": rows}
    readme = "# Toy\n\n**1.20000** mean over three logs.\n"
    found = packaging.findings(case_of(tmp_path, readme=readme, table=table, logs=logs, script=SCRIPT))
    assert "the mean of 3 logs, and submission.json counts 2" in next(
        one.text for one in found if one.severity == "flag"
    )


def test_a_missing_readme_can_be_supplied(tmp_path: Path) -> None:
    case = case_of(tmp_path, readme=None, table=TABLE, logs=SEEDS, script=SCRIPT)
    assert of(packaging.findings(case), "MISSING_FILES") == ["note"]


def test_a_score_that_no_shipped_script_prints_asks_for_a_reader(tmp_path: Path) -> None:
    """As in #945, which ships the baseline beside logs of an oracle."""
    logs = {name: log.replace("final_int8_zlib_roundtrip", "final_oracle") for name, log in SEEDS.items()}
    [finding] = packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT))
    assert (finding.code, finding.severity) == ("CODE_LOG_MISMATCH", "flag")
    assert "'oracle'" in finding.text


def test_code_of_another_size_than_logged_asks_for_a_reader(tmp_path: Path) -> None:
    logs = {name: log_of(seed=n, code=2 * len(SCRIPT)) for n, name in enumerate(SEEDS)}
    case = case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT)
    assert of(packaging.findings(case), "CODE_LOG_MISMATCH") == ["flag"]


def test_a_script_edited_a_little_after_the_run_is_no_finding(tmp_path: Path) -> None:
    logs = {name: log_of(seed=n, code=len(SCRIPT) + 10) for n, name in enumerate(SEEDS)}
    assert not packaging.findings(case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT))


def test_a_log_that_embeds_another_script_asks_for_a_reader(tmp_path: Path) -> None:
    def source(word: str) -> str:
        lines = "".join(f"{word}_{n} = compute_{word}(layer={n}, width={n * 64})\n" for n in range(150))
        return "import math\nimport torch\n" + lines

    script = source("mine") + SCRIPT
    logs = {
        name: source("theirs") + "=" * 100 + "\n" + log_of(seed=n, code=len(script)) for n, name in enumerate(SEEDS)
    }
    case = case_of(tmp_path, table=TABLE, logs=logs, script=script)
    assert of(packaging.findings(case), "CODE_LOG_MISMATCH") == ["flag"]
    own = {name: log.replace("theirs", "mine") for name, log in logs.items()}
    assert not packaging.findings(case_of(tmp_path / "own", table=TABLE, logs=own, script=script))


def test_a_script_that_takes_no_gradient_asks_for_a_reader(tmp_path: Path) -> None:
    """As in #1864, with a placeholder for a main function."""
    case = case_of(tmp_path, table=TABLE, logs=SEEDS, script="def main():\n    ...\n")
    assert of(packaging.findings(case), "CODE_LOG_MISMATCH") == ["flag"]


def test_a_search_over_seeds_asks_for_a_reader(tmp_path: Path) -> None:
    readme = "# Toy\n\nThe submitted run is the best of 12 seeds.\n"
    case = case_of(tmp_path, readme=readme, table=TABLE, logs=SEEDS, script=SCRIPT)
    assert of(packaging.findings(case), "SEED_BRUTE_FORCE") == ["flag"]


def test_a_seed_nobody_would_choose_is_a_note(tmp_path: Path) -> None:
    logs = {**SEEDS, "train_seed2884431328.log": log_of(seed=2_884_431_328, code=len(SCRIPT))}
    case = case_of(tmp_path, table=TABLE, logs=logs, script=SCRIPT)
    assert of(packaging.findings(case), "SEED_BRUTE_FORCE") == ["note"]


def test_lost_logs_ask_for_a_reader(tmp_path: Path) -> None:
    readme = "# Toy\n\nThe full logs were lost when the machine was returned.\n"
    case = case_of(tmp_path, readme=readme, table=TABLE, logs=SEEDS, script=SCRIPT)
    assert of(packaging.findings(case), "NOT_REPRODUCIBLE") == ["flag"]
