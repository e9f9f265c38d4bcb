"""What the pixels of a rig's views may show."""

from __future__ import annotations

CLASSES = (
    "sky",
    "road",
    "marking",
    "pavement",
    "building",
    "vegetation",
    "pole",
    "sign",
    "vehicle",
    "person",
    "barrier",
    "ground",
)
"""Semantic classes; a class's id is its place, and fits into uint8."""

SKY, ROAD, MARKING, PAVEMENT, BUILDING, VEGETATION, POLE, SIGN, VEHICLE, PERSON, BARRIER, GROUND = range(len(CLASSES))
