"""Plans and kernels for the CPU, in C++."""
