// Selected columns of a row, one bit each.
#pragma once
#include <algorithm>

#include "simd.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

template <int SIZE>
struct ColumnMask {
    static constexpr int WORDS = SIZE / LANES;
    uint32_t bits[WORDS] = {};
    int words = 0;      // in use
    int64_t count = 0;  // of the columns selected

    void select(const uint8_t* selected, int64_t columns) {
        count = 0;
        words = int((columns + LANES - 1) / LANES);
        for (int w = 0; w < words; w++) {
            bits[w] = 0;
            for (int l = 0; l < LANES && w * LANES + l < columns; l++) bits[w] |= uint32_t(selected[w * LANES + l] != 0) << l;
            count += __builtin_popcount(bits[w]);
        }
    }
    // Copies the values of the selected columns to consecutive places.
    void compress(const float* from, float* to) const {
        for (int w = 0; w < words; w++, from += LANES) {
#if defined(__AVX512F__)
            _mm512_storeu_ps(to, _mm512_maskz_compress_ps(__mmask16(bits[w]), _mm512_loadu_ps(from)));
            to += __builtin_popcount(bits[w]);
#else
            for (uint32_t left = bits[w]; left; left &= left - 1) *to++ = from[__builtin_ctz(left)];
#endif
        }
    }
    // Adds consecutive values to the selected columns.
    void expand_add(const float* from, float* to) const {
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
