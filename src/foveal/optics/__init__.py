"""Cameras and rigid transforms: the one geometry that worlds and networks share."""
