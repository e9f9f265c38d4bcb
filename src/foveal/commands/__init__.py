"""The commands of ``foveal``: dataclasses whose fields are the options, each with a `run`."""
