"""Networks that see: the sources an observation pipeline can take its percepts from."""

if not __name__.startswith("foveal."):
    raise ImportError("this folder is the package foveal.vision: write `import foveal.vision`")
