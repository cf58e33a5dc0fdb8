"""Learning task after task without forgetting: elastic weights, replay, and what is measured.

Nothing here knows the trainer: `ewc` takes any network and any loss, `replay` any patches.
"""
