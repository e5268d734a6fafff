"""Runs from a config: recorded, checkpointed, resumed, replayed and verified."""
