// The next states of 64 cells of a two-state rule, looked up by the 3x3 block around each.
//
// A row of a block is a number 0 to 7: 1 west, 2 middle, 4 east. Byte 8 * north + middle of a table, bit `south`, is the next state.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

using BlockTable = uint8_t[64];

#if defined(__AVX512VBMI__) && defined(__AVX512BW__)

// The rows' numbers of 64 cells, from the bits of their western neighbours, of themselves and of their eastern neighbours.
inline void row_numbers(uint64_t west, uint64_t cells, uint64_t east, uint8_t* out) {
    __m512i numbers = _mm512_maskz_set1_epi8(west, 1);
    numbers = _mm512_mask_add_epi8(numbers, cells, numbers, _mm512_set1_epi8(2));
    numbers = _mm512_mask_add_epi8(numbers, east, numbers, _mm512_set1_epi8(4));
    _mm512_storeu_si512(out, numbers);
}

class BlockRule {
    const __m512i table, bits;

  public:
    explicit BlockRule(const BlockTable& t) : table(_mm512_loadu_si512(t)), bits(_mm512_set1_epi64(int64_t(0x8040201008040201))) {}

    uint64_t operator()(const uint8_t* north, const uint8_t* middle, const uint8_t* south) const {
        const __m512i pair = _mm512_or_si512(_mm512_slli_epi16(_mm512_loadu_si512(north), 3), _mm512_loadu_si512(middle));
        const __m512i outcomes = _mm512_permutexvar_epi8(pair, table);
        return _mm512_test_epi8_mask(outcomes, _mm512_shuffle_epi8(bits, _mm512_loadu_si512(south)));
    }
};

#elif defined(__AVX2__)

inline void row_numbers(uint64_t west, uint64_t cells, uint64_t east, uint8_t* out) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bits = _mm256_set1_epi64x(int64_t(0x8040201008040201));
    auto value = [&](uint64_t word, char number) {  // `number` in the bytes of the cells whose bit is set
        const __m256i bytes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(int(uint32_t(word))), spread), bits);
        return _mm256_and_si256(_mm256_cmpeq_epi8(bytes, bits), _mm256_set1_epi8(number));
    };
    for (int half = 0; half < 2; half++, out += 32, west >>= 32, cells >>= 32, east >>= 32) {
        const __m256i both = _mm256_or_si256(value(west, 1), value(cells, 2));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_or_si256(both, value(east, 4)));
    }
}

class BlockRule {
    __m256i quarters[4];
    const __m256i bits;

  public:
    explicit BlockRule(const BlockTable& t) : bits(_mm256_set1_epi64x(int64_t(0x8040201008040201))) {
        for (int i = 0; i < 4; i++)
            quarters[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t + 16 * i)));
    }

    uint64_t operator()(const uint8_t* north, const uint8_t* middle, const uint8_t* south) const {
        uint64_t next = 0;
        for (int half = 0; half < 2; half++) {
            auto load = [&](const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32 * half)); };
            const __m256i pair = _mm256_or_si256(_mm256_slli_epi16(load(north), 3), load(middle));
            // Bits 4 and 5 of the pair choose the quarter; a byte's top bit steers a blend.
            const __m256i odd = _mm256_slli_epi16(pair, 3), upper = _mm256_slli_epi16(pair, 2);
            const __m256i low_bits = _mm256_and_si256(pair, _mm256_set1_epi8(15));
            auto found = [&](int quarter) { return _mm256_shuffle_epi8(quarters[quarter], low_bits); };
            const __m256i lower = _mm256_blendv_epi8(found(0), found(1), odd);
            const __m256i outcomes = _mm256_blendv_epi8(lower, _mm256_blendv_epi8(found(2), found(3), odd), upper);
            const __m256i bit = _mm256_shuffle_epi8(bits, load(south));
            const __m256i alive = _mm256_cmpeq_epi8(_mm256_and_si256(outcomes, bit), bit);
            next |= uint64_t(uint32_t(_mm256_movemask_epi8(alive))) << (32 * half);
        }
        return next;
    }
};

#else

inline void row_numbers(uint64_t west, uint64_t cells, uint64_t east, uint8_t* out) {
    for (int i = 0; i < 64; i++) out[i] = uint8_t((west >> i & 1) | (cells >> i & 1) << 1 | (east >> i & 1) << 2);
}

class BlockRule {
    BlockTable table;

  public:
    explicit BlockRule(const BlockTable& t) { std::memcpy(table, t, sizeof table); }

    uint64_t operator()(const uint8_t* north, const uint8_t* middle, const uint8_t* south) const {
        uint64_t next = 0;
        for (int i = 0; i < 64; i++) next |= uint64_t(table[north[i] << 3 | middle[i]] >> south[i] & 1) << i;
        return next;
    }
};

#endif
