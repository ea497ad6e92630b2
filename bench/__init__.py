"""Measurements, run by hand: each against a baseline in the same run, printed as ratios."""
