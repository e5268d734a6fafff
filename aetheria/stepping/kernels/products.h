// What convolutions multiply: float32; or, with SHORT defined and on processors that can (VNNI), integers of 16 bits, twice as
// many at a time, summed exactly in 32 bits.
#pragma once
#include "lanes.h"

#if defined(SHORT) && defined(__AVX512VNNI__)
constexpr bool SHORTENED = true;
constexpr int PAIR = 2;  // numbers that are multiplied and added by each lane at once
typedef int16_t Number;
typedef Ints Sum;

inline void keep(Number* to, Vec values) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32((__m512)values)));
}
// The sum and each lane's PAIR of weights times the PAIR at `from`.
inline Sum added(Sum sum, const Number* weights, const Number* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return (Sum)_mm512_dpwssd_epi32((__m512i)sum, _mm512_loadu_si512(weights), _mm512_set1_epi32(pair));
}
inline Vec as_values(Sum sum) { return (Vec)_mm512_cvtepi32_ps((__m512i)sum); }
#else
constexpr bool SHORTENED = false;
constexpr int PAIR = 1;
typedef float Number;
typedef Vec Sum;

inline void keep(Number* to, Vec values) { store(to, values); }
inline Sum added(Sum sum, const Number* weights, const Number* from) { return sum + load(weights) * *from; }
inline Vec as_values(Sum sum) { return sum; }
#endif
