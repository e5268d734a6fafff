// Structures that Python fills in.
#pragma once
#include <cstdint>

// Exports the size of a structure, for Python to compare with its own when it loads the kernel.
#define EXPORT_SIZE(structure) \
    extern "C" int64_t structure##_bytes() { return sizeof(structure); }
