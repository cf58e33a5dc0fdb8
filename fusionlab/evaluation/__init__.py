"""Evaluation: models and labels as methods among the candidates of a lab."""

from fusionlab.evaluation.entrants import Entrant, Fuses, lab_runs, open_entrants
from fusionlab.evaluation.run import Evaluation, as_dict, evaluate

__all__ = ["Entrant", "Evaluation", "Fuses", "as_dict", "evaluate", "lab_runs", "open_entrants"]
