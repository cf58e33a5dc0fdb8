"""Fixtures that tests of the evaluation share."""

from evaluations import first_lab, jpeg_lab, lab

__all__ = ["first_lab", "jpeg_lab", "lab"]
