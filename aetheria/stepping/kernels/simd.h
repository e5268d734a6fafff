// Float vectors of the processor's width, with one cell in each lane.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

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

// Calls act(i) for i below N, unrolled.
template <int N, class Act>
inline void each(Act act) {
#pragma GCC unroll 16
    for (int i = 0; i < N; i++) act(i);
}

// The larger of x and a number, and the smaller; NaN stays NaN.
inline Vec at_least(Vec x, float low) {
    const Vec limit = Vec{} + low;
#if defined(__AVX512F__)
    return (Vec)_mm512_max_ps((__m512)limit, (__m512)x);  // the second argument is returned for NaN
#elif defined(__AVX2__)
    return (Vec)_mm256_max_ps((__m256)limit, (__m256)x);
#else
    return x < limit ? limit : x;
#endif
}
inline Vec at_most(Vec x, float high) {
    const Vec limit = Vec{} + high;
#if defined(__AVX512F__)
    return (Vec)_mm512_min_ps((__m512)limit, (__m512)x);
#elif defined(__AVX2__)
    return (Vec)_mm256_min_ps((__m256)limit, (__m256)x);
#else
    return x > limit ? limit : x;
#endif
}

// exp(x) = power + power * less_one for N vectors of x from -87 to 88, where less_one is exp(r) - 1 of |r| <= ln(2) / 2; NaN stays NaN.
// Error below 2e-7 of exp(x). Several vectors at once, operation by operation, because each waits for the one before.
template <int N>
inline void exponentials(const Vec* x, Vec* power, Vec* less_one) {
    // 1.5 * 2^23 + 127: adding it rounds to a whole number, and leaves the exponent of `power` in the lowest bits.
    const Vec magic = Vec{} + 12583039.0f;
    Vec shifted[N], r[N], p[N];
    each<N>([&](int i) { shifted[i] = x[i] * 1.44269504f + magic; });
    each<N>([&](int i) { r[i] = x[i] - (shifted[i] - magic) * 0.693147181f; });
    // A polynomial with the least error of p * r, 1e-7; at 0 the error is 0, and so is its slope.
    each<N>([&](int i) { p[i] = r[i] * 0.00836660806f + 0.0418997109f; });
    each<N>([&](int i) { p[i] = r[i] * p[i] + 0.166665435f; });
    each<N>([&](int i) { p[i] = r[i] * p[i] + 0.499991328f; });
    each<N>([&](int i) { p[i] = r[i] * p[i] + 1.0f; });
    each<N>([&](int i) { less_one[i] = r[i] * p[i]; });
    each<N>([&](int i) { power[i] = (Vec)((Ints)shifted[i] << 23); });
}

// exp(x) - 1 for N vectors of x from -87 to 88.
template <int N>
inline void expm1(const Vec* x, Vec* y) {
    Vec power[N], less_one[N];
    exponentials<N>(x, power, less_one);
    each<N>([&](int i) { y[i] = less_one[i] * power[i] + (power[i] - 1.0f); });
}
// For x up to 88.
inline Vec expm1(Vec x) {
    x = at_least(x, -87.0f);
    expm1<1>(&x, &x);
    return x;
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

// Applies an activation to N vectors. Largest errors, of the value or of 1 where it is less: ELU 1.2e-7, tanh 1.5e-7, SiLU 1.3e-7; all
// are below 1e-6 of the value from -9 on. NaN stays NaN.
template <int ACTIVATION, int N>
inline void activate(Vec* x) {
    Vec y[N], power[N], less_one[N];
    if (ACTIVATION == RELU) each<N>([&](int i) { x[i] = at_least(x[i], 0.0f); });
    if (ACTIVATION == ELU) {  // the sum of a part that is 0 below 0 and one that is 0 above; cheaper than a choice
        each<N>([&](int i) { y[i] = at_least((Vec)((Ints)x[i] & ((Ints)x[i] >> 31)), -87.0f); });
        expm1<N>(y, y);
        each<N>([&](int i) { x[i] = (Vec)((Ints)x[i] & ~((Ints)x[i] >> 31)) + y[i]; });
    }
    if (ACTIVATION == TANH) {  // of -|x|, by t / (t + 2) with t = exp(2 x) - 1; beyond 9.1 it is 1 in float32
        const Ints sign = Ints{} + INT32_MIN;
        each<N>([&](int i) { y[i] = at_least((Vec)((Ints)x[i] | sign), -9.1f); });
        each<N>([&](int i) { y[i] += y[i]; });  // no product: of two that are added, compilers round either one
        expm1<N>(y, y);
        each<N>([&](int i) { y[i] = y[i] / (y[i] + 2.0f); });
        each<N>([&](int i) { x[i] = (Vec)(((Ints)y[i] & ~sign) | ((Ints)x[i] & sign)); });
    }
    if (ACTIVATION == SILU) {  // x / (1 + exp(-x)), without overflow
        each<N>([&](int i) { y[i] = -at_most(at_least(x[i], -87.0f), 87.0f); });
        exponentials<N>(y, power, less_one);
        each<N>([&](int i) { x[i] = x[i] / (less_one[i] * power[i] + (power[i] + 1.0f)); });
    }
}
template <int ACTIVATION>
inline Vec activated(Vec x) {
    activate<ACTIVATION, 1>(&x);
    return x;
}

// Calls act(A) with the activation as a constant.
template <class Act>
inline void with_activation(int activation, Act act) {
    switch (activation) {
        case ELU: return act(std::integral_constant<int, ELU>());
        case RELU: return act(std::integral_constant<int, RELU>());
        case TANH: return act(std::integral_constant<int, TANH>());
        case SILU: return act(std::integral_constant<int, SILU>());
        default: return act(std::integral_constant<int, NONE>());
    }
}
