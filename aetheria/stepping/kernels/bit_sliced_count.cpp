// Rules by the number of live cells in a neighbourhood of any range and shape (Larger than Life), on states in planes of bits.
//
// Counts are sliced: a word holds one binary digit of the counts of 64 cells. From one row to the next, a neighbourhood gains the cells
// below the lower ends of its columns, and loses those at the upper ends. Cells side by side that come or go together are a window; its
// sum is made by doubling, once for each row. So the work for a square hardly grows with its range.
//
// Macros: STATE_BITS of a state; COUNT_BITS of a count; EDGE_BITS of the number of cells that come, or go, in a row.
#include <algorithm>

#include "job.h"
#include "row_steps.h"
#include "state_planes.h"
#include "words.h"

struct Window {  // the cells x + from ... x + from + length - 1 around x, where -reach is the first of the neighbourhood
    int32_t from, length;
};
struct Part {  // a window in row y + down
    int32_t window, down;
};
struct Range {  // counts, with the middle cell: of dead cells that are born, and of live ones that survive
    int32_t born_from, born_end, stays_from, stays_end;
};

extern "C" struct Job {
    const uint64_t* cells;    // (batch, STATE_BITS, height, words of a row), before the first step
    uint64_t *next, *spare;   // two more such grids; the result is in `next`
    const Window* windows;
    const Part *enters, *leaves;
    const Range* ranges;
    const int64_t* around;    // the cells that lie beyond the edge, as y * width + x, or -1 for dead ones: `reach` rows above and below
                              // (width + 2 reach each), then `reach` columns to the left and to the right (height x reach each)
    int64_t batch, height, width, steps, reach;
    int32_t states, window_count, enter_count, leave_count, range_count;
    int32_t torus, threads;   // torus: a plain one, at least `reach` wide
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 19;

int64_t whole_vectors(int64_t words) { return (words + LANES - 1) / LANES * LANES; }

// Planes of bits of a row, each of whole vectors.
struct Row {
    int64_t plane;  // words
    std::vector<Words> words;

    Row(int64_t planes, int64_t size) : plane(whole_vectors(size)), words(planes * plane / LANES) {}
    uint64_t* operator[](int64_t p) { return reinterpret_cast<uint64_t*>(words.data()) + p * plane; }
    void clear() { std::fill(words.begin(), words.end(), Words{}); }
};

// Sums bits by full adders, as few as it takes: at each place three bits become a sum and a carry to the next.
class Adder {
    Words sum[EDGE_BITS] = {}, waiting[EDGE_BITS];
    bool waits[EDGE_BITS] = {};

  public:
    void add(Words bit, int place) {
        for (; place < EDGE_BITS && waits[place]; place++) {
            waits[place] = false;
            const Words carry = majority(sum[place], waiting[place], bit);
            sum[place] ^= waiting[place] ^ bit;
            bit = carry;
        }
        if (place == EDGE_BITS) return;  // the bit is 0
        waiting[place] = bit;
        waits[place] = true;
    }
    Words digit(int place) {  // from place 0 on
        if (waits[place]) add(Words{}, place);
        return sum[place];
    }
};

// A number as bits that choose one of four masks: 0: neither; 1: only for dead cells; 2: only for live ones; 3: for both.
struct Bound {
    uint8_t choice[COUNT_BITS];

    Bound(int dead, int live) {
        for (int i = 0; i < COUNT_BITS; i++) choice[i] = uint8_t((dead >> i & 1) | (live >> i & 1) << 1);
    }
    Words not_above(const Words* count, const Words* unset) const {  // unset: by choice, where the bound's bit is not set
        Words ge = ~Words{};
#pragma GCC unroll 32
        for (int i = 0; i < COUNT_BITS; i++) ge = majority(count[i], ge, unset[choice[i]]);
        return ge;
    }
};

class Grid {
    const Job& job;
    const int64_t reach, width, height, row_words, plane;  // plane: words, of the state
    const int64_t apart, across, ring_rows;  // apart: words for the cells beyond an edge; across: words of a row with those cells
    const uint64_t* from = nullptr;
    Row alive, row, base, sums, others, ring, entering, leaving, counts, cells, lives;
    std::vector<Bound> lowest, ends;

    uint64_t cell(int64_t source) const {
        if (source < 0) return 0;
        return alive_word<STATE_BITS>(from + source / width * row_words + source % width / 64, plane) >> source % width % 64 & 1;
    }

    void copy(int64_t source, int64_t x) {  // cells source ... source + reach - 1 of the row, to x on
        const uint64_t* in = alive[0] + apart;
        uint64_t* out = row[0];
        for (int64_t i = 0; i < reach; i += 64, source += 64, x += 64) {
            uint64_t some = in[source / 64] >> source % 64 | in[source / 64 + 1] << 1 << (63 - source % 64);
            if (reach - i < 64) some &= inside(reach - i);
            out[x / 64] |= some << x % 64;
            out[x / 64 + 1] |= some >> 1 >> (63 - x % 64);
        }
    }

    void read_alive(int64_t y, uint64_t* out) const {
        const uint64_t* in = from + y * row_words;
        const int64_t words = row_words, apart = plane;
        if (STATE_BITS == 1) std::copy_n(in, words, out);
        else
            for (int64_t w = 0; w < words; w++) out[w] = alive_word<STATE_BITS>(in + w, apart);
    }

    // The live cells of row y, which may lie beyond the edge, from x = -reach on.
    void read(int64_t y) {
        uint64_t *in = alive[0] + apart, *out = row[0];
        if (job.torus) y = (y % height + height) % height;
        if (y < 0 || y >= height) {
            const int64_t* sources = job.around + (y < 0 ? y + reach : reach + y - height) * (width + 2 * reach);
            row.clear();
            for (int64_t x = 0; x < width + 2 * reach; x++) out[x / 64] |= cell(sources[x]) << x % 64;
            return;
        }
        read_alive(y, in);
        move(in - apart, 64 * apart - reach, out, across);
        if (job.torus) {
            copy(width - reach, 0);
            copy(0, reach + width);
            return;
        }
        const int64_t *left = job.around + 2 * reach * (width + 2 * reach) + y * reach, *right = left + height * reach;
        for (int64_t x = 0; x < reach; x++) {
            const int64_t end = reach + width + x;
            out[x / 64] |= cell(left[x]) << x % 64;
            out[end / 64] |= cell(right[x]) << end % 64;
        }
    }

    uint64_t* slot(int window, int64_t y) { return ring[(window * ring_rows + (y + 2 * ring_rows) % ring_rows) * EDGE_BITS]; }

    static void move(const uint64_t* from, int64_t cells, uint64_t* to, int64_t words) {
        from += cells / 64;
        for (int64_t w = 0; w < words; w += LANES) store(to + w, load_from(from + w, int(cells % 64)));
    }

    // Sums of `length` cells, in `digits`, to those of twice as many, and one more cell if `more`.
    template <int DIGITS = 1>
    void twice(Row& from, int digits, int64_t length, bool more, uint64_t* to, int64_t plane, int64_t words) {
        if constexpr (DIGITS < EDGE_BITS)
            if (digits > DIGITS) return twice<DIGITS + 1>(from, digits, length, more, to, plane, words);
        // Copies: a member is loaded again after every store, which could have changed it.
        const uint64_t *in = from[0], *single = base[0] + 2 * length / 64;
        const int64_t next = from.plane, apart = length / 64;
        const int bits = int(length % 64), end_bits = int(2 * length % 64);
        for (int64_t w = 0; w < words; w += LANES) {
            Words carry = more ? load_from(single + w, end_bits) : Words{};
#pragma GCC unroll 16
            for (int i = 0; i < DIGITS; i++) {
                const Words one = load(in + i * next + w), other = load_from(in + i * next + apart + w, bits);
                store(to + i * plane + w, one ^ other ^ carry);
                carry = majority(one, other, carry);
            }
            store(to + DIGITS * plane + w, carry);
        }
    }

    void sum_window(const Window& window, uint64_t* to) {
        if (window.length == 1) return move(row[0], window.from, to, ring.plane);
        move(row[0], window.from, base[0], across);
        Row* now = &base;
        int digits = 1;
        for (int place = 30 - __builtin_clz(window.length); place >= 0; place--) {
            const bool more = window.length >> place & 1;
            const int64_t length = window.length >> (place + 1);
            if (place) twice(*now, digits, length, more, others[0], others.plane, across), std::swap(sums, others), now = &sums;
            else twice(*now, digits, length, more, to, ring.plane, ring.plane);
            digits = 32 - __builtin_clz(window.length >> place);
        }
    }

    // The sum of windows, as EDGE_BITS planes.
    uint64_t* add(const Part* parts, int number, int64_t y, Row& into) {
        if (number == 1) return slot(parts->window, y + parts->down);
        for (int64_t w = 0; w < ring.plane; w += LANES) {
            Adder adder;
            for (const Part* part = parts; part < parts + number; part++) {
                const uint64_t* in = slot(part->window, y + part->down) + w;
                const int digits = 32 - __builtin_clz(job.windows[part->window].length);
                for (int i = 0; i < digits; i++) adder.add(load(in + i * ring.plane), i);
            }
            for (int i = 0; i < EDGE_BITS; i++) store(into[i] + w, adder.digit(i));
        }
        return into[0];
    }

    static Words next(Words alive, const Words* count, const Bound* lowest, const Bound* ends, size_t ranges) {
        const Words unset[4] = {~Words{}, alive, ~alive, Words{}};
        Words found{};
        for (size_t i = 0; i < ranges; i++) found |= lowest[i].not_above(count, unset) & ~ends[i].not_above(count, unset);
        return found;
    }

    // Moves the counts on to the next row, and finds the cells that live there after the step.
    void slide(const uint64_t* enters, const uint64_t* leaves, bool wanted) {
        uint64_t *sum = counts[0], *after = lives[0];
        const uint64_t* before = cells[0];
        const Bound *low = lowest.data(), *end = ends.data();
        const int64_t plane = ring.plane;
        const size_t ranges = lowest.size();
        for (int64_t w = 0; w < plane; w += LANES, sum += COUNT_BITS * LANES) {
            Words count[COUNT_BITS], change[EDGE_BITS], borrow{}, carry{};
#pragma GCC unroll 32
            for (int i = 0; i < EDGE_BITS; i++) {
                const Words more = load(enters + i * plane + w), less = load(leaves + i * plane + w);
                change[i] = more ^ less ^ borrow;
                borrow = majority(~more, less, borrow);
            }
#pragma GCC unroll 32
            for (int i = 0; i < EDGE_BITS; i++) {
                const Words old = load(sum + i * LANES);
                count[i] = old ^ change[i] ^ carry;
                carry = majority(old, change[i], carry);
                store(sum + i * LANES, count[i]);
            }
            Words moves = carry ^ borrow;  // the higher digits: up by 1 if there is a carry, down by 1 if there is a borrow
#pragma GCC unroll 32
            for (int i = EDGE_BITS; i < COUNT_BITS; i++) {
                const Words old = load(sum + i * LANES);
                count[i] = old ^ moves;
                moves &= old ^ borrow;
                store(sum + i * LANES, count[i]);
            }
            if (wanted) store(after + w, next(load(before + w), count, low, end, ranges));
        }
    }

    void write(int64_t y, uint64_t* after) {
        uint64_t* to = after + y * row_words;
        if (STATE_BITS > 1) return decay<STATE_BITS>(from + y * row_words, lives[0], to, row_words, plane, job.states, width);
        std::copy_n(lives[0], row_words, to);
        to[row_words - 1] &= inside(width);
    }

  public:
    explicit Grid(const Job& job)
        : job(job), reach(job.reach), width(job.width), height(job.height), row_words((width + 63) / 64), plane(row_words * height),
          apart((reach + 63) / 64), across(whole_vectors((width + 2 * reach + 63) / 64)), ring_rows(2 * reach + 2),
          alive(1, 2 * apart + across + 2 * LANES), row(1, across + 2 * apart + 2 * LANES), base(row), sums(EDGE_BITS, row.plane), others(sums),
          ring(job.window_count * ring_rows * EDGE_BITS, row_words), entering(EDGE_BITS, row_words), leaving(entering),
          counts(COUNT_BITS, row_words), cells(1, row_words), lives(cells) {
        for (const Range* range = job.ranges; range < job.ranges + job.range_count; range++) {
            lowest.emplace_back(range->born_from, range->stays_from);
            ends.emplace_back(range->born_end, range->stays_end);
        }
    }

    void step(StepAt, const uint64_t* before, uint64_t* after, int64_t first, int64_t last) {
        from = before;
        ring.clear();  // as if all cells above those that count were dead
        counts.clear();
        for (int64_t y = first - 2 * reach; y < last; y++) {
            read(y + reach);
            for (int i = 0; i < job.window_count; i++) sum_window(job.windows[i], slot(i, y + reach));
            const uint64_t* enters = add(job.enters, job.enter_count, y, entering);
            const uint64_t* leaves = add(job.leaves, job.leave_count, y, leaving);
            if (y >= first) read_alive(y, cells[0]);
            slide(enters, leaves, y >= first);
            if (y >= first) write(y, after);
        }
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t bit_sliced_count(const Job* job) try {
    const int64_t most = std::clamp<int64_t>(CELLS_OF_CHUNK / job->width, std::min(64 * job->reach, job->height), job->height);
    int64_t chunks = (job->height + most - 1) / most;
    while (job->batch * chunks % job->threads) chunks++;  // keeps all threads busy to the end
    const int64_t rows = (job->height + chunks - 1) / chunks;
    const int64_t grid = STATE_BITS * job->height * ((job->width + 63) / 64);
    step_rows(job->threads, job->steps, job->batch, job->height, rows, grid, job->cells, job->next, job->spare, [&] { return Grid(*job); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
