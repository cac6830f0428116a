"""What Codex answers with under `--output-schema`: models, the schemas generated from them, and the check of an answer.

`python -m golf.answers schemas/` writes `schemas/<name>.json` again.
"""

from golf.answers.accept import ANSWER_BYTES_MAX, read
from golf.answers.base import Answer
from golf.answers.directions import Direction, NextDirections, RecommendedRun, SweepRecommendation, SweptVariable
from golf.answers.facts import contradictions
from golf.answers.research import GradedItem, ResearchGrade, ResearchVerification, Tallied, VerifiedItem, tally
from golf.answers.review import POINTS, Point, Review
from golf.answers.runs import OVER_LIMIT, Anomaly, ExperimentSummary, RankedExperiment, SummaryFlag
from golf.answers.schemas import ANSWERS, answer, schema, text
from golf.answers.submissions import Triage, TriagedFinding, TriagedSubmission

__all__ = [
    "ANSWERS",
    "ANSWER_BYTES_MAX",
    "OVER_LIMIT",
    "POINTS",
    "Anomaly",
    "Answer",
    "Direction",
    "ExperimentSummary",
    "GradedItem",
    "NextDirections",
    "Point",
    "RankedExperiment",
    "RecommendedRun",
    "ResearchGrade",
    "ResearchVerification",
    "Review",
    "SummaryFlag",
    "SweepRecommendation",
    "SweptVariable",
    "Tallied",
    "Triage",
    "TriagedFinding",
    "TriagedSubmission",
    "VerifiedItem",
    "answer",
    "contradictions",
    "read",
    "schema",
    "tally",
    "text",
]
