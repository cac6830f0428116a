"""What is added to somebody's file leaves that file in it, and is added once."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.codex import merge, setup
from golf.errors import BadConfig

CONFIG = (setup.TEMPLATES / "config.toml").read_text()
OURS = tomllib.loads(CONFIG)
HOOKS = json.dumps(
    {
        "hooks": {
            "PreToolUse": [{"matcher": ".*", "hooks": [{"type": "command", "command": "golf-hook pre-tool-use"}]}],
            "Stop": [{"hooks": [{"type": "command", "command": "golf-hook stop", "timeout": 10}]}],
        }
    }
)

PIECES = [
    "# a comment = 1\n",
    'approval_policy = "never"  # mine\n',
    "sandbox_mode = 'read-only'\n",
    "tool_output_token_limit=0x10\n",
    'model = "gpt-6-sol"\n',
    'developer_instructions = """\n[mcp_servers.golf]\nsandbox_mode = "not a key"\n"""\n',
    "limits = [\n  1, # one\n  2,\n]\nratio = nan\n",
    "[features]\nhooks = true\n\n",
    "[agents]\nmax_threads = 2\n",
    '[mcp_servers.golf]\nurl = "https://example.com"\n',
    '[mcp_servers.other]\ncommand = "x"\n[mcp_servers.other.env]\nA = "é"\n',
    '[projects."/home/me"]\ntrust_level = "trusted"\n',
    "\n\n   \n",
]
ORDER = st.permutations(range(len(PIECES))).flatmap(lambda order: st.integers(0, len(order)).map(lambda n: order[:n]))


@st.composite
def configs(draw: st.DrawFn) -> str:
    """A config.toml that somebody might have, in any order that TOML allows, with any line ends."""
    chosen = draw(ORDER)
    text = "".join(PIECES[index] for index in sorted(chosen, key=lambda index: PIECES[index].startswith("[")))
    if draw(st.booleans()):
        text = text.rstrip("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def flat(table: dict, *path: str) -> dict:
    found = {}
    for key, value in table.items():
        found |= flat(value, *path, key) if isinstance(value, dict) else {(*path, key): repr(value)}
    return found


@given(configs())
def test_a_config_keeps_every_byte_and_every_value_and_gets_what_it_lacks_once(text: str) -> None:
    added = merge.toml(text, CONFIG)
    before, after = tomllib.loads(text), tomllib.loads(added)
    assert text in added
    assert flat(after).items() >= flat(before).items()
    assert set(after) >= {"approval_policy", "sandbox_mode", "tool_output_token_limit"}
    if "golf" in before.get("mcp_servers", {}):
        assert after["mcp_servers"]["golf"] == before["mcp_servers"]["golf"]
    else:
        assert after["mcp_servers"]["golf"] == OURS["mcp_servers"]["golf"]
    assert merge.toml(added, CONFIG) == added
    assert ("\r\n" in text) == ("\r\n" in added)
    assert "\r\n" not in text or added.count("\n") == added.count("\r\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = = 1\n", "not TOML"),
        ("a = 1\na = 2\n", "not TOML"),
        ("\udcff = 1\n", "not TOML"),
        ('mcp_servers = { other = { command = "x" } }\n', "add by hand:\n(\\w.*\n)+\\[mcp_servers.golf\\]"),
        ("mcp_servers = 7\n", "add by hand"),
    ],
)
def test_a_config_that_cannot_be_added_to_is_an_error_that_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadConfig, match=reason):
        merge.toml(text, CONFIG)


HANDLERS = st.fixed_dictionaries(
    {"type": st.just("command"), "command": st.sampled_from(["mine", "theirs --x", "golf-hook stop", "é \ud800"])},
    optional={"timeout": st.integers(1, 60)},
)
GROUPS = st.lists(
    st.fixed_dictionaries({"hooks": st.lists(HANDLERS, max_size=2)}, optional={"matcher": st.just("Bash")}), max_size=3
)
DECLARED = st.fixed_dictionaries(
    {},
    optional={
        "description": st.text(max_size=20),
        "hooks": st.dictionaries(st.sampled_from(["PreToolUse", "Stop", "SessionStart", "Unheard"]), GROUPS),
    },
)


@given(DECLARED, st.sampled_from([None, 2, 4, "\t"]), st.booleans(), st.sampled_from(["", "\n", "\r\n"]))
def test_hooks_of_theirs_stay_in_their_places_and_ours_come_behind_them_once(
    theirs: dict, indent: int | str | None, escaped: bool, end: str
) -> None:
    text = json.dumps(theirs, indent=indent, ensure_ascii=escaped or "\\ud800" in json.dumps(theirs)) + end
    added = merge.hooks(text, HOOKS)
    after = json.loads(added)
    assert {key: value for key, value in after.items() if key != "hooks"} == {
        key: value for key, value in theirs.items() if key != "hooks"
    }
    for event, groups in theirs.get("hooks", {}).items():
        assert after["hooks"][event][: len(groups)] == groups  # Codex trusts a hook by its place
    for event, groups in json.loads(HOOKS)["hooks"].items():
        had = theirs.get("hooks", {}).get(event, [])
        is_there = any(handler["command"] == "golf-hook stop" for group in had for handler in group["hooks"])
        assert after["hooks"][event] == (had if event == "Stop" and is_there else had + groups)
    assert merge.hooks(added, HOOKS) == added
    assert added.endswith("\n") == text.endswith("\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"hooks": []}',
        '{"hooks": {"Stop": {}}}',
        '{"hooks": {"Stop": [{}]}}',
        '{"hooks": {"Stop": [{"hooks": ["x"]}]}}',
        '{"hooks": {}, "hooks": {}}',
        '{"hooks": {}, "x": NaN}',
        '{"hooks": {}, "x": 1e999}',
        "[" * 100_000,
    ],
)
def test_a_hooks_file_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(BadConfig):
        merge.hooks(text, HOOKS)


SOMEBODYS = st.lists(st.sampled_from(["# Rules", "", "- never push", "é", "<!-- mine -->", "  "]), max_size=6).map(
    "\n".join
)


@given(SOMEBODYS, st.booleans(), st.sampled_from(["short", "## A\n\n- longer\n"]))
def test_a_section_goes_in_once_and_comes_out_without_a_trace(text: str, is_crlf: bool, ours: str) -> None:
    if text and not text.endswith("\n"):
        text += "\n"
    text = text.replace("\n", "\r\n") if is_crlf else text
    added = merge.section(text, ours)
    assert added.startswith(text)
    assert merge.section(added, ours) == added
    assert merge.without_section(added) == text
    assert merge.without_section(text) == text
    assert merge.without_section("top\n" + added + "below\n") == "top\n" + text + "below\n"


def test_a_section_is_renewed_where_its_owner_moved_it() -> None:
    moved = "above\n\n" + merge.section("", "old") + "\nbelow\n"
    renewed = merge.section(moved, "new")
    assert renewed == moved.replace("\nold\n", "\nnew\n")


@pytest.mark.parametrize(
    "text",
    [merge.BEGIN, merge.END, f"{merge.END}\n{merge.BEGIN}", f"{merge.BEGIN}\n{merge.BEGIN}\n{merge.END}"],
)
def test_broken_marks_are_an_error_and_nothing_is_guessed(text: str) -> None:
    for act in (merge.without_section, lambda text: merge.section(text, "ours")):
        with pytest.raises(BadConfig, match="marks"):
            act(text)


def test_a_section_behind_a_bare_carriage_return_is_written_once() -> None:
    once = merge.section("mine\r", "ours")
    assert merge.section(once, "ours") == once
