// Terms of the formulas of reactions and diffusion: the operations of eager steps, in their order.
#pragma once
#include <cmath>

#if defined(__clang__)
#define IN_ANY_ORDER _Pragma("clang loop vectorize(assume_safety)")
#else
#define IN_ANY_ORDER _Pragma("GCC ivdep")
#endif

// Of the cell at `at`, with the rows above and below it.
inline float five_points(const float* above, const float* at, const float* below) {
    return above[0] + below[0] + at[-1] + at[1] - 4.0f * at[0];
}
inline float nine_points(const float* above, const float* at, const float* below) {
    const float sides = above[0] + at[-1] + at[1] + below[0], corners = above[-1] + above[1] + below[-1] + below[1];
    return -at[0] + 0.2f * sides + 0.05f * corners;
}

inline float square(float x) { return x * x; }
inline float cube(float x) { return x * x * x; }
inline float larger(float a, float b) { return a > b || a != a ? a : b; }
inline float smaller(float a, float b) { return a < b || a != a ? a : b; }
inline float sign_of(float x) { return float(x > 0) - float(x < 0); }
