// Vectors of words of 64 bits: one bit for each cell.
#pragma once
#include <cstdint>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX2__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif
constexpr int CELLS = 64 * LANES;  // of a vector
typedef uint64_t Words __attribute__((vector_size(8 * LANES)));
typedef uint64_t UnalignedWords __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

inline Words load(const uint64_t* p) { return *reinterpret_cast<const UnalignedWords*>(p); }
inline void store(uint64_t* p, Words w) { *reinterpret_cast<UnalignedWords*>(p) = w; }

// Where at least two of three bits are set: the carry of their sum.
inline Words majority(Words a, Words b, Words c) {
#if defined(__AVX512F__)
    return (Words)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xE8);  // the compiler would take two instructions
#else
    return (a & b) | (c & (a ^ b));
#endif
}

// The bits that follow `bits` cells (0 to 63) after those of word 0 and on.
inline Words load_from(const uint64_t* p, int bits) {
    const Words low = load(p), high = load(p + 1);
#if defined(__AVX512VBMI2__)
    return (Words)_mm512_shrdv_epi64((__m512i)low, (__m512i)high, _mm512_set1_epi64(bits));
#else
    return low >> bits | (high << 1) << (63 - bits);
#endif
}
