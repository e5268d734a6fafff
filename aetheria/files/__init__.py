"""Files: atomic writes, checks of untrusted input, and pattern file formats."""
