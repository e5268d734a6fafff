"""Pictures, movies and foreign formats, made from a recording."""
