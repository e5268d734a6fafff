"""What may happen to a run: each fault a function that makes it happen, and what must come of it."""
