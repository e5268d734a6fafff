// Rules on four planes of bits (block rules on 2x2 cells, lattice gases of four directions): each next bit is looked up by four bits
// at or beside its site, with 64 sites in a word.
//
// Site x of a row is bit x % 64 of word x / 64, counted from the row's ninth word. The bits of sites -1 and `width` are those that
// the boundary puts there: whoever writes a row writes them too. Bits further beyond hold anything.
#include <algorithm>
#include <cstring>

#include "enums.h"
#include "job.h"
#include "row_steps.h"

struct Lookup {
    int32_t plane[4], y[4], x[4];  // of the inputs, relative to the site
    int32_t table;                 // bit 8 * first + 4 * second + 2 * third + fourth input is the next bit
};

extern "C" struct Job {
    const uint64_t* cells;    // (batch, 4, height, words of a row), before the first step
    uint64_t *next, *spare;   // two more such grids; the result is in `next`
    const Lookup* lookups;    // (phases, 4)
    int64_t batch, height, width, words, steps, first;  // first: steps before these
    int32_t phases, threads;
    int32_t boundary;         // REFLECT: the sites at the edge are repeated
};
EXPORT_SIZE(Job)

namespace {

constexpr int PLANES = 4, LANES = 8, MARGIN = 8;
constexpr int64_t WORDS_OF_CHUNK = 1 << 13;
typedef uint64_t Words __attribute__((vector_size(8 * LANES)));
typedef uint64_t UnalignedWords __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

inline Words load(const uint64_t* p) { return *reinterpret_cast<const UnalignedWords*>(p); }

// The bits of 64 * LANES sites that lie at x = -1, 0 or 1 from each.
inline Words beside(const uint64_t* row, int x) {
    if (x < 0) return load(row) << 1 | load(row - 1) >> 63;
    return x ? load(row) >> 1 | load(row + 1) << 63 : load(row);
}

// The exclusive or of those products of the inputs that make up a table (its algebraic normal form).
class Polynomial {
    uint64_t chosen[16];  // all bits, for the products in it: the fourth input is factor 1, the first one factor 8

  public:
    explicit Polynomial(int table) {
        for (int i = 1; i < 16; i *= 2)
            for (int term = 0; term < 16; term++)
                if (term & i) table ^= (table >> (term ^ i) & 1) << term;
        for (int term = 0; term < 16; term++) chosen[term] = table >> term & 1 ? ~uint64_t(0) : 0;
    }
    Words operator()(Words a, Words b, Words c, Words d) const {
        const Words ab = a & b, cd = c & d;
        const Words products[16] = {~Words{}, d, c, cd, b, b & d, b & c, b & cd, a, a & d, a & c, a & cd, ab, ab & d, ab & c, ab & cd};
        Words sum{};
#pragma GCC unroll 16
        for (int term = 0; term < 16; term++) sum ^= products[term] & chosen[term];
        return sum;
    }
};

class Grid {
    const Job& job;
    const std::vector<uint64_t> zeros;
    std::vector<Polynomial> polynomials;

    const uint64_t* row(const uint64_t* plane, int64_t y) const {
        const bool beyond = y < 0 || y >= job.height;
        if (beyond && job.boundary == ZERO) return zeros.data() + MARGIN;
        if (beyond) y = job.boundary == PERIODIC ? (y + job.height) % job.height : std::clamp<int64_t>(y, 0, job.height - 1);
        return plane + y * job.words + MARGIN;
    }

    void set(uint64_t* row, int64_t x, int64_t from) const {
        const uint64_t bit = job.boundary == ZERO ? 0 : row[from / 64] >> from % 64 & 1;
        uint64_t& word = x < 0 ? row[-1] : row[x / 64];
        const int place = x < 0 ? 63 : int(x % 64);
        word = (word & ~(uint64_t(1) << place)) | bit << place;
    }

    void write_beyond(uint64_t* row) const {
        const bool round = job.boundary == PERIODIC;
        set(row, -1, round ? job.width - 1 : 0);
        set(row, job.width, round ? 0 : job.width - 1);
    }

  public:
    explicit Grid(const Job& job) : job(job), zeros(job.words) {
        for (int i = 0; i < PLANES * job.phases; i++) polynomials.emplace_back(job.lookups[i].table);
    }

    void step(StepAt at, const uint64_t* before, uint64_t* after, int64_t first, int64_t last) {
        const int64_t plane = job.height * job.words, phase = (job.first + at.step) % job.phases, size = (job.width + 63) / 64;
        for (int64_t y = first; y < last; y++)
            for (int p = 0; p < PLANES; p++) {
                const Lookup& lookup = job.lookups[PLANES * phase + p];
                const Polynomial next = polynomials[PLANES * phase + p];
                const uint64_t* in[4];
                for (int i = 0; i < 4; i++) in[i] = row(before + lookup.plane[i] * plane, y + lookup.y[i]);
                uint64_t* out = after + p * plane + y * job.words + MARGIN;
                for (int64_t w = 0; w < size; w += LANES) {
                    Words inputs[4];
                    for (int i = 0; i < 4; i++) inputs[i] = beside(in[i] + w, lookup.x[i]);
                    *reinterpret_cast<UnalignedWords*>(out + w) = next(inputs[0], inputs[1], inputs[2], inputs[3]);
                }
                write_beyond(out);
            }
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t bit_planes(const Job* job) try {
    const int64_t rows = std::clamp<int64_t>(WORDS_OF_CHUNK / job->words, 1, job->height);
    step_rows(job->threads, job->steps, job->batch, job->height, rows, PLANES * job->height * job->words, job->cells, job->next,
              job->spare, [&] { return Grid(*job); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
