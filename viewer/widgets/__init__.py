"""The canvas and the smaller widgets around it."""
