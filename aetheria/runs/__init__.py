"""Runs: described by a config, recorded, saved, resumed, replayed and verified."""
