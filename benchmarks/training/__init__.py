"""Training: rates and results."""
