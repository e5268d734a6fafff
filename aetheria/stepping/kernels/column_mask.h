// Selected columns of a row, one bit each.
#pragma once
#include <algorithm>

#include "simd.h"

#if defined(__AVX2__) && !defined(__AVX512F__)
// By the bits of eight columns: `gather` has the places of the selected ones, one after another, and `spread` for each column how
// many are selected before it.
struct ColumnOrders {
    uint8_t gather[256][8], spread[256][8];

    constexpr ColumnOrders() : gather(), spread() {
        for (int bits = 0; bits < 256; bits++)
            for (int column = 0, selected = 0; column < 8; column++) {
                spread[bits][column] = uint8_t(selected);
                if (bits >> column & 1) gather[bits][selected++] = uint8_t(column);
            }
    }
};
alignas(64) inline constexpr ColumnOrders COLUMN_ORDERS;

inline __m256i places(const uint8_t* order) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(order)));
}
inline __m256 reordered(const float* from, __m256i places) { return _mm256_permutevar8x32_ps(_mm256_loadu_ps(from), places); }
#endif

template <int SIZE>
struct ColumnMask {
    static constexpr int WORDS = SIZE / LANES;
    uint32_t bits[WORDS] = {};
    int first[WORDS] = {};  // columns selected before each word
    int words = 0;          // in use
    int whole = 0;          // words whose columns are all of the row
    int64_t count = 0;      // of the columns selected
#if defined(__AVX2__) && !defined(__AVX512F__)
    __m256i gather[WORDS], spread[WORDS], lanes[WORDS];  // of each word: its orders, and all bits of the selected columns
#endif

    // `selected` has a 1 for each of them, and zeros behind the row up to a whole word.
    void select(const uint8_t* selected, int64_t columns) {
        count = 0;
        words = int((columns + LANES - 1) / LANES);
        whole = int(columns / LANES);
        for (int w = 0; w < words; w++) {
            first[w] = int(count);
            bits[w] = bits_of(selected + w * LANES);
            count += __builtin_popcount(bits[w]);
#if defined(__AVX2__) && !defined(__AVX512F__)
            const __m256i to_sign = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
            gather[w] = places(COLUMN_ORDERS.gather[bits[w]]);
            spread[w] = places(COLUMN_ORDERS.spread[bits[w]]);
            lanes[w] = _mm256_sllv_epi32(_mm256_set1_epi32(int(bits[w])), to_sign);
#endif
        }
    }
    // LANES bytes of 0 or 1 as bits.
    static uint32_t bits_of(const uint8_t* bytes) {
        uint32_t found = 0;
        for (int l = 0; l < LANES; l += 4) {
            uint32_t four;
            std::memcpy(&four, bytes + l, 4);
            found |= (four * 0x01020408u >> 24 & 15) << l;
        }
        return found;
    }
    // Copies the values of the selected columns to consecutive places, and may write up to LANES more behind them.
    void compress(const float* from, float* to) const {
        for (int w = 0; w < words; w++, from += LANES) {
#if defined(__AVX512F__)
            _mm512_storeu_ps(to + first[w], _mm512_maskz_compress_ps(__mmask16(bits[w]), _mm512_loadu_ps(from)));
#elif defined(__AVX2__)
            _mm256_storeu_ps(to + first[w], reordered(from, gather[w]));
#else
            float* next = to + first[w];
            for (uint32_t left = bits[w]; left; left &= left - 1) *next++ = from[__builtin_ctz(left)];
#endif
        }
    }
    // Adds consecutive values, behind which LANES more may be read, to the selected columns.
    void expand_add(const float* from, float* to) const {
        for (int w = 0; w < words; w++, to += LANES) {
            const float* more = from + first[w];
#if defined(__AVX512F__)
            const __mmask16 mask(bits[w]);
            const __m512 spread = _mm512_maskz_expand_ps(mask, _mm512_loadu_ps(more));
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), spread));
#else
#if defined(__AVX2__)
            if (w < whole) {  // beyond the row may be cells of another thread, which a whole vector would write, too
                const __m256 old = _mm256_loadu_ps(to), sum = _mm256_add_ps(old, reordered(more, spread[w]));
                _mm256_storeu_ps(to, _mm256_blendv_ps(old, sum, _mm256_castsi256_ps(lanes[w])));
                continue;
            }
#endif
            for (uint32_t left = bits[w]; left; left &= left - 1) to[__builtin_ctz(left)] += *more++;
#endif
        }
    }
};
