"""Export of recordings: pictures, movies, and the formats of other programs."""
