"""Plans for the CPU, with kernels in C++ (`stepping/kernels`)."""
