"""The viewer: frame rates, latency, memory."""
