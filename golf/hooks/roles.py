"""Whose hands may do what: the human's words stay the human's, and the critic only reads."""

import re
from dataclasses import replace

from golf.hooks import writes
from golf.hooks.commands import golf_verb
from golf.hooks.shell import Command
from golf.hooks.state import clean

CRITIC = "critic"

TERMINAL = "type it in a terminal of their own"

READ_TOOLS = {
    "measure_artifact", "check_budget", "job_status", "wait_for_job", "check_promotion", "list_experiments",
    "review_submission", "compare_runs", "triage_submissions", "research_digest", "next_directions", "leaderboard",
}  # fmt: skip
_READING = {
    "cat", "head", "tail", "grep", "egrep", "fgrep", "rg", "ls", "find", "wc", "diff", "cmp", "comm", "cut", "tr", "jq",
    "stat", "file", "du", "df", "sha256sum", "shasum", "nl", "less", "more", "echo", "printf", "pwd", "cd", "test", "[",
    "true", "false", "which", "type", "command", "basename", "dirname", "realpath", "readlink", "sort", "seq", "sleep",
}  # fmt: skip
_READING_GIT = {
    "log", "show", "diff", "status", "blame", "grep", "ls-files", "ls-tree", "cat-file", "rev-parse", "rev-list",
}  # fmt: skip
_READING_GOLF = {
    "measure-artifact", "check-budget", "jobs", "job", "wait", "check-promotion", "history", "compare", "review",
    "next", "leaderboard", "notes", "digest", "route", "schema", "predict-size",
}  # fmt: skip


def of_the_human(command: Command) -> str | None:
    """What a human says or decides, and an agent must not say in their name."""
    verb, words = golf_verb(command) or ("", [])
    if verb == "record":
        kinds = [word for word in words if word in ("directive", "override", "withdraw")]
        if kinds:
            return humans(f"{kinds[0]} in the shared channel")
        if "verdict" in words:
            return SPAWN_THE_CRITIC
        return "golf record speaks in the name of the human at the terminal. Use the tool record_note."
    if verb == "accept" and "--record" in words:
        return SPAWN_THE_CRITIC
    if verb == "submit" and "--dry-run" not in words:
        return "golf submit would spend money without asking. Use the tool submit_job, which asks a person."
    if verb == "init" and {"--trust", "--undo"} & set(words):
        return humans("decision about these guards")
    return None


SPAWN_THE_CRITIC = (
    "A verdict is the critic's, who did not write the change. Spawn the critic (agent_type critic) on the experiment; "
    "it starts with review_submission and records what it finds with record_note."
)


def humans(what: str) -> str:
    """The refusal of a word that only a human may say."""
    return f"A {what} is a human's: ask them to {TERMINAL} (golf record --help), and go on without it until then."


def of_the_critic(command: Command) -> str | None:
    """Everything a critic's command does beyond reading; what is not known to only read counts as more."""
    outputs = [path for path in command.outputs if not re.fullmatch(r"/dev/(null|stdout|stderr|fd/\d+)", path)]
    if outputs:
        return critic_changes(f"writing {clean(outputs[0], 80)}")
    name, said = command.name, golf_verb(command)
    if said is not None:
        reads = said[0] in _READING_GOLF or not said[1]
    elif name == "git":
        _, verb, rest = writes.git_verb(command)
        reads = verb in _READING_GIT and not any(word.startswith("--output") for word in rest)
    elif name == "sed":
        reads = command.words[1:2] == ["-n"] and re.fullmatch(r"[\d,$ ;p]+", " ".join(command.words[2:3])) is not None
    else:
        reads = name in _READING and not any(word.startswith(("-fprint", "-fls")) for word in command.words)
        reads = reads and next(writes.of_command(replace(command, outputs=[])), None) is None
    return None if reads or not command.words else critic_changes(clean(name, 40))


def critic_changes(what: str) -> str:
    """The refusal of a critic's hands."""
    return (
        f"The critic reads and judges, and changes nothing ({what} is refused). Use review_submission and the other "
        "read-only tools; say in the verdict (record_note) what should be changed."
    )
