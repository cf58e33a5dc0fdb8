def group_candidates(scene, members):
    return members
