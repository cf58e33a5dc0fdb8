"""Review labels in a browser, by keyboard, the least certain first; decisions become overrides."""

from fusionlab.review.run import ReviewReport, review

__all__ = ["ReviewReport", "review"]
