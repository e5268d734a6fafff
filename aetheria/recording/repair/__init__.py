"""Repair of damaged recordings: reads past the damage and saves the frames that are intact."""
