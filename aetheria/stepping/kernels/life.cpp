// Life-like rules on packed cells: 64 to a word, cell x of a row in bit x % 64 of word x / 64, counted by bit-sliced adders.
//
// BIRTH and SURVIVAL are macros: bit n of each says whether n neighbours give birth, or let survive. Several steps are taken
// on a strip of rows while it is in cache: what is wrong at the strip's ends comes in by one row a step, so it is read with
// that many rows more on either side.
#include <algorithm>
#include <cstring>
#include <utility>

#include "stages.h"

constexpr int STEPS = 8;                  // taken in one pass on a strip that is not the whole grid
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

// The words from word FROM on of two vectors that lie side by side.
template <int FROM, size_t... I>
Words words_from(Words first, Words second, std::index_sequence<I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(first, second, int(FROM + I)...);
#else
    return __builtin_shuffle(first, second, Words{FROM + I...});
#endif
}

struct alignas(64) CacheLine {
    uint64_t words[8];
};

// A strip of rows, each with a word more on either side for the cells beyond the edge, twice: before and after a step.
//
// W says what lies side by side in a vector: uint64_t: LANES words of a row of one grid; Words: the same word of LANES grids,
// for batches of grids that are too narrow to fill a vector.
template <class W>
class Strip {
  public:
    static constexpr int GRIDS = sizeof(W) / 8, NEXT = GRIDS;  // from a word to the next in its row
    static constexpr int AT_ONCE = LANES / GRIDS;             // words of a row

    // Whether rows are whole vectors, the last beside the first, so that nothing need be kept beyond their ends.
    static bool is_ring(const Grid& g, int boundary) {
        return boundary == PERIODIC && g.tail() == 64 && g.words % AT_ONCE == 0;
    }

    static int64_t words_of_row(const Grid& g, int boundary) {
        return ((g.words + AT_ONCE - 1) / AT_ONCE * AT_ONCE + (is_ring(g, boundary) ? AT_ONCE : 2)) * GRIDS;
    }

    Strip(const Grid& g, int boundary, int64_t most_rows)
        : grid(g), boundary(boundary), ring(is_ring(g, boundary)), stride(words_of_row(g, boundary)),
          before(((most_rows + 2) * stride + LANES) / 8 + 1), after(before.size()) {}

    // Takes `steps` steps of rows first..last of grids from..., `grids` of them, to to...
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

    // Word 0, beyond its end, is the last of a vector, so that of a ring all vectors begin with a cache line.
    uint64_t* row(std::vector<CacheLine>& strip, int64_t r) { return strip.front().words + (r + 1) * stride + AT_ONCE - 1; }

    void move(const uint64_t* from, uint64_t* to, int64_t from_step, int64_t to_step) const {  // a row's words
        for (int64_t w = 0; w < grid.words; w++) to[w * to_step] = from[w * from_step];
    }

    void guard(int64_t r, int64_t like) {  // a row beyond the strip: as another, or dead
        if (like < 0) std::fill_n(row(before, r), stride, 0);
        else std::copy_n(row(before, like), stride, row(before, r));
    }

    struct Word {  // W wherever it lies
        uint64_t* at;
        operator W() const {
            W value;
            std::memcpy(&value, at, sizeof value);
            return value;
        }
        void operator=(W value) const { std::memcpy(at, &value, sizeof value); }
    };

    void close(uint64_t* words) {  // sets the cells beyond either end of a row
        if (ring) return;
        auto word = [&](int64_t w) { return Word{words + w * NEXT}; };  // the first is 1
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

    static Words load(const uint64_t* p) { return *reinterpret_cast<const Loose*>(p); }

    void column(int64_t w, int64_t rows) {  // steps what lies side by side at w, row by row
        const int64_t step = ring ? AT_ONCE : 1;
        const int64_t behind = ring && w == 1 ? grid.words - step : -step, ahead = ring && w + step > grid.words ? 1 - w : step;
        Words low[3], high[3], cells[3];  // of three rows: cell and its two neighbours added, in two bits
        auto add = [&](int64_t r, int at) {
            const uint64_t* p = row(before, r) + w * NEXT;
            const Words c = load(p);
            Words left = load(p + behind * NEXT), right = load(p + ahead * NEXT);
            if (ring && AT_ONCE > 1) {
                left = words_from<LANES - 1>(left, c, std::make_index_sequence<LANES>());
                right = words_from<1>(c, right, std::make_index_sequence<LANES>());
            }
            const Words west = c << 1 | left >> 63, east = c >> 1 | right << 63;
            low[at] = west ^ c ^ east;
            high[at] = (west & c) | (east & (west ^ c));
            cells[at] = c;
        };
        auto next = [&](int64_t r, int a, int b, int c) {
            add(r + 1, c);
            const Words ones = low[a] ^ low[b] ^ low[c], carry = (low[a] & low[b]) | (low[c] & (low[a] ^ low[b]));
            const Words two = high[a] ^ high[b] ^ high[c], four = (high[a] & high[b]) | (high[c] & (high[a] ^ high[b]));
            const Words more = two & carry;
            Loose* to = reinterpret_cast<Loose*>(row(after, r) + w * NEXT);  // `auto` would drop the alignment
            *to = rule<Words>(cells[b], ones, two ^ carry, four ^ more, four & more);
        };
        add(-1, 0);
        add(0, 1);
        int64_t r = 0;
        for (; r + 3 <= rows; r += 3) next(r, 0, 1, 2), next(r + 1, 1, 2, 0), next(r + 2, 2, 0, 1);
        if (r < rows) next(r, 0, 1, 2);
        if (r + 1 < rows) next(r + 1, 1, 2, 0);
    }
};

struct Run {
    const uint64_t* from;
    uint64_t *next, *spare;
    int64_t steps;
    int32_t boundary, threads;
};

template <class W>
void run(const Grid& grid, const Run& job) {
    constexpr int64_t together = Strip<W>::GRIDS;
    const int64_t plane = grid.height * grid.words, groups = (grid.batch + together - 1) / together;
    const int64_t fit = std::max<int64_t>(8 * STEPS, STRIP_BYTES / (8 * Strip<W>::words_of_row(grid, job.boundary)));
    const bool uneven = groups < 2 * job.threads && groups % job.threads;
    const int64_t shares = uneven ? std::min<int64_t>(job.threads, grid.height / (8 * STEPS)) : 1;
    const int64_t strips = std::max<int64_t>((grid.height + fit - 1) / fit, shares);
    const int64_t rows = (grid.height + strips - 1) / strips, used = (grid.height + rows - 1) / rows;
    const int64_t at_once = used == 1 ? job.steps : STEPS;  // over the ends of a whole grid nothing comes in
    const int64_t passes = (job.steps + at_once - 1) / at_once;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? job.next : job.spare; };
    auto worker = [&] {
        return [&, strip = Strip<W>(grid, job.boundary, rows + 2 * STEPS)](int64_t pass, int64_t chunk) mutable {
            const int64_t grid0 = chunk / used * together, first = chunk % used * rows;
            strip.advance((pass ? target(pass - 1) : job.from) + grid0 * plane, target(pass) + grid0 * plane,
                          std::min(together, grid.batch - grid0), first, std::min(grid.height, first + rows),
                          std::min(at_once, job.steps - pass * at_once));
        };
    };
    run_stages(job.threads, passes, groups * used, worker, [](int64_t) {});
}

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
    const Run job{from, next, spare, steps, boundary, threads};
    if (batch >= LANES && grid.words <= 2 * LANES) run<Words>(grid, job);
    else run<uint64_t>(grid, job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}
