"""Looking at images: whether they show their scene, where they lie on it, what was done to them."""
