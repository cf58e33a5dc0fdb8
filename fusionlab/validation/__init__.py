"""Validation: how good are a policy's choices, measured against what people and truths say."""
