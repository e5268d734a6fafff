// The transforms of minimal filtering, F(4x4, 3x3): of 6 x 6 cells, of 3 x 3 weights, and of their products to 4 x 4 cells.
//
// Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. The transforms evaluate at 0,
// +-A, +-B and infinity; A and B are chosen for the least rounding (benchmarks/winograd.py).
//
// With DOUBLED defined: a transposed 2x2 convolution that doubles both sides, and then a 3x3 one, as one. Each new cell sees
// 2 x 2 of the cells there are, by weights that depend on its place, the parity of its row and column: 3x3 filters, four times
// as many, whose first row and column are zero, and with them all that is evaluated at 0. So 25 of the 36 products are left.
#pragma once
#include <cmath>

#include "products.h"

#if defined(DOUBLED)
constexpr int FIRST = 1, SPREAD = 2;  // the first point that is evaluated; how much larger the sides become
#else
constexpr int FIRST = 0, SPREAD = 1;
#endif
constexpr int SIDE = 6, INNER = 4, WIDE = SIDE - FIRST, POINTS = WIDE * WIDE, CELLS = INNER * INNER, PLACES = SPREAD * SPREAD;

namespace {

constexpr float A = 2.0f / 3, B = 1.5f, AA = A * A, BB = B * B;

// The rows of the three transforms, and what each is divided by to be alike in size (16 bits only).
constexpr float LOOK[SIDE][SIDE] = {{AA * BB, 0, -AA - BB, 0, 1, 0}, {0, -A * BB, -BB, A, 1, 0}, {0, A * BB, -BB, -A, 1, 0},
                                    {0, -B * AA, -AA, B, 1, 0}, {0, B * AA, -AA, -B, 1, 0}, {0, AA * BB, 0, -AA - BB, 0, 1}};
constexpr double NA = 2.0 * AA * (AA - BB), NB = 2.0 * BB * (BB - AA);
constexpr double WEIGH[SIDE][3] = {{1.0 / (AA * BB), 0, 0}, {1 / NA, A / NA, AA / NA}, {1 / NA, -A / NA, AA / NA},
                                   {1 / NB, B / NB, BB / NB}, {1 / NB, -B / NB, BB / NB}, {0, 0, 1}};

template <class Row>
double size_of(const Row& row) {
    double squares = 0;
    for (double value : row) squares += value * value;
    return SHORTENED ? std::sqrt(squares) : 1;
}

// to[0] to to[WIDE - 1] = one row or column of six, transformed.
inline void look(const Vec* d, int stride, Vec* to) {
    const Vec d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
    const Vec even_a = d4 - BB * d2, odd_a = d3 - BB * d1, even_b = d4 - AA * d2, odd_b = d3 - AA * d1;
    if (!FIRST) *to++ = AA * BB * d0 - (AA + BB) * d2 + d4;
    to[0] = even_a + A * odd_a;
    to[1] = even_a - A * odd_a;
    to[2] = even_b + B * odd_b;
    to[3] = even_b - B * odd_b;
    to[4] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

// By what products at +-A, +-B and infinity count in the values of a row, in units of those at 0.
struct Gains { float a[INNER], b[INNER], far; };

// Four values from a row or column of WIDE products.
inline void gather(const Vec* m, const Gains& gain, Vec* to, int step) {
    const Vec zero = FIRST ? Vec{} : *m++;
    const Vec sum_a = m[0] + m[1], odd_a = m[0] - m[1], sum_b = m[2] + m[3], odd_b = m[2] - m[3];
    to[0] = zero + gain.a[0] * sum_a + gain.b[0] * sum_b;
    to[step] = gain.a[1] * odd_a + gain.b[1] * odd_b;
    to[2 * step] = gain.a[2] * sum_a + gain.b[2] * sum_b;
    to[3 * step] = gain.a[3] * odd_a + gain.b[3] * odd_b + gain.far * m[4];
}

}  // namespace
