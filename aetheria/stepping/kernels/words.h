// Vectors of words of 64 bits: one bit for each cell.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
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

// LANES words of two adjacent vectors, from word FROM on.
template <int FROM, size_t... I>
Words shifted_words(Words first, Words second, std::index_sequence<I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(first, second, int(FROM + I)...);
#else
    return __builtin_shuffle(first, second, Words{FROM + I...});
#endif
}

// The bits from bit `first` (0 to 63) of the words at p on. Reads two vectors: a load that began at the second word would wait for
// stores of both.
inline Words load_from(const uint64_t* p, int first) {
    const Words low = load(p), high = shifted_words<1>(low, load(p + LANES), std::make_index_sequence<LANES>());
#if defined(__AVX512VBMI2__)
    return (Words)_mm512_shrdv_epi64((__m512i)low, (__m512i)high, _mm512_set1_epi64(first));
#else
    return low >> first | (high << 1) << (63 - first);
#endif
}
