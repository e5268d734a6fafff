"""Damaged recordings: reading behind the damage, and saving the frames that are intact."""
