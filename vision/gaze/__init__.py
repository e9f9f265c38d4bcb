"""Measures of gaze: of search times, of fixations on targets, and of how alike scanpaths are; and humans' figures.

Every measure is defined once, with its source; all are NumPy. A scanpath is a sequence of places (T, 2), x and y in any
one unit, or of what was fixated (T,), numbers or letters.
"""
