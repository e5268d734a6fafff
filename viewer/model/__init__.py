"""The values that the viewer shows. No Qt."""
