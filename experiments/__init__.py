"""One script per claim, each readable from top to bottom."""

if not __name__.startswith("foveal."):
    raise ImportError("this folder is the package foveal.experiments: write `import foveal.experiments`")
