"""Every code has a rule with its source and its remedy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from golf.referee.rulebook import RULES, finding
from golf.rulings import CODES, SEVERITIES, Evidence, Finding

WHERE = Evidence(file="README.md", line=3, quote="words")


def test_every_code_has_a_rule_and_no_rule_is_without_a_code() -> None:
    assert set(RULES) == set(CODES)


@pytest.mark.parametrize("code", [code for code in CODES if RULES[code].severity == "block"])
def test_what_blocks_names_a_source(code: str) -> None:
    """The README (`R`), or a pull request or issue where a maintainer or its author settled it."""
    assert re.search(r"\(R\b|#\d+|issue", RULES[code].rule)


@given(
    code=st.sampled_from(CODES),
    severity=st.none() | st.sampled_from(SEVERITIES),
    evidence=st.lists(st.just(WHERE), max_size=2),
)
def test_a_finding_is_never_harder_than_its_rule_and_never_blocks_without_evidence(
    code: str, severity: str | None, evidence: list[Evidence]
) -> None:
    one = finding(code, "text", *evidence, severity=severity)
    assert SEVERITIES.index(one.severity) >= SEVERITIES.index(RULES[one.code].severity)
    assert one.severity != "block" or one.evidence
    assert severity is None or SEVERITIES.index(one.severity) >= SEVERITIES.index(severity)


def test_a_block_without_a_line_is_refused_by_the_noun() -> None:
    with pytest.raises(ValidationError, match="blocks without a line of evidence"):
        Finding(code="SIZE_OVER", severity="block", confidence=1, text="t", evidence=[], rule="r", clears="c")
