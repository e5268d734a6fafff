"""Rates: stepping, recording, start-up."""
