"""Pipelines: the stages of a curation and a training in one YAML file, called in order.

A stage *is* a command of the command line, with its options as keys. So there is one definition of
what a stage takes, and any stage of a pipeline can be typed by hand.
"""

from fusionlab.pipeline.recipe import Recipe, read_recipe, shipped_recipes
from fusionlab.pipeline.run import Pipeline, plan, run

__all__ = ["Pipeline", "Recipe", "plan", "read_recipe", "run", "shipped_recipes"]
