// Life-like rules on packed cells, whose neighbours are counted by bit-sliced adders.
//
// BIRTH and SURVIVAL are macros: bit n says whether a cell with n live neighbours is born, or survives.
#include "packed_strips.h"

namespace {

struct Rule {
    struct Row {
        Words low, high, cells;  // the sum of a cell and its two neighbours, in two bits; the cell

        Row() = default;
        Row(Words west, Words c, Words east) : low(west ^ c ^ east), high((west & c) | (east & (west ^ c))), cells(c) {}
    };

    static Words next(const Row& a, const Row& b, const Row& c) {
        const Words ones = a.low ^ b.low ^ c.low, carry = (a.low & b.low) | (c.low & (a.low ^ b.low));
        const Words two = a.high ^ b.high ^ c.high, four = (a.high & b.high) | (c.high & (a.high ^ b.high));
        const Words more = two & carry;
        return by_count(b.cells, ones, two ^ carry, four ^ more, four & more);
    }

    // The next state from the cells and the binary digits of the number of live cells in the 3x3 block around each.
    static Words by_count(Words cells, Words ones, Words twos, Words fours, Words eights) {
        Words next{};
#pragma GCC unroll 16
        for (int count = 0; count <= 9; count++) {
            const bool born = count <= 8 && BIRTH >> count & 1, stays = count >= 1 && SURVIVAL >> (count - 1) & 1;
            if (!born && !stays) continue;
            Words these = (count & 1 ? ones : ~ones) & (count & 2 ? twos : ~twos);
            these &= (count & 4 ? fours : ~fours) & (count & 8 ? eights : ~eights);
            next |= born && stays ? these : born ? these & ~cells : these & cells;
        }
        return next;
    }
};

}  // namespace

extern "C" int32_t step(const Job* job) { return step_strips<Rule>(*job); }
