// Cells beyond an edge, and which cells live.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "enums.h"

// The index of the cell that the boundary puts at index i; -1: none, which counts as zero.
inline int64_t source_index(int64_t i, int64_t size, int boundary) {
    if (i >= 0 && i < size) return i;
    if (boundary == PERIODIC) return (i % size + size) % size;
    if (boundary == ZERO) return -1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

// State of a cell by its alive channel: 0 not above the threshold, 1 above, 2 NaN, which kills its neighbourhood as in a max pool.
inline uint8_t alive_state(float value, float threshold) { return (value > threshold) + 2 * (value != value); }
inline void alive_states(const float* __restrict values, float threshold, uint8_t* __restrict out, int64_t count) {
    for (int64_t i = 0; i < count; i++) out[i] = alive_state(values[i], threshold);
}

// Without restricted pointers a byte could alias anything, and the loop would not be vectorised.
inline void max_into(uint8_t* __restrict to, const uint8_t* __restrict from, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] = to[i] < from[i] ? from[i] : to[i];
}

// For each cell of row y in plane z, the largest state in the cube that extends `radius` cells to each side. `read_row(line, to)`
// returns the states of row `line` of all planes, in `to` or where they lie; `column_max` is a buffer. Cells beyond a "reflect" edge are
// in the cube already, as those they mirror. A grid of one or two axes has one plane, or one row.
template <class ReadRow>
void largest_state_nearby(int64_t depth, int64_t height, int64_t width, int boundary, int64_t z, int64_t y, int64_t radius,
                          std::vector<uint8_t>& column_max, std::vector<uint8_t>& out, ReadRow read_row) {
    boundary = boundary == PERIODIC ? PERIODIC : ZERO;
    column_max.assign(width + 2 * radius, 0);
    out.resize(width);
    const int64_t planes = depth > 1 ? radius : 0, rows = height > 1 ? radius : 0;
    for (int64_t dz = -planes; dz <= planes; dz++)
        for (int64_t dy = -rows; dy <= rows; dy++) {
            const int64_t plane = source_index(z + dz, depth, boundary), row = source_index(y + dy, height, boundary);
            if (plane < 0 || row < 0) continue;
            max_into(&column_max[radius], read_row(plane * height + row, out.data()), width);
        }
    if (boundary == PERIODIC)
        for (int64_t i = 0; i < radius; i++) {
            column_max[i] = column_max[radius + source_index(i - radius, width, PERIODIC)];
            column_max[radius + width + i] = column_max[radius + i % width];
        }
    std::copy_n(column_max.begin(), width, out.begin());
    for (int64_t i = 1; i <= 2 * radius; i++) max_into(out.data(), &column_max[i], width);
}
