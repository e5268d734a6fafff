"""Rates, profiles, and a check of this machine."""
