"""The user's actions, between model, source and window. No Qt."""
