"""The logs a submission stands on are told from ablations, reruns and copies."""

import pytest

from golf.referee import chosen, stated
from golf.referee.chosen import is_near
from golf.schema import TrainingLog


def log(name: str, seed: int | None, bpb: float | None, **more: object) -> TrainingLog:
    return TrainingLog.model_validate({"path": name, "seed": seed, "final_bpb": bpb, **more})


def names(logs: list[TrainingLog], table: dict[str, object], readme: str = "") -> tuple[set[str], str]:
    choice = chosen.choose(logs, stated.read(table), readme, lambda one: one.path)
    return {one.path for one in choice.logs}, choice.reason


THREE = [log("train_seed1.log", 1, 1.20001), log("train_seed2.log", 2, 1.20002), log("train_seed3.log", 3, 1.20003)]
ABLATIONS = [log("ablation_a.log", 1, 1.30001), log("ablation_b.log", 2, 1.31001)]


def test_the_mean_of_all_logs_as_headline_takes_all() -> None:
    assert names(THREE, {"val_bpb": 1.20002})[0] == {"train_seed1.log", "train_seed2.log", "train_seed3.log"}


def test_logs_of_another_kind_are_left_out() -> None:
    taken, reason = names([*THREE, *ABLATIONS], {"val_bpb": 1.20002})
    assert taken == {"train_seed1.log", "train_seed2.log", "train_seed3.log"}
    assert reason == "they are of one kind, and the headline is theirs"


def test_the_best_seed_as_headline_takes_its_kind() -> None:
    assert len(names([*THREE, *ABLATIONS], {"val_bpb": 1.20001})[0]) == 3


def test_runs_of_one_seed_that_are_named_alike_belong_together() -> None:
    runs = [log(f"train_v{n}.txt", 1337, 1.19 + n / 1000) for n in range(4)]
    assert len(names(runs, {"val_bpb": 1.193})[0]) == 4


def test_scores_by_seed_in_submission_json_decide() -> None:
    old = [log("old_seed1.log", 1, 1.25), log("old_seed2.log", 2, 1.26)]
    table = {"seed_results": {"1": {"val_bpb": 1.20001}, "2": {"val_bpb": 1.20002}}}
    assert names([*old, *THREE], table)[0] == {"train_seed1.log", "train_seed2.log"}


def test_a_seed_printed_wrongly_is_known_by_its_score() -> None:
    logs = [log("a.log", 1342, 1.47026), log("b.log", 42, 1.47156), log("c.log", 1337, 1.40)]
    table = {"seed_results": {"1341": {"val_bpb": 1.4703}, "42": {"val_bpb": 1.4716}}}
    assert names(logs, table)[0] == {"a.log", "b.log"}


def test_logs_that_submission_json_names_decide() -> None:
    logs = [log("a.log", 1, 1.2), log("b.log", 1, 1.21)]
    assert names(logs, {"val_bpb": 1.1, "primary_log": "./b.log"})[0] == {"b.log"}


def test_scores_in_the_readme_decide_where_nothing_else_does() -> None:
    logs = [log("a.log", 1, 1.21234567), log("b.log", 1, 1.22345678)]
    assert names(logs, {}, "| 1 | **1.2235** |")[0] == {"b.log"}


def test_reruns_of_every_seed_replace_the_originals_when_the_readme_states_them() -> None:
    originals = [log(f"train_seed{seed}_original.log", seed, 1.2 + seed / 1000) for seed in (1, 2)]
    reruns = [log(f"train_seed{seed}_rerun.log", seed, 1.3 + seed / 1000) for seed in (1, 2)]
    table = {"seed_results": {"1": {"val_bpb": 1.201}, "2": {"val_bpb": 1.202}}}
    assert names([*originals, *reruns], table, "rerun: 1.301, 1.302")[0] == {log.path for log in reruns}
    assert names([*originals, *reruns], table, "nothing of them")[0] == {log.path for log in originals}
    assert names([*originals, reruns[0]], table, "rerun: 1.301")[0] == {log.path for log in originals}


def test_the_same_run_logged_twice_counts_once_and_by_its_fuller_log() -> None:
    missing = {"steps": "no line states it"}
    twice = [log("a.log", 1, 1.23456789, missing=missing), log("b.log", 1, 1.23456789), log("c.log", 2, 1.23456780)]
    assert names(twice, {})[0] == {"b.log", "c.log"}


def test_without_a_word_on_them_all_logs_belong() -> None:
    logs = [log("a.log", 1, 1.2), log("b.log", 1, 1.21)]
    assert names(logs, {}) == ({"a.log", "b.log"}, "nothing tells them apart")


def test_another_experiment_far_from_the_headline_is_left_out() -> None:
    logs = [log("a.log", 1, 1.2), log("b.log", 1, 1.21), log("c.log", 1, 4.1)]
    assert names(logs, {"val_bpb": 1.1951})[0] == {"a.log", "b.log"}


def test_no_logs_and_no_scores_are_told_apart() -> None:
    assert names([], {}) == (set(), "there are no logs")
    assert names([log("a.log", 1, None)], {}) == ({"a.log"}, "no log has a final score")


def test_a_log_that_only_scored_goes_with_the_one_that_trained() -> None:
    logs = [log("train_seed1.log", 1, None, steps=10), log("eval_seed1.log", 1, 1.2)]
    choice = chosen.choose(logs, stated.read({}), "", lambda one: one.path)
    assert [one.path for one in choice.logs] == ["eval_seed1.log"]
    assert {path: other.path for path, other in choice.also.items()} == {"eval_seed1.log": "train_seed1.log"}


@pytest.mark.parametrize(
    "value, claim, near",
    [
        (1.06141, 1.06141, True),
        (1.0614094, 1.06141, True),  # rounded
        (1.0614194, 1.06141, True),  # cut off
        (1.0614294, 1.06141, False),
        (1.0614094, 1.06145, False),
        (0.2292, 0.22923, True),  # the log prints four decimals
        (1.5, 1.5, True),
        (1.5, 1.6, False),
        (None, 1.5, False),
        (1.5, None, False),
    ],
)
def test_a_claim_is_near_a_score_to_the_digits_both_have(value: float | None, claim: float | None, near: bool) -> None:
    assert is_near(value, claim) is near
