"""The tools are found by the words people use, since models reach them through a word search, and answer shortly."""

import asyncio
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client
from reading import check, good, hostile, read, surveyed
from scene import scored

from golf.jobs.local import LocalJobs
from golf.play import notes
from golf.workspace import Workspace
from mcp_server import server

REQUESTS = [
    ("does this fit in 16 MB?", "measure_artifact"),
    ("how big is final_model.int8.ptz after compression", "measure_artifact"),
    ("how many bytes have I got left for the model", "measure_artifact"),
    ("is my submission over the size limit", "measure_artifact"),
    ("weigh code plus weights of the last run", "measure_artifact"),
    ("score this checkpoint on the validation set", "evaluate_bpb"),
    ("what bpb does step_2000.pt get with a sliding window of stride 64", "evaluate_bpb"),
    ("evaluate the quantized model on fineweb val", "evaluate_bpb"),
    ("recompute the val loss of the saved weights, the log looks off", "evaluate_bpb"),
    ("bits per byte of my checkpoint please", "evaluate_bpb"),
    ("how much money is left", "check_budget"),
    ("can I afford another 8xH100 run today", "check_budget"),
    ("how many dollars have we spent on GPUs so far", "check_budget"),
    ("when am I allowed to launch the next paid run", "check_budget"),
    ("remaining compute credits", "check_budget"),
    ("try a 3x wider MLP against the baseline", "run_experiment"),
    ("train with muon lr 0.03 and see if it helps", "run_experiment"),
    ("run the baseline twice with different seeds", "run_experiment"),
    ("kick off a quick local training of my modified train_gpt.py", "run_experiment"),
    ("start a smoke test of the new tokenizer", "run_experiment"),
    ("launch it on 8xH100", "submit_job"),
    ("send this to the cloud GPUs", "submit_job"),
    ("rent a pod and do the full ten minute run", "submit_job"),
    ("submit the wider model to the paid tier", "submit_job"),
    ("spend the credits on the real run now", "submit_job"),
    ("how is the training going", "job_status"),
    ("what step is it at and what is the loss", "job_status"),
    ("is the run still alive or did it crash", "job_status"),
    ("show progress of the job I started an hour ago", "job_status"),
    ("why did job 3f2a fail", "job_status"),
    ("wait until training finishes", "wait_for_job"),
    ("block till the evaluation is done and give me the result", "wait_for_job"),
    ("tell me when it's finished", "wait_for_job"),
    ("sleep until the job ends", "wait_for_job"),
    ("keep polling the run until it completes", "wait_for_job"),
    ("kill that run, it diverged", "cancel_job"),
    ("stop the training", "cancel_job"),
    ("abort the job, the loss is NaN", "cancel_job"),
    ("cancel everything that is running", "cancel_job"),
    ("terminate the evaluation, wrong checkpoint", "cancel_job"),
    ("is this improvement real or just seed noise", "check_promotion"),
    ("is it good enough to go to the H100s", "check_promotion"),
    ("did the wider model beat the baseline by enough to promote", "check_promotion"),
    ("is the gain statistically significant", "check_promotion"),
    ("which gates does depth-recurrence still fail", "check_promotion"),
    ("what have we tried so far", "list_experiments"),
    ("show me the best val_bpb", "list_experiments"),
    ("list the last five runs", "list_experiments"),
    ("which experiments were discarded and why", "list_experiments"),
    ("leaderboard of my own runs", "list_experiments"),
    ("compare wider with the baseline", "compare_runs"),
    ("what is the p-value of wider against base", "compare_runs"),
    ("how many more seeds do I need", "compare_runs"),
    ("does this beat SOTA by enough for a record", "compare_runs"),
    ("A versus B: which of the two runs is better", "compare_runs"),
    ("review this candidate before we spend money on it", "review_submission"),
    ("is there any leakage or cheating in this submission", "review_submission"),
    ("does the scorer peek at future tokens", "review_submission"),
    ("give me the facts for the critic on exp_12", "review_submission"),
    ("check the diff against the parent for anything illegal", "review_submission"),
    ("triage the submissions in records/", "triage_submissions"),
    ("which of these pull requests break the rules", "triage_submissions"),
    ("check all 200 folders for cheating and rank them", "triage_submissions"),
    ("go through many competitors' submissions and flag the bad ones", "triage_submissions"),
    ("find near copies among these pull requests", "triage_submissions"),
    ("write down that EMA hurts weight-tied recurrence", "record_note"),
    ("log the critic's verdict: reject", "record_note"),
    ("leave a note for the implementer", "record_note"),
    ("remember this finding for the next session", "record_note"),
    ("ask the human whether we may use test-time training", "record_note"),
    ("what have we read about bigram embeddings", "research_digest"),
    ("catch me up on the papers before I pick an idea", "research_digest"),
    ("what is known from arXiv and pull requests", "research_digest"),
    ("show me the verified ideas from the literature", "research_digest"),
    ("which score do we have to beat", "research_digest"),
    ("rate the papers that came in today", "grade_research"),
    ("which of the things we read are worth building", "grade_research"),
    ("hand in my grades for these items", "grade_research"),
    ("give me the prompt for a second opinion on the new ideas", "grade_research"),
    ("I verified the Tier A items in full text, take that", "grade_research"),
    ("what should I try next", "next_directions"),
    ("which techniques are still unexplored", "next_directions"),
    ("are we going in circles", "next_directions"),
    ("suggest a promising idea off the beaten track", "next_directions"),
    ("which technique families did nobody touch yet", "next_directions"),
    ("who is ahead of us in the competition", "leaderboard"),
    ("what is the best credible score of the others", "leaderboard"),
    ("how fast did the record fall", "leaderboard"),
    ("which of the competitors' claims should I doubt", "leaderboard"),
    ("what does the leading submission build on", "leaderboard"),
]

K1, B = 1.2, 0.75
"""Okapi's usual constants."""


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def rank(wanted: str, request: str, texts: dict[str, str]) -> int:
    """Place of `wanted` under Okapi BM25, from 1; among equals the last, so that chance finds nothing."""
    counts = {name: Counter(words(f"{name} {text}")) for name, text in texts.items()}
    length = {name: count.total() for name, count in counts.items()}
    average = sum(length.values()) / len(length)

    def score(name: str) -> float:
        total = 0.0
        for word in words(request):
            holders = sum(word in count for count in counts.values())
            idf = math.log(1 + (len(counts) - holders + 0.5) / (holders + 0.5))
            times = counts[name][word]
            total += idf * times * (K1 + 1) / (times + K1 * (1 - B + B * length[name] / average))
        return total

    return sum(score(name) >= score(wanted) for name in texts)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    async def main() -> dict[str, str]:
        async with Client(server.build()) as client:
            return {tool.name: tool.description or "" for tool in (await client.list_tools()).tools}

    return asyncio.run(main())


def test_the_table_asks_five_times_for_each_tool_and_never_by_its_name(texts: dict[str, str]) -> None:
    assert Counter(wanted for _, wanted in REQUESTS) == dict.fromkeys(texts, 5)
    assert len({request for request, _ in REQUESTS}) == len(REQUESTS)
    assert not [request for request, wanted in REQUESTS if wanted in request]


def test_a_tool_is_found_by_the_words_of_who_needs_it(texts: dict[str, str]) -> None:
    """Codex offers eight results of its search; a model reads the first few."""
    ranks = {request: rank(wanted, request, texts) for request, wanted in REQUESTS}
    assert {request: place for request, place in ranks.items() if place > 8} == {}
    below = {request: place for request, place in ranks.items() if place > 3}
    assert len(below) <= 3, below


def test_a_description_says_its_name_in_plain_words(texts: dict[str, str]) -> None:
    """Codex's own search (0.169) takes `check_budget` for one word: "check budget" finds only what the text says."""
    for name, text in texts.items():
        stems = {word[:6] for word in words(text)}  # experiments, experiment; promotion, promote
        assert {word[:6] for word in words(name)} - {"for"} <= stems, name


def test_the_ranking_prefers_rare_words_and_gives_chance_nothing() -> None:
    texts = {"a": "the common word", "b": "the common word, and a rare one", "c": "the common word"}
    assert rank("b", "the rare word", texts) == 1
    assert rank("a", "unheard of", texts) == 3


def test_server_instructions_are_two_sentences_at_most() -> None:
    """In code mode they stand behind every tool; of a deferred server only the first 250 characters are shown."""
    assert len(re.findall(r"[.!?](?:\s|$)", server.INSTRUCTIONS)) <= 2
    shown = server.INSTRUCTIONS[:250].lower()
    wanted = ("experiment", "checkpoint", "val_bpb", "artifact", "submission", "promotion", "budget", "result", "note")
    assert not [word for word in wanted if word not in shown]


def test_every_default_is_said_in_words() -> None:
    """Codex strips `default` from a schema, so what a missing argument means has to stand in its description.

    What defaults to nothing (a filter, a text) needs no word.
    """
    for tool in server.build()._tool_manager.list_tools():
        for name, field in tool.fn_metadata.arg_model.model_fields.items():
            if not field.is_required() and field.default not in (None, ""):
                assert "default" in (field.description or "").lower(), f"{tool.name}.{name}"


def empty(workspace: Workspace) -> None:
    """Nothing was ever played here."""


def strangers(workspace: Workspace, many: int) -> None:
    """So many folders of submissions, each with a long story and no evidence."""
    for number in range(many):
        folder = workspace.root / "theirs" / f"2026-03-{number:02}_{'Long' * 20}"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("val_bpb: 1.1, better than all. " * 100)


def failed_job(workspace: Workspace, said: str) -> None:
    """A job that ended with an error of so many words."""
    script = f"raise SystemExit({said!r})"
    jobs = LocalJobs(workspace)
    jobs.wait(jobs.submit("evaluate", "wider", lambda *_: [sys.executable, "-c", script], time_limit_s=60).id, 60)


def normal(workspace: Workspace) -> None:
    """A baseline and a better experiment; an evaluation failed, words were exchanged."""
    failed_job(workspace, "no such file")
    strangers(workspace, 2)
    scored(workspace, "base", 1.25, seeds=[1, 2])
    scored(workspace, "wider", 1.20, script="x = 2\n", parent="base")
    notes.add(workspace, by="implementer", kind="finding", text="wider helps", experiment="wider")
    read(workspace, good())


def large(workspace: Workspace) -> None:
    """The same, after 5,000 rows with long descriptions, 5,000 notes and a thousand changed lines; 500 things read,
    with the longest titles, and 300 competitors judged.
    """
    failed_job(workspace, "long " * 2000)
    strangers(workspace, 25)
    scored(workspace, "base", 1.25, script="x = 1\n" * 1000, seeds=[1, 2])
    scored(workspace, "wider", 1.20, script="x = 2\n" * 1000, parent="base")
    ledger, channel = workspace.ledger, workspace.root / "notes.jsonl"
    row = ledger.read_text().splitlines()[-1]
    with ledger.open("a") as file:
        file.write(f"{row} {'long ' * 200}\n" * 5000)
    notes.add(workspace, by="implementer", kind="finding", text="long " * 200, experiment="wider")
    channel.write_text(channel.read_text() * 5000)
    read(workspace, [*good(), *hostile(498)])
    surveyed(workspace, 300)


JOB = "the newest"

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("measure_artifact", {"path": "wider"}),
    ("evaluate_bpb", {"path": "wider"}),
    ("check_budget", {}),
    ("run_experiment", {"experiment": "wider"}),
    ("submit_job", {"experiment": "wider", "tier": "8xH100"}),
    ("job_status", {"id": JOB}),
    ("wait_for_job", {"id": JOB, "timeout_s": 0.1}),
    ("cancel_job", {"id": JOB}),
    ("check_promotion", {"experiment": "wider"}),
    ("list_experiments", {}),
    ("list_experiments", {"best_first": True}),
    ("compare_runs", {"a": "wider", "b": "base"}),
    ("review_submission", {"path": "wider"}),
    ("triage_submissions", {"folder": "theirs"}),
    ("record_note", {"kind": "finding", "text": "long " * 800}),
    ("grade_research", {}),
    ("grade_research", {"items": [check(hostile(1)[0], brief="long " * 700)]}),
    ("grade_research", {"items": [{"long" * 100: 1}] * 100}),
    ("research_digest", {}),
    ("next_directions", {"count": 8}),
    ("leaderboard", {}),
]


@pytest.mark.parametrize("furnish", [empty, normal, large])
def test_every_answer_stays_within_2_kb(workspace: Workspace, furnish: Callable[[Workspace], None]) -> None:
    """Refusals count as well: what a model reads is what it pays for."""
    furnish(workspace)
    newest = next((job.id for job in LocalJobs(workspace).recent(1)), "none")

    async def main() -> dict[str, int]:
        sizes = {}
        async with Client(server.build()) as client:
            for name, arguments in CALLS:
                filled = {key: newest if value is JOB else value for key, value in arguments.items()}
                answer = await client.call_tool(name, filled)
                said = "".join(part.text for part in answer.content) if answer.is_error else answer.structured_content
                words = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
                sizes[f"{name} {arguments}"[:80]] = len(words.encode())
        return sizes

    sizes = asyncio.run(main())
    assert {call: size for call, size in sizes.items() if size > 2000} == {}
