// Vectors of words of 64 bits: one bit for each cell.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#if defined(__AVX2__)
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

// The bits from bit `first` (0 to 63) of the words at p on, of which two vectors may be read.
inline Words load_from(const uint64_t* p, int first) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    const __m256i low = (__m256i)load(p), high = (__m256i)load(p + 1);  // shifts by 64 make 0
    return (Words)_mm256_or_si256(_mm256_srl_epi64(low, _mm_cvtsi32_si128(first)), _mm256_sll_epi64(high, _mm_cvtsi32_si128(64 - first)));
#else
    // Two vectors: with 512 bits a load that began at the second word would often cross a cache line, and wait for stores of both.
    const Words low = load(p), high = shifted_words<1>(low, load(p + LANES), std::make_index_sequence<LANES>());
#if defined(__AVX512VBMI2__)
    return (Words)_mm512_shrdv_epi64((__m512i)low, (__m512i)high, _mm512_set1_epi64(first));
#else
    return low >> first | (high << 1) << (63 - first);
#endif
#endif
}
