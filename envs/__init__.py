"""The worlds: batched environments that step in compiled code and know no networks."""

if not __name__.startswith("foveal."):
    raise ImportError("this folder is the package foveal.envs: write `import foveal.envs`")
