"""Plans and kernels for CUDA, in Triton."""
