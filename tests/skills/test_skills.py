"""A skill says when to use it, is short, names only what exists, and knows when to stop."""

import argparse
import re
from pathlib import Path

import pytest
import yaml
from bundle_skills import FOLDER, SKILLS, Skill
from situations import SITUATIONS

from golf import answers, rules
from golf.cli import build_parser
from mcp_server import tools

ROLES = {"implementer", "critic", "researcher", "triager"}

CODEX_S_OWN = {"agent_type", "fork_turns", "allow_implicit_invocation", "read_mcp_resource"}
"""Names of Codex's tools and settings that a skill has to spell."""

FIELDS_AND_FUNCTIONS = {
    "files": {"train_gpt", "train_seed"},
    "submission.json": {
        "github_id", "val_bpb", "val_loss", "val_bpb_std", "seed_results", "bytes_total", "bytes_code",
    },
    "torch": {"worker_init_fn", "use_deterministic_algorithms"},
    "golf": {"write_shard"},
}  # fmt: skip
"""Names in backticks that are no tools: fields of files, and functions."""

every_skill = pytest.mark.parametrize("skill", SKILLS.values(), ids=SKILLS)


def verbs() -> dict[str, argparse.ArgumentParser]:
    actions = [
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]  # no public way
    return dict(actions[0].choices)


def texts(skill: Skill) -> str:
    """The skill with its references."""
    return "\n".join([skill.text, *(path.read_text() for path in sorted(skill.folder.glob("references/*")))])


@every_skill
def test_the_front_matter_says_when_and_not_how(skill: Skill) -> None:
    assert set(skill.fields) == {"name", "description"}
    assert skill.fields["name"] == skill.folder.name
    assert re.fullmatch(r"[a-z]+ing(-[a-z]+)+", skill.folder.name)  # verb first
    description = skill.fields["description"]
    assert description.startswith("Use when ")
    assert len(description) <= 512
    assert not re.search(r"\b(then|first|finally|next,)\b|`", description)  # the workflow is in the body, to be read


@every_skill
def test_the_body_is_short_and_numbered(skill: Skill) -> None:
    assert len(skill.body.split()) < 500
    assert skill.body.lstrip().startswith("# ")
    if skill.folder.name != "choosing-a-club":  # a table
        assert len(re.findall(r"^\d+\. ", skill.body, re.MULTILINE)) >= 6
        assert re.search(r"^## Stop", skill.body, re.MULTILINE)
        assert re.search(r"^## Never\n\n- ", skill.body, re.MULTILINE)


@every_skill
def test_every_tool_in_backticks_exists(skill: Skill) -> None:
    known = {function.__name__ for function, _ in tools.TOOLS}
    others = CODEX_S_OWN.union(*FIELDS_AND_FUNCTIONS.values())
    quoted = re.findall(r"`([^`\n]+)`", texts(skill))
    named = {word for text in quoted for word in re.findall(r"[a-z]+(?:_[a-z]+)+", text)}
    assert named - others <= known


@every_skill
def test_every_verb_of_the_command_exists_with_the_options_given(skill: Skill) -> None:
    known = verbs()
    for verb, rest in re.findall(r"`golf ([a-z-]+)([^`\n]*)`", texts(skill)):
        assert verb in known, f"golf {verb}"
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known[verb].format_help(), f"golf {verb} {option}"


@every_skill
def test_no_argument_of_a_tool_is_restated(skill: Skill) -> None:
    """Arguments are in the tool's schema; a copy here would go stale."""
    assert not re.search(r"`(limit|timeout_s|best_first|max_tokens|seq_len|stride|cost_usd|again)`", skill.body)
    for function, _ in tools.TOOLS:
        assert f"{function.__name__}(" not in skill.body


@every_skill
def test_no_limit_of_the_challenge_is_restated(skill: Skill) -> None:
    """Limits live in golf/rules.py and golf.toml; a challenge of one's own has others."""
    digits = f"{rules.ARTIFACT_BYTES_MAX:,}".split(",")
    size = r"{}[,_. ]?{}[,_. ]?{}|\b16 ?Mi?B\b".format(*digits)
    money_and_time = rf"\b{rules.TRAIN_TIME_S_MAX:.0f} ?s\b|\b10 ?min|\b3 ?%|\b{rules.NAIVE_BASELINE_BPB}\b|\$\d"
    assert not re.search(f"{size}|{money_and_time}", texts(skill))


@every_skill
def test_links_lead_somewhere_and_references_say_when_to_read_them(skill: Skill) -> None:
    linked = set()
    for line in texts(skill).splitlines():
        for target in re.findall(r"\]\(([^)#]+)\)", line):
            place = (skill.folder / target).resolve()
            assert place.is_file(), target
            assert place.is_relative_to(FOLDER)  # the rest of the repository is not installed
            linked.add(place)
            if "/references/" in str(place):
                assert re.search(r"\b(when|whenever|now)\b", line, re.IGNORECASE), line
    assert linked >= set((skill.folder / "references").glob("*"))


@every_skill
def test_a_subagent_is_spawned_in_so_many_words(skill: Skill) -> None:
    """Models spawn only when told, and only roles that exist can be told."""
    roles = re.findall(r"agent_type `([a-z]+)`", skill.body)
    assert set(roles) <= ROLES
    for line in skill.body.splitlines():
        if "agent_type `" in line:
            assert re.search(r"\bspawn\b", line, re.IGNORECASE)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("playing-a-round", "critic"),
        ("reviewing-a-candidate", "critic"),
        ("promoting-to-paid-compute", "critic"),
        ("packaging-a-submission", "critic"),
        ("triaging-submissions", "triager"),
        ("reading-competitors-and-research", "researcher"),
    ],
)
def test_who_needs_a_subagent_says_which(name: str, role: str) -> None:
    assert f"agent_type `{role}`" in SKILLS[name].body


def test_the_critic_s_ten_points_are_the_schema_s() -> None:
    body = SKILLS["reviewing-a-candidate"].body
    assert re.findall(r"^   - ([a-z]+):", body, re.MULTILINE) == list(answers.POINTS)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.skill)
def test_what_prevents_the_wrong_move_is_said(situation) -> None:
    assert situation.rule in SKILLS[situation.skill].body


@every_skill
def test_codex_s_settings_of_a_skill_are_the_ones_it_reads(skill: Skill) -> None:
    for path in skill.folder.glob("agents/*"):
        assert path.name == "openai.yaml"
        assert yaml.safe_load(path.read_text()) == {"policy": {"allow_implicit_invocation": False}}


def test_what_every_session_pays_for_the_skills_is_small() -> None:
    """Codex puts names and descriptions of listed skills into every session of the user, golf or not."""
    listed = [skill for skill in SKILLS.values() if skill.is_listed]
    assert sum(len(skill.fields["description"]) for skill in listed) <= 680
    assert sum(len(skill.text) for skill in listed) <= 3_400
    references = [path for path in FOLDER.rglob("references/*") if path.is_file()]
    assert sum(len(path.read_text()) for path in references) <= 1_700


def test_the_bundle_s_skills_are_text_without_links_of_the_file_system() -> None:
    """Codex drops symlinks when it installs a plugin."""
    found = [path for path in FOLDER.rglob("*") if path.is_file() or path.is_symlink()]
    assert not [path for path in found if path.is_symlink()]
    assert {path.name for path in found if path.suffix not in (".md", ".yaml")} == set()
    assert not [path for path in found if path.suffix == ".md" and Path(path).stat().st_size > 4_000]
