// Sine and cosine of float vectors.
#pragma once
#include <cmath>

#include "simd.h"

typedef double Doubles __attribute__((vector_size(8 * LANES)));

struct Turn { Vec cos, sin; };

// Of angles in rad: error below 1e-7 up to 1e6; larger ones, and those that are not finite, lane by lane.
inline Turn turn_by(Vec angle) {
    bool small = true;
    for (int l = 0; l < LANES; l++) small &= std::fabs(angle[l]) <= 1e6f;
    Turn turn;
    if (!small) {
        for (int l = 0; l < LANES; l++) turn.cos[l] = std::cos(angle[l]), turn.sin[l] = std::sin(angle[l]);
        return turn;
    }
    // Quarter turns are taken off in float64, in which pi / 2 has the digits that a large angle needs.
    const Doubles exact = __builtin_convertvector(angle, Doubles), magic = Doubles{} + 6755399441055744.0;  // 1.5 * 2^52
    const Doubles quarters = (exact * 0.63661977236758134308 + magic) - magic;
    const Vec r = __builtin_convertvector(exact - quarters * 1.57079632679489661923, Vec), s = r * r;
    const Ints quarter = __builtin_convertvector(__builtin_convertvector(quarters, Vec), Ints);
    // Taylor series, of which the next terms are below 3e-8 up to pi / 4.
    const Vec sin = r + r * s * (-1.0f / 6 + s * (1.0f / 120 + s * (-1.0f / 5040 + s * (1.0f / 362880))));
    const Vec cos = 1.0f + s * (-0.5f + s * (1.0f / 24 + s * (-1.0f / 720 + s * (1.0f / 40320))));
    const Ints odd = (quarter & 1) != 0, sin_below = (quarter & 2) != 0, cos_below = ((quarter + 1) & 2) != 0;
    const Vec sine = odd ? cos : sin, cosine = odd ? sin : cos;
    turn.sin = sin_below ? -sine : sine;
    turn.cos = cos_below ? -cosine : cosine;
    return turn;
}
