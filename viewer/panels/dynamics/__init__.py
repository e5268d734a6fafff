"""Panels that sample the source for themselves: views of dynamics, of volumes and of batches. Closed ones cost nothing."""
