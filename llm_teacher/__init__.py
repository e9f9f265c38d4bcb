"""The teacher: from a typed scene to checked advice, off the step path."""

if not __name__.startswith("foveal."):
    raise ImportError("this folder is the package foveal.llm_teacher: write `import foveal.llm_teacher`")
