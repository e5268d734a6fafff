#pragma once
#include <algorithm>

#include "lanes.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

// Some of SIZE columns, as one bit each: `squeeze` brings their values side by side, `add` adds such values to them.
template <int SIZE>
struct Columns {
    static constexpr int WORDS = SIZE / LANES;
    uint32_t bits[WORDS] = {};
    int words = 0;  // that are in use
    int64_t count = 0;

    void want(const uint8_t* wanted, int64_t columns) {
        count = 0;
        words = int((columns + LANES - 1) / LANES);
        for (int w = 0; w < words; w++) {
            bits[w] = 0;
            for (int l = 0; l < LANES && w * LANES + l < columns; l++) bits[w] |= uint32_t(wanted[w * LANES + l] != 0) << l;
            count += __builtin_popcount(bits[w]);
        }
    }
    void squeeze(const float* from, float* to) const {
        for (int w = 0; w < words; w++, from += LANES) {
#if defined(__AVX512F__)
            _mm512_storeu_ps(to, _mm512_maskz_compress_ps(__mmask16(bits[w]), _mm512_loadu_ps(from)));
            to += __builtin_popcount(bits[w]);
#else
            for (uint32_t left = bits[w]; left; left &= left - 1) *to++ = from[__builtin_ctz(left)];
#endif
        }
    }
    void add(const float* from, float* to) const {
        for (int w = 0; w < words; w++, to += LANES) {
#if defined(__AVX512F__)
            const __mmask16 mask(bits[w]);
            const __m512 more = _mm512_maskz_expand_ps(mask, _mm512_loadu_ps(from));
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), more));
            from += __builtin_popcount(bits[w]);
#else
            for (uint32_t left = bits[w]; left; left &= left - 1) to[__builtin_ctz(left)] += *from++;
#endif
        }
    }
};
