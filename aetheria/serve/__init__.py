"""Watching a run from elsewhere: a server with a web page, and a reader for the terminal. Needs the extra `serve`."""
