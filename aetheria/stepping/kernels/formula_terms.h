// Functions in formulas of cells, with the results of eager steps: NaN stays NaN in `max` and `min`, and has the sign 0.
#pragma once
#include <cmath>

#if defined(__clang__)
#define IN_ANY_ORDER _Pragma("clang loop vectorize(assume_safety)")
#else
#define IN_ANY_ORDER _Pragma("GCC ivdep")
#endif

template <class T> inline T square(T x) { return x * x; }
template <class T> inline T cube(T x) { return x * x * x; }
template <class T> inline T larger(T a, T b) { return a > b || a != a ? a : b; }
template <class T> inline T smaller(T a, T b) { return a < b || a != a ? a : b; }

// sin of a phase for `half` 0, -cos for 1/2. In float64, by operations that vectors of any width take alike; its error is below
// 1e-9 for phases up to 1e8, before it is rounded to float.
inline double wave(double phase, double half) {
    constexpr double PI = 3.141592653589793, HIGH = 0x1.921fb5p+1;  // HIGH: 25 bits, so that its product with `turns` is exact
    constexpr double LOW = (PI - HIGH) + 1.2246467991473532e-16, ROUNDING = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds
    const double whole = (phase * (1 / PI) - half + ROUNDING) - ROUNDING, turns = whole + half;
    const double r = (phase - turns * HIGH) - turns * LOW, s = r * r;
    const double sine = r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 +
                        s * (-1.0 / 39916800 + s * (1.0 / 6227020800.0))))));
    const double pair = whole * 0.5, odd = pair - ((pair + ROUNDING) - ROUNDING);  // 0, or 1/2 of either sign
    return (1 - 8 * odd * odd) * sine;
}
inline float sine(float x) { return float(wave(x, 0)); }
inline float cosine(float x) { return float(-wave(x, 0.5)); }

template <class T> inline T sign_of(T x) { return T(x > 0) - T(x < 0); }
