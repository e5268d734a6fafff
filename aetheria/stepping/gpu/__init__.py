"""Plans for CUDA, with kernels in Triton."""
