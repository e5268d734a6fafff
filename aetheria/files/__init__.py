"""Files in and out: checks of untrusted input, atomic writes, pattern file formats."""
