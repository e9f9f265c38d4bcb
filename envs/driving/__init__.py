"""Driving worlds: traffic, roads, observations and rewards as compiled kernels over arrays."""
