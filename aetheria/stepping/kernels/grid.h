// What kernels know of their grid: edges, neighbourhoods, chance.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

enum Boundary { PERIODIC, ZERO, REFLECT };

inline int64_t beyond(int64_t i, int64_t size, int boundary) {  // the cell that stands for cell i; -1: none, zero
    if (i >= 0 && i < size) return i;
    if (boundary == PERIODIC) return (i % size + size) % size;
    if (boundary == ZERO) return -1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

// 0 not above the threshold, 1 above, 2 NaN, which like in a max pool kills its neighbourhood.
inline uint8_t code_of(float value, float threshold) { return (value > threshold) + 2 * (value != value); }
inline void codes_of(const float* __restrict values, float threshold, uint8_t* __restrict out, int64_t count) {
    for (int64_t i = 0; i < count; i++) out[i] = code_of(values[i], threshold);
}

// Restricted pointers: a byte may else be anything's, and the loop is done byte by byte.
inline void raise(uint8_t* __restrict to, const uint8_t* __restrict by, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] = to[i] < by[i] ? by[i] : to[i];
}

// The largest code in the square of `around` cells on each side, for each cell of row y; `codes_in(row, to)` gives those of a
// row. Beyond an edge that is not periodic there is nothing new: a mirrored cell is one of the others.
template <class CodesIn>
void largest(int64_t height, int64_t width, int boundary, int64_t y, int64_t around, std::vector<uint8_t>& line,
             std::vector<uint8_t>& out, CodesIn codes_in) {
    boundary = boundary == PERIODIC ? PERIODIC : ZERO;
    line.assign(width + 2 * around, 0);
    out.resize(width);
    for (int64_t dy = -around; dy <= around; dy++) {
        const int64_t row = beyond(y + dy, height, boundary);
        if (row < 0) continue;
        codes_in(row, out.data());
        raise(&line[around], out.data(), width);
    }
    if (boundary == PERIODIC)
        for (int64_t i = 0; i < around; i++) {
            line[i] = line[around + beyond(i - around, width, PERIODIC)];
            line[around + width + i] = line[around + i % width];
        }
    std::copy_n(line.begin(), width, out.begin());
    for (int64_t i = 1; i <= 2 * around; i++) raise(out.data(), &line[i], width);
}

// As aetheria/laws/chance.py.
constexpr uint32_t GOLDEN = 0x9E3779B9u;
inline uint32_t mix(uint32_t word) {
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    return word ^ (word >> 16);
}
inline uint32_t universe_key(int64_t seed, int64_t number, int64_t step) {
    uint32_t key = 0;
    for (int64_t part : {seed, seed >> 32, number, step, step >> 32}) key = mix((key * GOLDEN) ^ uint32_t(part));
    return key;
}
inline uint32_t row_key(uint32_t universe, int64_t y) { return mix(universe + uint32_t(y) * GOLDEN); }
inline uint32_t word(uint32_t row, int64_t x) { return mix(row + uint32_t(x) * GOLDEN); }
