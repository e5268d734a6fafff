"""Training benchmarks: rates and results."""
