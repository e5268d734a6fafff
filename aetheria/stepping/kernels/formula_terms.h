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
template <class T> inline T sign_of(T x) { return T(x > 0) - T(x < 0); }
