"""Errors, settings, device, precision, memory limits, threads: what every other package may use."""
