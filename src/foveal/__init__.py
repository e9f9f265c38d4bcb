"""Gymnasium worlds in which attention decides. Importing this package registers every `foveal/…` id."""

from importlib.metadata import version

from foveal.envs.registration import register_all

__all__ = ["__version__"]

__version__ = version("foveal")

register_all()
