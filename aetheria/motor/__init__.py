"""The motor: a law, its state, and the loop that steps it."""
