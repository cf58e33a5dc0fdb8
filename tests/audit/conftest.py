"""Fixtures that tests of the report share."""

from reports import odd_lab, written

__all__ = ["odd_lab", "written"]
