// Random words as stateless hashes of seed, step, universe and cell: those of aetheria/laws/hash_noise.py.
#pragma once
#include <cstdint>

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
inline uint32_t random_word(uint32_t row, int64_t x) { return mix(row + uint32_t(x) * GOLDEN); }
