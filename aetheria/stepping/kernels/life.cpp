// Life-like rules on packed cells: 64 to a word, cell x of a row in bit x % 64 of word x / 64, counted by bit-sliced adders.
//
// BIRTH and SURVIVAL are macros: bit n of each says whether n neighbours give birth, or let survive. Several steps are taken
// on a strip of rows while it is in cache: what is wrong at the strip's ends comes in by one row a step, so it is read with
// that many rows more on either side.
#include <algorithm>
#include <cstring>

#include "stages.h"

constexpr int STEPS = 8;                  // taken on a strip in one pass
constexpr int64_t STRIP_BYTES = 192 << 10;  // of one of the two copies of a strip that are worked on

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX2__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif
typedef uint64_t Words __attribute__((vector_size(8 * LANES)));
typedef uint64_t Loose __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

enum Boundary { PERIODIC, ZERO, REFLECT };

namespace {

struct Grid {
    int64_t batch, height, width, words;  // words of a row

    Grid(int64_t b, int64_t h, int64_t w) : batch(b), height(h), width(w), words((w + 63) / 64) {}
    int tail() const { return int(width - 64 * (words - 1)); }  // cells in the last word
};

bool bit(const uint64_t* row, int64_t x) { return row[x / 64] >> (x % 64) & 1; }

// Next state of 64 * LANES cells from themselves and how many of the nine cells around and including each live.
template <class W>
W rule(W cells, W ones, W twos, W fours, W eights) {
    W next{};
#pragma GCC unroll 16
    for (int count = 0; count <= 9; count++) {
        const bool born = count <= 8 && BIRTH >> count & 1, stays = count >= 1 && SURVIVAL >> (count - 1) & 1;
        if (!born && !stays) continue;
        W these = (count & 1 ? ones : ~ones) & (count & 2 ? twos : ~twos);
        these &= (count & 4 ? fours : ~fours) & (count & 8 ? eights : ~eights);
        next |= born && stays ? these : born ? these & ~cells : these & cells;
    }
    return next;
}

// A strip of rows, each with a word more on either side for the cells beyond the edge, twice: before and after a step.
class Strip {
  public:
    Strip(const Grid& g, int boundary, int64_t most_rows)
        : grid(g), boundary(boundary), stride((g.words + LANES - 1) / LANES * LANES + 2),
          before((most_rows + 2) * stride + LANES), after(before.size()) {}

    // Takes `steps` steps of rows first..last from one grid to another.
    void advance(const uint64_t* from, uint64_t* to, int64_t first, int64_t last, int steps) {
        int64_t top = first - steps, bottom = last + steps;
        if (boundary != PERIODIC) top = std::max<int64_t>(top, 0), bottom = std::min(bottom, grid.height);
        const int64_t rows = bottom - top;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t y = ((top + r) % grid.height + grid.height) % grid.height;
            std::memcpy(row(before, r) + 1, from + y * grid.words, grid.words * 8);
            close(row(before, r));
        }
        for (int i = 0; i < steps; i++) {
            guard(-1, boundary == REFLECT && top == 0 ? 1 : -1);
            guard(rows, boundary == REFLECT && bottom == grid.height ? rows - 2 : -1);
            for (int64_t w = 1; w <= grid.words; w += LANES) column(w, rows);
            for (int64_t r = 0; r < rows; r++) close(row(after, r));
            before.swap(after);
        }
        for (int64_t y = first; y < last; y++) std::memcpy(to + y * grid.words, row(before, y - top) + 1, grid.words * 8);
    }

  private:
    const Grid& grid;
    const int boundary;
    const int64_t stride;
    std::vector<uint64_t> before, after;

    uint64_t* row(std::vector<uint64_t>& strip, int64_t r) { return &strip[(r + 1) * stride]; }

    void guard(int64_t r, int64_t like) {  // a row beyond the strip: as another, or dead
        if (like < 0) std::fill_n(row(before, r), stride, 0);
        else std::copy_n(row(before, like), stride, row(before, r));
    }

    void close(uint64_t* words) {  // sets the cells beyond either end of a row; words[1] is its first
        uint64_t& last = words[grid.words];
        const int tail = grid.tail();
        if (tail < 64) last &= (uint64_t(1) << tail) - 1;
        uint64_t left = 0, right = 0;
        if (boundary == PERIODIC) left = bit(words + 1, grid.width - 1), right = words[1] & 1;
        if (boundary == REFLECT) left = bit(words + 1, 1), right = bit(words + 1, grid.width - 2);
        words[0] = left << 63;
        words[grid.words + 1] = right;
        if (tail < 64) last |= right << tail;
    }

    static Words load(const uint64_t* p) { return *reinterpret_cast<const Loose*>(p); }

    void column(int64_t w, int64_t rows) {  // steps LANES words side by side, row by row
        Words low[3], high[3], cells[3];    // of three rows: cell and its two neighbours added, in two bits
        auto add = [&](int64_t r, int at) {
            const uint64_t* p = row(before, r) + w;
            const Words c = load(p), west = c << 1 | load(p - 1) >> 63, east = c >> 1 | load(p + 1) << 63;
            low[at] = west ^ c ^ east;
            high[at] = (west & c) | (east & (west ^ c));
            cells[at] = c;
        };
        auto next = [&](int64_t r, int a, int b, int c) {
            add(r + 1, c);
            const Words ones = low[a] ^ low[b] ^ low[c], carry = (low[a] & low[b]) | (low[c] & (low[a] ^ low[b]));
            const Words two = high[a] ^ high[b] ^ high[c], four = (high[a] & high[b]) | (high[c] & (high[a] ^ high[b]));
            const Words more = two & carry;
            *reinterpret_cast<Loose*>(row(after, r) + w) = rule<Words>(cells[b], ones, two ^ carry, four ^ more, four & more);
        };
        add(-1, 0);
        add(0, 1);
        int64_t r = 0;
        for (; r + 3 <= rows; r += 3) next(r, 0, 1, 2), next(r + 1, 1, 2, 0), next(r + 2, 2, 0, 1);
        if (r < rows) next(r, 0, 1, 2);
        if (r + 1 < rows) next(r + 1, 1, 2, 0);
    }
};

}  // namespace

extern "C" {

// cells (rows, width) float32 <-> words (rows, words of a row); above a half is alive
void pack(const float* cells, uint64_t* words, int64_t rows, int64_t width) {
    const int64_t per_row = (width + 63) / 64;
    for (int64_t r = 0; r < rows; r++, cells += width)
        for (int64_t w = 0; w < per_row; w++) {
            uint64_t word = 0;
            for (int64_t i = 0; i < std::min<int64_t>(64, width - 64 * w); i++) word |= uint64_t(cells[64 * w + i] > 0.5f) << i;
            words[r * per_row + w] = word;
        }
}

void unpack(const uint64_t* words, float* cells, int64_t rows, int64_t width) {
    const int64_t per_row = (width + 63) / 64;
    for (int64_t r = 0; r < rows; r++, cells += width)
        for (int64_t x = 0; x < width; x++) cells[x] = float(words[r * per_row + x / 64] >> (x % 64) & 1);
}

// The result is in `next`; `spare` is another grid of (batch, height, words of a row).
// 0, or 1 when memory for it cannot be had.
int32_t life(const uint64_t* from, uint64_t* next, uint64_t* spare, int64_t batch, int64_t height, int64_t width, int64_t steps,
             int32_t boundary, int32_t threads) try {
    const Grid grid(batch, height, width);
    const int64_t passes = (steps + STEPS - 1) / STEPS, plane = height * grid.words;
    const int64_t fit = std::max<int64_t>(8 * STEPS, STRIP_BYTES / (8 * grid.words + 16));
    const int64_t strips = std::max<int64_t>((height + fit - 1) / fit, std::min<int64_t>(threads, height / (8 * STEPS)));
    const int64_t rows = (height + strips - 1) / strips, used = (height + rows - 1) / rows;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? next : spare; };
    auto worker = [&] {
        return [&, strip = Strip(grid, boundary, rows + 2 * STEPS)](int64_t pass, int64_t chunk) mutable {
            const int64_t start = chunk / used * plane, first = chunk % used * rows;
            strip.advance((pass ? target(pass - 1) : from) + start, target(pass) + start, first, std::min(height, first + rows),
                          int(std::min<int64_t>(STEPS, steps - pass * STEPS)));
        };
    };
    run_stages(threads, passes, batch * used, worker, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}
