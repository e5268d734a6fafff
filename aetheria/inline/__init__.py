"""Pictures inline in a notebook: a live view of a motor, and films of recordings. The live view needs the extra `notebook`."""
