// Winograd's minimal filtering, F(4x4, 3x3): transforms of tiles of 6 x 6 inputs, of 3 x 3 weights, and of their products to
// tiles of 4 x 4 outputs.
//
// Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. The transforms evaluate at 0,
// +-A, +-B and infinity; A and B are chosen for the least rounding (benchmarks/speed/winograd.py).
//
// With UPSAMPLED defined: a transposed 2x2 convolution of stride 2 and a 3x3 convolution of its output, as one. Each output
// depends on 2 x 2 of the inputs, with weights that depend on its place: the parity of its row and column. As 3x3 filters, four
// times as many, these have zeros in their first row and column, and so at every point with a coordinate 0: 25 of the 36 products
// are left.
#pragma once
#include <cmath>

#include "gemm.h"

#if defined(UPSAMPLED)
constexpr int FIRST = 1, UPSCALE = 2;  // the first point that is evaluated; the factor by which the grid's sides grow
#else
constexpr int FIRST = 0, UPSCALE = 1;
#endif
constexpr int TILE_IN = 6, TILE_OUT = 4, CELLS = TILE_OUT * TILE_OUT;  // sides of a tile; its outputs
constexpr int LINE = TILE_IN - FIRST, POINTS = LINE * LINE;            // points of evaluation, of a line and of a tile
constexpr int PLACES = UPSCALE * UPSCALE;

namespace {

constexpr float A = 2.0f / 3, B = 1.5f, AA = A * A, BB = B * B;

// Rows of the transforms of inputs and weights. In 16 bits each row is divided by its norm (`row_norm`).
constexpr float INPUT_TRANSFORM[TILE_IN][TILE_IN] = {
    {AA * BB, 0, -AA - BB, 0, 1, 0}, {0, -A * BB, -BB, A, 1, 0}, {0, A * BB, -BB, -A, 1, 0},
    {0, -B * AA, -AA, B, 1, 0},      {0, B * AA, -AA, -B, 1, 0}, {0, AA * BB, 0, -AA - BB, 0, 1},
};
constexpr double NA = 2.0 * AA * (AA - BB), NB = 2.0 * BB * (BB - AA);
constexpr double WEIGHT_TRANSFORM[TILE_IN][3] = {
    {1.0 / (AA * BB), 0, 0}, {1 / NA, A / NA, AA / NA}, {1 / NA, -A / NA, AA / NA},
    {1 / NB, B / NB, BB / NB}, {1 / NB, -B / NB, BB / NB}, {0, 0, 1},
};

template <class Row>
double row_norm(const Row& row) {
    double squares = 0;
    for (double value : row) squares += value * value;
    return IN_INT16 ? std::sqrt(squares) : 1;
}

// Transforms a row or column of six inputs to LINE points.
inline void transform_inputs(const Vec* d, int stride, Vec* to) {
    const Vec d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
    const Vec even_a = d4 - BB * d2, odd_a = d3 - BB * d1, even_b = d4 - AA * d2, odd_b = d3 - AA * d1;
    if (!FIRST) *to++ = AA * BB * d0 - (AA + BB) * d2 + d4;
    to[0] = even_a + A * odd_a;
    to[1] = even_a - A * odd_a;
    to[2] = even_b + B * odd_b;
    to[3] = even_b - B * odd_b;
    to[4] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

// Factors of the products at +-A, +-B and infinity in the four outputs of a line, relative to the product at 0.
struct Gains { float a[TILE_OUT], b[TILE_OUT], far; };

// Transforms the products at LINE points to a row or column of four outputs.
inline void transform_products(const Vec* m, const Gains& gain, Vec* to, int step) {
    const Vec zero = FIRST ? Vec{} : *m++;
    const Vec sum_a = m[0] + m[1], odd_a = m[0] - m[1], sum_b = m[2] + m[3], odd_b = m[2] - m[3];
    to[0] = zero + gain.a[0] * sum_a + gain.b[0] * sum_b;
    to[step] = gain.a[1] * odd_a + gain.b[1] * odd_b;
    to[2 * step] = gain.a[2] * sum_a + gain.b[2] * sum_b;
    to[3 * step] = gain.a[3] * odd_a + gain.b[3] * odd_b + gain.far * m[4];
}

}  // namespace
