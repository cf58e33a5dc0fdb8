"""Which scenes are learned from, which judge progress, and which are kept for the end."""

from fusionlab.splits.rule import PARTS, TEST, TRAIN, VALIDATION, SplitRule, parse_shares
from fusionlab.splits.standing import Split, check_test, completed, plan_split
from fusionlab.splits.ties import groups_of, places_of, ties_of

__all__ = [
    "PARTS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Split",
    "SplitRule",
    "check_test",
    "completed",
    "groups_of",
    "parse_shares",
    "places_of",
    "plan_split",
    "ties_of",
]
