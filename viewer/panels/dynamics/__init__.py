"""Panels of the views of dynamics; closed ones sample nothing and compute nothing."""
