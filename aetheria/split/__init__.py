"""One grid over many processes: tiles of a mesh, halo exchange, exact sums, the leading rank."""
