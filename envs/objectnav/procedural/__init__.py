"""Procedural houses: floor plans by ProcTHOR's generator, furnished from its statistics."""
