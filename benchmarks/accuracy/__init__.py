"""Accuracy benchmarks: differences from float64."""
