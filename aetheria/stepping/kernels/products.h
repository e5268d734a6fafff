// What convolutions multiply: float32; or, with SHORT defined and on processors that can (VNNI), integers of 16 bits, twice as
// many at a time, summed exactly in 32 bits.
#pragma once
#include <algorithm>

#include "lanes.h"

#if defined(__AVX512F__)
constexpr int SHARE = 4;
#elif defined(__AVX__)
constexpr int SHARE = 2;
#else
constexpr int SHARE = 1;
#endif
constexpr int ROWS = 3 * SHARE, OUTPUTS = 2;  // ROWS x OUTPUTS accumulators, and what is multiplied, fit the registers

constexpr int AHEAD = 32;  // steps of channels, by which weights are brought from the outer caches before they are read

inline int vectors(int channels) { return (channels + LANES - 1) / LANES; }

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

// Values between layers are bfloat16.
typedef uint16_t Stored;
inline Vec load_stored(const Stored* p, int count) {
    const __m256i some = _mm256_maskz_loadu_epi16(__mmask16((1u << count) - 1), p);
    return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(some), 16);
}
inline void store_stored(Stored* p, Vec v, int count) {
#if defined(__AVX512BF16__)
    const __m256i shorter = (__m256i)_mm512_cvtneps_pbh((__m512)v);
#else
    const Ints bits = (Ints)v, nearest = bits + 0x7FFF + ((bits >> 16) & 1);
    const __m256i shorter = _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)(v == v ? nearest : Ints{} + 0x7FC00000), 16));
#endif
    _mm256_mask_storeu_epi16(p, __mmask16((1u << count) - 1), shorter);
}

// A sum, and the squares of `count` values at `p`, a few in each lane.
inline Vec with_squares(Vec sum, const Stored* p, int count) {
#if defined(__AVX512BF16__)
    for (; count > 0; p += 2 * LANES, count -= 2 * LANES) {
        const __m512bh some = (__m512bh)_mm512_maskz_loadu_epi16(count < 2 * LANES ? (1u << count) - 1 : ~0u, p);
        sum = (Vec)_mm512_dpbf16_ps((__m512)sum, some, some);
    }
#else
    for (; count > 0; p += LANES, count -= LANES) {
        const Vec some = load_stored(p, std::min(LANES, count));
        sum += some * some;
    }
#endif
    return sum;
}

// Error below 6e-7 of the value. One term less, 2e-5, is seen in the drift of a ConvLSTM (benchmarks/drift.py).
inline Vec elu(Vec x) {
    const Vec t = 1.44269504f * (Vec)_mm512_max_ps(_mm512_set1_ps(-87.0f), (__m512)x);  // in this order NaN stays
    const __m512 n = _mm512_roundscale_ps((__m512)t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Vec f = t - (Vec)n, power = (Vec)_mm512_scalef_ps(_mm512_set1_ps(1.0f), n);
    const Vec p = f * ((((0.00134004f * f + 0.00966637f) * f + 0.05550333f) * f + 0.24022349f) * f + 0.6931472f);
    return x > 0.0f ? x : p * power + (power - 1.0f);
}
#else
constexpr bool SHORTENED = false;
constexpr int PAIR = 1;
typedef float Number;
typedef Vec Sum;

typedef float Stored;
inline Vec load_stored(const Stored* p, int count) { return load_some(p, count); }
inline void store_stored(Stored* p, Vec v, int count) { store_some(p, v, count); }
inline Vec with_squares(Vec sum, const Stored*, int) { return sum; }  // no unit is wanted
inline void keep(Number* to, Vec values) { store(to, values); }
inline Sum added(Sum sum, const Number* weights, const Number* from) { return sum + load(weights) * *from; }
inline Vec as_values(Sum sum) { return sum; }
inline Vec elu(Vec x) { return activated(x, ELU); }
#endif

// In 16 bits sums of products stay below 2^31, as a sum is no larger than the product of the two norms.
constexpr float MOST_SEEN = 32704, MOST_WEIGHT = 65472, MOST = 32767;

// The unit in which numbers of this sum of squares are short; NaN where the sum is none.
inline float unit_of(float squares) {
    const float norm = std::sqrt(squares + 1e-30f);
    return norm < INFINITY ? norm / MOST_SEEN : NAN;
}
inline float unit_of_weights(double norm, double most) {
    return SHORTENED ? float(std::max(std::max(norm / MOST_WEIGHT, most / MOST), 1e-30)) : 1.0f;
}
inline Number number_of(double value) { return Number(SHORTENED ? std::nearbyint(value) : value); }

// The sums over all channels of R rows, for N vectors of outputs; the rows' LANES channels lie side by side, and the next
// channels `apart` rows further.
template <int N, int R>
void multiply_rows(const Number* rows, int64_t apart, int inputs, const Number* weight, Sum* out) {
    Sum sum[R][N] = {};
    for (int k = 0; k < inputs; k++, rows += apart * LANES)
        for (int i = 0; i < LANES; i += PAIR, weight += N * LANES * PAIR) {
            for (int n = 0; n < N; n++) __builtin_prefetch(weight + (AHEAD * N + n) * LANES * PAIR);
#pragma GCC unroll 16
            for (int r = 0; r < R; r++)
#pragma GCC unroll 4
                for (int n = 0; n < N; n++) sum[r][n] = added(sum[r][n], weight + n * LANES * PAIR, rows + r * LANES + i);
        }
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) out[r * OUTPUTS + n] = sum[r][n];
}

// The same of up to ROWS rows; there is room for a whole SHARE more.
template <int N>
void multiply(const Number* rows, int64_t apart, int inputs, const Number* weight, int64_t count, Sum* out) {
    if (count > 2 * SHARE) multiply_rows<N, ROWS>(rows, apart, inputs, weight, out);
    else if (count > SHARE) multiply_rows<N, 2 * SHARE>(rows, apart, inputs, weight, out);
    else multiply_rows<N, SHARE>(rows, apart, inputs, weight, out);
}

// Bytes of each value between layers: 2 of bfloat16, or 4.
extern "C" int32_t stored_bytes() { return sizeof(Stored); }

// Whether weights still are what was packed; several times as fast as torch.equal.
extern "C" int32_t same(const float* weight, const float* packed, int64_t count) {
    return std::memcmp(weight, packed, count * sizeof(float)) == 0;
}
