"""What a submission builds on, nearest first."""

from typing import Any

import pytest

from golf.referee.lineage import PARENTS_MAX, parents


@pytest.mark.parametrize(
    "table, found",
    [
        ({"base_pr": 1218}, ["#1218"]),
        ({"base_pr": "1218"}, ["#1218"]),
        ({"based_on": "PR #1394 (@someone)"}, ["#1394"]),
        ({"parent": "records/track_10min_16mb/2026-03-31_Toy_Record"}, ["2026-03-31_Toy_Record"]),
        ({"base": {"pr": 1855, "note": "from #112"}}, ["#1855", "#112"]),
        ({"attribution": {"base_pr1394": "@a", "ttt": "@b (PR #549)"}}, ["#1394", "#549"]),
        ({"credits": "PR #1, #2"}, ["#1", "#2"]),
        ({"lineage": ["PR #1953 - long", "PR #1945 - v21"]}, ["#1953", "#1945"]),
        ({"credits": "PR #1855 - architecture", "supports_pr": 1851}, ["#1851", "#1855"]),
        ({"comparison_baseline_pr": 549, "seeds": [1, 2], "val_bpb": 1.2, "base_pr": True}, []),
    ],
)
def test_submission_json_names_them_in_many_ways(table: dict[str, Any], found: list[str]) -> None:
    assert parents(table, []) == found


@pytest.mark.parametrize(
    "line, found",
    [
        ("Built on [PR #549](https://github.com/x/y/pull/549) by @a.", ["#549"]),
        ("This **builds directly on PR #1873 (@a)** and #112.", ["#1873", "#112"]),
        ("Forked from PR 1019; thanks.", ["#1019"]),
        ("Base: PR #1953, `PR #1945 base + long context`.", ["#1953", "#1945"]),
        ("Lineage: PR #1, 2 and 3", ["#1", "#2", "#3"]),
        ("Reproduces 2026-04-09_Toy_Stack exactly", ["2026-04-09_Toy_Stack"]),
        ("vs current rank 1 (PR #1855 at 1.06108): -0.002", []),
        ("Built on PR #5, improves over PR #6", ["#5"]),
        ("# heading", []),
        ("color &#1234; and C# 5", []),
    ],
)
def test_a_readme_says_what_it_builds_on(line: str, found: list[str]) -> None:
    assert parents({}, [line]) == found


@pytest.mark.parametrize(
    "line, found",
    [
        ("- the stack of the records #1-#8 by @a", []),
        ("- it was in use (#13-#15) until record #8", []),
        ("Built on PRs #1493-#1500 and PR #1394", ["#1394"]),
        ("Based on #210 to #215", []),
        ("Based on the work of #210–218 and #301", ["#301"]),
        ("Based on 1.0810 (merged #1, PR #549)", ["#549"]),
        ("Built on the #1 submission", []),
        ("Same root cause as #6: compilation starts over", []),
        ("The same underlying bug as in PR #1606", []),
        ("The same architecture as PR #1606", ["#1606"]),
        ("Built on PR #7 and pull/8", ["#7", "#8"]),
        ("Built on PR #1736, 1.0655 over three seeds, PR #1530 and 1626", ["#1736", "#1530", "#1626"]),
        ("## Credits: #20, #21", ["#21"]),
    ],
)
def test_ranks_ranges_and_shared_faults_are_no_parents(line: str, found: list[str]) -> None:
    assert parents({}, [line]) == found


@pytest.mark.parametrize(
    "line", ["**PR #363 | research**", "# PR 363", "| **#363 (this PR)** | 1.2 |", "this PR (#363)"]
)
def test_a_number_that_the_readme_calls_its_own_is_no_parent(line: str) -> None:
    assert parents({}, ["# Looped", line, "Built on PR #325, and went in as PR #363."]) == ["#325"]


def test_a_key_of_pull_requests_may_have_a_small_number() -> None:
    assert parents({"base_pr": "#7", "credits": "#3 on the list"}, []) == ["#7"]


def test_the_base_comes_before_what_is_built_on_and_that_before_credits() -> None:
    readme = ["Uses a trick (PR #7).", "Built on PR #5.", "## Credits", "- PR #9, better than ours"]
    assert parents({"base_pr": 3}, readme) == ["#3", "#5", "#7", "#9"]


def test_the_submission_itself_is_no_parent_and_the_list_is_bounded() -> None:
    readme = [f"Built on PR #{number}" for number in range(1, 100)]
    found = parents({}, readme, own=["#1"])
    assert found[0] == "#2"
    assert len(found) == PARENTS_MAX
