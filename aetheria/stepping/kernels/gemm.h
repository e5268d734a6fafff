// Matrix products of convolutions, in float32; or, with INT16_PRODUCTS defined and on processors with VNNI, in 16-bit integers,
// twice as many at a time, summed exactly in 32 bits.
#pragma once
#include <algorithm>

#include "simd.h"

#if defined(__AVX512F__)
constexpr int ROW_UNIT = 4;
#elif defined(__AVX__)
constexpr int ROW_UNIT = 2;
#else
constexpr int ROW_UNIT = 1;
#endif
constexpr int ROWS = 3 * ROW_UNIT, OUTPUTS = 2;  // ROWS x OUTPUTS accumulators and their factors fit in the registers

constexpr int AHEAD = 32;  // weights are prefetched so many channels before they are read

inline int vectors(int channels) { return (channels + LANES - 1) / LANES; }

#if defined(INT16_PRODUCTS) && defined(__AVX512VNNI__)
constexpr bool IN_INT16 = true;
constexpr int PAIR = 2;  // factors that each lane multiplies and adds in one instruction
typedef int16_t Factor;
typedef Ints Sum;

inline void store_factors(Factor* to, Vec values) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32((__m512)values)));
}
// `sum` plus, in each lane, a PAIR of weights times the PAIR of factors at `from`.
inline Sum multiply_add(Sum sum, const Factor* weights, const Factor* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return (Sum)_mm512_dpwssd_epi32((__m512i)sum, _mm512_loadu_si512(weights), _mm512_set1_epi32(pair));
}
inline Vec to_float(Sum sum) { return (Vec)_mm512_cvtepi32_ps((__m512i)sum); }

// Layers store their outputs in bfloat16.
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

// `sum` plus the squares of `count` values at `p`, spread over the lanes.
inline Vec add_squares(Vec sum, const Stored* p, int count) {
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

// Relative error below 6e-7. With one term less it is 2e-5, which shows in the drift of a ConvLSTM (benchmarks/accuracy).
inline Vec elu(Vec x) {
    const Vec t = 1.44269504f * (Vec)_mm512_max_ps(_mm512_set1_ps(-87.0f), (__m512)x);  // the second argument is returned for NaN
    const __m512 n = _mm512_roundscale_ps((__m512)t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Vec f = t - (Vec)n, power = (Vec)_mm512_scalef_ps(_mm512_set1_ps(1.0f), n);
    const Vec p = f * ((((0.00134004f * f + 0.00966637f) * f + 0.05550333f) * f + 0.24022349f) * f + 0.6931472f);
    return x > 0.0f ? x : p * power + (power - 1.0f);
}
#else
constexpr bool IN_INT16 = false;
constexpr int PAIR = 1;
typedef float Factor;
typedef Vec Sum;

typedef float Stored;
inline Vec load_stored(const Stored* p, int count) { return load_some(p, count); }
inline void store_stored(Stored* p, Vec v, int count) { store_some(p, v, count); }
inline Vec add_squares(Vec sum, const Stored*, int) { return sum; }  // float32 needs no unit
inline void store_factors(Factor* to, Vec values) { store(to, values); }
inline Sum multiply_add(Sum sum, const Factor* weights, const Factor* from) { return sum + load(weights) * *from; }
inline Vec to_float(Sum sum) { return sum; }
inline Vec elu(Vec x) { return activated<ELU>(x); }
#endif

// In 16 bits, values are integer multiples of a unit. With these norms sums of products stay below 2^31: no sum exceeds the product
// of the norms of inputs and weights (Cauchy-Schwarz).
constexpr float MAX_INPUT_NORM = 32704, MAX_WEIGHT_NORM = 65472, MAX_INT16 = 32767;

// The unit for inputs with this sum of squares; NaN where the sum is not finite.
inline float input_unit(float squares) {
    const float norm = std::sqrt(squares + 1e-30f);
    return norm < INFINITY ? norm / MAX_INPUT_NORM : NAN;
}
inline float weight_unit(double norm, double largest) {
    return IN_INT16 ? float(std::max(std::max(norm / MAX_WEIGHT_NORM, largest / MAX_INT16), 1e-30)) : 1.0f;
}
inline Factor to_factor(double value) { return Factor(IN_INT16 ? std::nearbyint(value) : value); }

// Sums over all channels of R rows, for N vectors of outputs. A row's LANES channels are contiguous; the next LANES channels lie
// `apart` rows further.
template <int N, int R>
void multiply_rows(const Factor* rows, int64_t apart, int inputs, const Factor* weight, Sum* out) {
    Sum sum[R][N] = {};
    for (int k = 0; k < inputs; k++, rows += apart * LANES)
        for (int i = 0; i < LANES; i += PAIR, weight += N * LANES * PAIR) {
            for (int n = 0; n < N; n++) __builtin_prefetch(weight + (AHEAD * N + n) * LANES * PAIR);
#pragma GCC unroll 16
            for (int r = 0; r < R; r++)
#pragma GCC unroll 4
                for (int n = 0; n < N; n++)
                    sum[r][n] = multiply_add(sum[r][n], weight + n * LANES * PAIR, rows + r * LANES + i);
        }
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) out[r * OUTPUTS + n] = sum[r][n];
}

// The same for `count` rows, ROWS at the most; `out` has room for a multiple of ROW_UNIT.
template <int N>
void multiply(const Factor* rows, int64_t apart, int inputs, const Factor* weight, int64_t count, Sum* out) {
    if (count > 2 * ROW_UNIT) multiply_rows<N, ROWS>(rows, apart, inputs, weight, out);
    else if (count > ROW_UNIT) multiply_rows<N, 2 * ROW_UNIT>(rows, apart, inputs, weight, out);
    else multiply_rows<N, ROW_UNIT>(rows, apart, inputs, weight, out);
}

// Bytes of a stored value: 2 for bfloat16, 4 for float32.
extern "C" int32_t stored_bytes() { return sizeof(Stored); }

// Whether two arrays hold the same bits; several times as fast as torch.equal.
extern "C" int32_t same_bits(const float* one, const float* other, int64_t count) {
    return std::memcmp(one, other, count * sizeof(float)) == 0;
}
