"""Whether a part of a script ran, by what it prints."""

import re

from toy_case import toy_case

from golf.referee.case import Case, LogText
from golf.referee.printed import Account, account, makes_the_score
from golf.referee.program import program_of
from golf.rulings import SubmittedSeed

SCRIPT = """\
def score(blend):
    print(f"blend: weight {blend}")
    return blend

def quiet(x):
    return x

def main():
    log0("starting blend evaluation")
    log0("blend disabled: nothing to do")
    quiet(score(0.5))
"""
TOPIC = re.compile("blend")


def logged(text: str | None) -> Case:
    case = toy_case(SCRIPT, logs=() if text is None else (dict[str, str](),))
    if text is not None:
        path = case.logs[0].path
        case.log_texts = {path: LogText("train_0.log", text, list(enumerate(text.splitlines(), 1)))}
    return case


def answer(text: str | None, line: int, topic: re.Pattern[str] = TOPIC) -> Account:
    case = logged(text)
    return account(case, next(iter(program_of(case).modules.values())), line, topic)


def test_its_message_in_a_log_shows_that_a_function_ran() -> None:
    assert answer("step 1\nblend: weight 0.5\n", 3) == "ran"


def test_a_log_without_its_messages_shows_that_it_did_not() -> None:
    assert answer("step 1\nstep 2\n", 3) == "silent"


def test_the_messages_of_its_callers_count_as_well() -> None:
    assert answer("starting blend evaluation\n", 6) == "ran"


def test_a_message_that_denies_it_does_not() -> None:
    assert answer("blend disabled: nothing to do\n", 6) == "silent"


def test_a_message_that_says_off_denies_it() -> None:
    assert answer("blend: weight 0\n", 3) == "denied"
    assert answer("blend: weight False\n", 3) == "denied"
    assert answer("blend: weight False\nblend: weight 0.4\n", 3) == "ran"


def test_a_logged_score_near_the_claimed_one_made_it() -> None:
    case = logged("blend: bpb=0.9512\nfinal val_bpb: 1.1200\n")
    for claim, made in ((0.9513, True), (1.12, False), (None, True)):
        case.submission = case.submission.model_copy(update={"claimed_val_bpb": claim})
        assert makes_the_score(case, TOPIC) is made


def test_a_seeds_own_score_is_made_by_the_line_that_states_it() -> None:
    case = logged("blend: bpb=0.9512\nblend: bpb=0.9000\n")
    seed = SubmittedSeed.model_construct(log="train_0.log", also=[], val_bpb=0.9512)
    for seeds, made in (([seed], True), ([], False)):
        case.submission = case.submission.model_copy(update={"seeds": seeds, "claimed_val_bpb": 0.951})
        assert makes_the_score(case, TOPIC) is made


def test_the_log_of_another_run_settles_nothing() -> None:
    case = toy_case(SCRIPT, logs=(dict[str, str](), dict[str, str]()))
    texts = ("step 1", "blend: weight 0.5")
    case.log_texts = {
        log.path: LogText(log.path, text, [(1, text)]) for log, text in zip(case.logs, texts, strict=True)
    }
    seeds = [SubmittedSeed.model_construct(log=case.logs[0].path, also=[])]
    case.submission = case.submission.model_copy(update={"seeds": seeds})
    assert account(case, next(iter(program_of(case).modules.values())), 3, TOPIC) == "unknown"


def test_without_a_log_or_a_message_nothing_is_known() -> None:
    assert answer(None, 3) == "unknown"
    assert answer("step 1\n", 3, re.compile("oracle")) == "unknown"
