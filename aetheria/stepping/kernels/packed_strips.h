// Two-state rules on the 3x3 block, on packed cells: 64 to a word, cell x of a row in bit x % 64 of word x / 64.
//
// A rule is a struct with a `Row`, which is made from the western neighbours of cells, the cells and their eastern neighbours, and `next`,
// the cells after a step from three rows. Several steps are taken on a strip of rows while it is in the cache. Wrong values spread from
// the strip's ends by one row a step, so as many extra rows as steps are read on either side.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "enums.h"
#include "job.h"
#include "parallel_stages.h"
#include "words.h"

constexpr int STEPS = 8;                    // in a pass over a strip that is not the whole grid
constexpr int64_t STRIP_BYTES = 192 << 10;  // of each of the two buffers of a strip

extern "C" struct Job {
    const uint64_t* cells;   // (batch, height, words of a row), before the first step
    uint64_t *next, *spare;  // two more such grids; the result is in `next`
    int64_t batch, height, width, steps;
    int32_t boundary, threads;
};
EXPORT_SIZE(Job)

namespace {

struct Grid {
    int64_t batch, height, width, words;  // words of a row

    Grid(int64_t b, int64_t h, int64_t w) : batch(b), height(h), width(w), words((w + 63) / 64) {}
    int tail() const { return int(width - 64 * (words - 1)); }  // cells in the last word
};

struct alignas(64) CacheLine {
    uint64_t words[8];
};

// A strip of rows, before and after a step. Each row has an extra word at either end for the cells beyond the edge.
//
// W is the unit that a vector holds: uint64_t for LANES words of a row of one grid; Words for the same word of LANES grids, in
// batches of grids that are too narrow to fill a vector.
template <class Rule, class W>
class Strip {
  public:
    static constexpr int GRIDS = sizeof(W) / 8, NEXT = GRIDS;  // NEXT: distance from a word to the next in its row
    static constexpr int AT_ONCE = LANES / GRIDS;              // words of a row in a vector

    // Whether rows are whole vectors of a periodic grid: then they need no extra words.
    static bool is_ring(const Grid& g, int boundary) {
        return boundary == PERIODIC && g.tail() == 64 && g.words % AT_ONCE == 0;
    }

    static int64_t words_of_row(const Grid& g, int boundary) {
        return ((g.words + AT_ONCE - 1) / AT_ONCE * AT_ONCE + (is_ring(g, boundary) ? AT_ONCE : 2)) * GRIDS;
    }

    Strip(const Grid& g, int boundary, int64_t most_rows)
        : grid(g), boundary(boundary), ring(is_ring(g, boundary)), stride(words_of_row(g, boundary)),
          before(((most_rows + 2) * stride + LANES) / 8 + 1), after(before.size()) {}

    // Steps rows `first` to `last` of `grids` consecutive grids `steps` times, from `from` to `to`.
    void advance(const uint64_t* from, uint64_t* to, int64_t grids, int64_t first, int64_t last, int64_t steps) {
        const bool whole = first == 0 && last == grid.height;
        int64_t top = first - steps, bottom = last + steps;
        if (whole || boundary != PERIODIC) top = std::max<int64_t>(top, 0), bottom = std::min(bottom, grid.height);
        const int64_t rows = bottom - top, plane = grid.height * grid.words;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t y = ((top + r) % grid.height + grid.height) % grid.height;
            for (int64_t g = 0; g < grids; g++) move(from + g * plane + y * grid.words, row(before, r) + NEXT + g, 1, NEXT);
            close(row(before, r));
        }
        for (int64_t i = 0; i < steps; i++) {
            guard(-1, whole && boundary == PERIODIC ? rows - 1 : boundary == REFLECT && top == 0 ? 1 : -1);
            guard(rows, whole && boundary == PERIODIC ? 0 : boundary == REFLECT && bottom == grid.height ? rows - 2 : -1);
            for (int64_t w = 1; w <= grid.words; w += AT_ONCE) column(w, rows);
            for (int64_t r = 0; r < rows; r++) close(row(after, r));
            before.swap(after);
        }
        for (int64_t y = first; y < last; y++)
            for (int64_t g = 0; g < grids; g++) move(row(before, y - top) + NEXT + g, to + g * plane + y * grid.words, NEXT, 1);
    }

  private:
    const Grid& grid;
    const int boundary;
    const bool ring;
    const int64_t stride;
    std::vector<CacheLine> before, after;

    // Word 0, beyond the left edge, is the last of a vector, so that the vectors of a row begin on a cache line.
    uint64_t* row(std::vector<CacheLine>& strip, int64_t r) { return strip.front().words + (r + 1) * stride + AT_ONCE - 1; }

    void move(const uint64_t* from, uint64_t* to, int64_t from_step, int64_t to_step) const {  // the words of a row
        for (int64_t w = 0; w < grid.words; w++) to[w * to_step] = from[w * from_step];
    }

    void guard(int64_t r, int64_t like) {  // sets a row beyond the strip: a copy of row `like`, or dead cells
        if (like < 0) std::fill_n(row(before, r), stride, 0);
        else std::copy_n(row(before, like), stride, row(before, r));
    }

    struct Word {  // a W at an address of any alignment
        uint64_t* at;
        operator W() const {
            W value;
            std::memcpy(&value, at, sizeof value);
            return value;
        }
        void operator=(W value) const { std::memcpy(at, &value, sizeof value); }
    };

    void close(uint64_t* words) {  // sets the cells beyond both ends of a row
        if (ring) return;
        auto word = [&](int64_t w) { return Word{words + w * NEXT}; };  // the grid's first word is number 1
        const int tail = grid.tail();
        if (tail < 64) word(grid.words) = W(word(grid.words)) & ((uint64_t(1) << tail) - 1);
        const W first = word(1), last = word(grid.words);
        W left{}, right{};
        if (boundary == PERIODIC) left = last >> (tail - 1) & 1, right = first & 1;
        if (boundary == REFLECT) left = first >> 1 & 1, right = W(word((grid.width - 2) / 64 + 1)) >> (grid.width - 2) % 64 & 1;
        word(0) = left << 63;
        word(grid.words + 1) = right;
        if (tail < 64) word(grid.words) = last | right << tail;
    }

    void column(int64_t w, int64_t rows) {  // steps the vector at word w of each row
        const int64_t step = ring ? AT_ONCE : 1;
        const int64_t previous = ring && w == 1 ? grid.words - step : -step;
        const int64_t following = ring && w + step > grid.words ? 1 - w : step;
        typename Rule::Row around[3];  // of three rows: what the rule needs of each
        auto add = [&](int64_t r, int at) {
            const uint64_t* p = row(before, r) + w * NEXT;
            const Words c = load(p);
            Words left = load(p + previous * NEXT), right = load(p + following * NEXT);
            if (ring && AT_ONCE > 1) {
                left = shifted_words<LANES - 1>(left, c, std::make_index_sequence<LANES>());
                right = shifted_words<1>(c, right, std::make_index_sequence<LANES>());
            }
            around[at] = typename Rule::Row(c << 1 | left >> 63, c, c >> 1 | right << 63);
        };
        auto next = [&](int64_t r, int a, int b, int c) {
            add(r + 1, c);
            UnalignedWords* to = reinterpret_cast<UnalignedWords*>(row(after, r) + w * NEXT);  // `auto` would drop the alignment
            *to = Rule::next(around[a], around[b], around[c]);
        };
        add(-1, 0);
        add(0, 1);
        int64_t r = 0;
        for (; r + 3 <= rows; r += 3) next(r, 0, 1, 2), next(r + 1, 1, 2, 0), next(r + 2, 2, 0, 1);
        if (r < rows) next(r, 0, 1, 2);
        if (r + 1 < rows) next(r + 1, 1, 2, 0);
    }
};

template <class Rule, class W>
void run(const Grid& grid, const Job& job) {
    constexpr int64_t grids_at_once = Strip<Rule, W>::GRIDS;
    const int64_t plane = grid.height * grid.words, groups = (grid.batch + grids_at_once - 1) / grids_at_once;
    const int64_t fit = std::max<int64_t>(8 * STEPS, STRIP_BYTES / (8 * Strip<Rule, W>::words_of_row(grid, job.boundary)));
    const bool uneven = groups < 2 * job.threads && groups % job.threads;
    const int64_t shares = uneven ? std::min<int64_t>(job.threads, grid.height / (8 * STEPS)) : 1;
    const int64_t strips = std::max<int64_t>((grid.height + fit - 1) / fit, shares);
    const int64_t rows = (grid.height + strips - 1) / strips, used = (grid.height + rows - 1) / rows;
    const int64_t at_once = used == 1 ? job.steps : STEPS;  // a whole grid has no ends from which wrong values spread
    const int64_t passes = (job.steps + at_once - 1) / at_once;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? job.next : job.spare; };
    auto worker = [&] {
        return [&, strip = Strip<Rule, W>(grid, job.boundary, rows + 2 * STEPS)](int64_t pass, int64_t chunk) mutable {
            const int64_t grid0 = chunk / used * grids_at_once, first = chunk % used * rows;
            strip.advance((pass ? target(pass - 1) : job.cells) + grid0 * plane, target(pass) + grid0 * plane,
                          std::min(grids_at_once, grid.batch - grid0), first, std::min(grid.height, first + rows),
                          std::min(at_once, job.steps - pass * at_once));
        };
    };
    run_stages(job.threads, passes, groups * used, worker, [](int64_t) {});
}

// Steps by a rule. Returns 0, or 1 if out of memory.
template <class Rule>
int32_t step_strips(const Job& job) try {
    const Grid grid(job.batch, job.height, job.width);
    if (job.batch >= LANES && grid.words <= 2 * LANES) run<Rule, Words>(grid, job);
    else run<Rule, uint64_t>(grid, job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

}  // namespace

extern "C" {

// Cells (rows, width) float32, alive above one half, to words (rows, words of a row).
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
}
