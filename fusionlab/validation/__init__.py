"""How good a policy's choices are, measured against what people and truths say."""

from fusionlab.validation.run import Validation, validate

__all__ = ["Validation", "validate"]
