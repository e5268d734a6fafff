"""Cases, peers, processes and tables shared by the benchmarks."""
