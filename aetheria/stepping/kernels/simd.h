// Float vectors of the processor's width, with one cell in each lane.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "enums.h"
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

// VECTORS x BLOCK accumulators and their factors fit in the registers.
#if defined(__AVX512F__)
constexpr int LANES = 16, VECTORS = 4, BLOCK = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, VECTORS = 3, BLOCK = 4;
#else
constexpr int LANES = 4, VECTORS = 4, BLOCK = 4;
#endif

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef float UnalignedVec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }

// The first `count` lanes, 1 to LANES; zeros in the others.
inline Vec load_some(const float* p, int count) {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), p);
#else
    if (count == LANES) return load(p);
    Vec some{};
    std::memcpy(&some, p, count * sizeof(float));
    return some;
#endif
}
inline void store_some(float* p, Vec v, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, __mmask16((1u << count) - 1), (__m512)v);
#else
    if (count == LANES) store(p, v);
    else std::memcpy(p, &v, count * sizeof(float));
#endif
}

inline float sum_of(Vec x) {
    float lanes[LANES];
    std::memcpy(lanes, &x, sizeof x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

// Of LANES rows: the sum of each, in the lane of its number.
inline Vec sums_of(const Vec* rows) {
#if defined(__AVX512F__)
    __m512 four[4];  // rows 4i to 4i + 3, summed across quarters of a vector
    for (int i = 0; i < 4; i++) {
        const __m512 a = (__m512)rows[4 * i], b = (__m512)rows[4 * i + 1], c = (__m512)rows[4 * i + 2], d = (__m512)rows[4 * i + 3];
        const __m512d ab = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
        const __m512d cd = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)));
        four[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)), _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
    }
    const auto halves = [](__m512 a, __m512 b) { return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE)); };
    const __m512 low = halves(four[0], four[1]), high = halves(four[2], four[3]);
    return (Vec)_mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xDD));
#else
    float lanes[LANES];
    for (int i = 0; i < LANES; i++) lanes[i] = sum_of(rows[i]);
    return load(lanes);
#endif
}

// exp(x) = power + power * less_one for x <= 0, where less_one is exp(r) - 1 of a small r; NaN stays NaN. Cody-Waite reduction, then
// the series to x^7: error below 2e-7.
struct Exponential { Vec power, less_one; };
inline Exponential exponential_below(Vec x) {
    x = x < -87.0f ? Vec{} - 87.0f : x;
    const Vec magic = Vec{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const Vec n = (x * 1.44269504f + magic) - magic;
    const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Vec p = Vec{} + 1.0f / 5040;
    for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f}) p = p * r + c;
    return {(Vec)((__builtin_convertvector(n, Ints) + 127) << 23), p * r};
}

// exp(x) - 1 for x <= 0.
inline Vec expm1_below(Vec x) {
    const Exponential e = exponential_below(x);
    return e.less_one * e.power + (e.power - 1.0f);
}

inline Vec hyperbolic_tangent(Vec x) {
    const Vec t = expm1_below(x < 0.0f ? 2.0f * x : -2.0f * x), y = t / (t + 2.0f);
    return x < 0.0f ? y : -y;
}

// x / (1 + exp(-x)), without overflow.
inline Vec sigmoid_linear(Vec x) {
    const Exponential e = exponential_below(x < 0.0f ? x : -x);
    const Vec power = e.less_one * e.power + e.power;
    return (x < 0.0f ? x * power : x) / (1.0f + power);
}

inline Vec inverse_root(Vec x) {
    alignas(Vec) float lanes[LANES];
    std::memcpy(lanes, &x, sizeof x);
    for (float& lane : lanes) lane = 1.0f / std::sqrt(lane);
    std::memcpy(&x, lanes, sizeof x);
    return x;
}

// 1 / norm from a sum of squares; NaN where the sum is not finite, so that cells that diverged do not become zeros.
inline Vec inverse_norm(Vec sum) {
    const Vec infinity = Vec{} + INFINITY;
    const Vec factor = inverse_root(sum < 1e-30f ? Vec{} + 1e-30f : sum);
    return sum < infinity ? factor : Vec{} + NAN;
}

inline Vec activated(Vec x, int activation) {
    if (activation == RELU) return x < 0.0f ? Vec{} : x;
    if (activation == ELU) return x > 0.0f ? x : expm1_below(x);
    if (activation == TANH) return hyperbolic_tangent(x);
    if (activation == SILU) return sigmoid_linear(x);
    return x;
}
