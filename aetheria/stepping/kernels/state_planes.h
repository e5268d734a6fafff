// States of cells in planes of bits: bit p of the state of cell x of a row is bit x % 64 of word x / 64 of plane p. A cell of state 1 is
// alive; cells of higher states decay.
#pragma once
#include <algorithm>
#include <cstdint>

// Bits of a row's last word that are cells; the others are 0.
inline uint64_t inside(int64_t width) { return width % 64 ? (uint64_t(1) << width % 64) - 1 : ~uint64_t(0); }

// Of 64 cells those that are alive. `plane`: words of a plane.
template <int PLANES>
uint64_t alive_word(const uint64_t* at, int64_t plane) {
    uint64_t word = at[0];
    for (int p = 1; p < PLANES; p++) word &= ~at[p * plane];
    return word;
}

// Writes a row of next states: dead and live cells are as `lives` says; a live one that does not stay alive, and any of a higher state,
// goes on to the next state, and from the last to 0.
template <int PLANES>
void decay(const uint64_t* at, const uint64_t* lives, uint64_t* __restrict to, int64_t words, int64_t plane, int states, int64_t width) {
    for (int64_t w = 0; w < words; w++) {
        uint64_t more[PLANES], occupied = 0, carry = ~uint64_t(0), last = ~uint64_t(0);
        for (int p = 0; p < PLANES; p++) {
            const uint64_t state = at[p * plane + w];
            if (p) occupied |= state;
            more[p] = state ^ carry;
            carry &= state;
            last &= (states - 1) >> p & 1 ? state : ~state;
        }
        const uint64_t keeps = ~occupied & (lives[w] | ~at[w]);  // dead before, or alive before and after
        for (int p = 0; p < PLANES; p++) {
            const uint64_t older = more[p] & ~last & ~keeps;
            to[p * plane + w] = p ? older : older | (keeps & lives[w]);
        }
    }
    for (int p = 0; p < PLANES; p++) to[p * plane + words - 1] &= inside(width);
}

extern "C" {

// States (rows, width) float32 to planes of words (planes, rows, words of a row).
void pack(const float* cells, uint64_t* words, int64_t planes, int64_t rows, int64_t width) {
    const int64_t per_row = (width + 63) / 64;
    for (int64_t r = 0; r < rows; r++, cells += width)
        for (int64_t w = 0; w < per_row; w++) {
            uint64_t plane[8] = {};
            for (int64_t i = 0; i < std::min<int64_t>(64, width - 64 * w); i++) {
                const uint64_t state = uint64_t(cells[64 * w + i] + 0.5f);
                for (int64_t p = 0; p < planes; p++) plane[p] |= (state >> p & 1) << i;
            }
            for (int64_t p = 0; p < planes; p++) words[(p * rows + r) * per_row + w] = plane[p];
        }
}

void unpack(const uint64_t* words, float* cells, int64_t planes, int64_t rows, int64_t width) {
    const int64_t per_row = (width + 63) / 64;
    for (int64_t r = 0; r < rows; r++, cells += width)
        for (int64_t x = 0; x < width; x++) {
            int state = 0;
            for (int64_t p = 0; p < planes; p++) state |= int(words[(p * rows + r) * per_row + x / 64] >> (x % 64) & 1) << p;
            cells[x] = float(state);
        }
}
}
