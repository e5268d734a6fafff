"""Controllers: actions of the user, applied to model, source and window. No Qt."""
