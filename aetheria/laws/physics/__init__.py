"""Laws of physical models: lattice gases, spins, piles of sand, fires, epidemics; one file each."""
