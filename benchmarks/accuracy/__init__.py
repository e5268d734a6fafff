"""Differences from float64."""
