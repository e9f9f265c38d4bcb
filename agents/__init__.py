"""What acts in the worlds: attention, policies, the PPO learner and the adapters to other libraries."""

if not __name__.startswith("foveal."):
    raise ImportError("this folder is the package foveal.agents: write `import foveal.agents`")
