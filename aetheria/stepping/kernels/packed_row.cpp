// Two-state rules on three cells of a row, on packed cells: 64 to a word, cell x in bit x % 64 of word x / 64.
//
// A block of words is stepped up to 64 times while it is in the first-level cache. Wrong values spread from its ends by one cell a step,
// so a word more is read at either end.
#include <algorithm>
#include <cstring>
#include <vector>

#include "enums.h"
#include "job.h"
#include "parallel_stages.h"
#include "words.h"

extern "C" struct Job {
    const uint64_t* cells;    // (batch, words of a row), before the first step; bits beyond the width may be anything
    uint64_t *next, *spare;   // two more such rows; the result is in `next`, with bits of 0 beyond the width
    int64_t batch, width, steps;
    int32_t table, boundary, threads;  // table: bit 4 * left + 2 * middle + right is the next cell
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t STEPS = 64;           // in a pass
constexpr int64_t MOST_WORDS = 1024;    // of a block, which has two buffers
constexpr int64_t FEWEST_WORDS = 64;    // of a block, if that keeps every thread busy

uint64_t low_bits(int64_t number) { return number < 64 ? (uint64_t(1) << number) - 1 : ~uint64_t(0); }

// The next state of cells as a polynomial over bits: the sum of all products of left, middle and right, each times a factor 0 or 1.
class Rule {
    Words factors[8];

  public:
    explicit Rule(int table) {
        for (int product = 0; product < 8; product++) {
            int factor = 0;
            for (int cells = 0; cells < 8; cells++)
                if ((cells & product) == cells) factor ^= table >> cells & 1;
            factors[product] = Words{} - uint64_t(factor);
        }
    }
    Words operator()(Words left, Words middle, Words right) const {
        const Words without = factors[0] ^ (right & factors[1]) ^ (middle & (factors[2] ^ (right & factors[3])));
        const Words with = factors[4] ^ (right & factors[5]) ^ (middle & (factors[6] ^ (right & factors[7])));
        return without ^ (left & with);
    }
};

class Block {
    const Rule rule;
    const int boundary;
    const int64_t width, words, tail;  // tail: cells in a row's last word
    std::vector<uint64_t> before, after;  // the block's first word is number 2

    // 64 cells of a ring from x on.
    uint64_t of_ring(const uint64_t* row, int64_t x) const {
        uint64_t found = 0;
        for (int64_t number = 0, count; number < 64; number += count) {
            const int64_t at = ((x + number) % width + width) % width;
            count = std::min({64 - number, 64 - at % 64, width - at});
            found |= (row[at / 64] >> at % 64 & low_bits(count)) << number;
        }
        return found;
    }

    uint64_t word(const uint64_t* row, int64_t w) const {
        if (w >= 0 && 64 * (w + 1) <= width) return row[w];
        if (boundary == PERIODIC) return of_ring(row, 64 * w);
        return w == words - 1 ? row[w] : 0;
    }

    // Sets the cells beyond the edges of a row that is not periodic, if they are in words `first - 1` to `last`.
    void close(int64_t first, int64_t last) {
        if (boundary == PERIODIC) return;
        uint64_t* from = before.data() + 2 - first;
        if (first == 0) from[-1] = boundary == REFLECT ? (from[0] & 2) << 62 : 0;
        if (last < words - 1) return;
        const uint64_t right = boundary == REFLECT ? from[(width - 2) / 64] >> (width - 2) % 64 & 1 : 0;
        from[words - 1] &= low_bits(tail);
        if (tail < 64) from[words - 1] |= right << tail;
        else from[words] = right;
    }

  public:
    Block(const Job& job, int64_t most_words)
        : rule(job.table), boundary(job.boundary), width(job.width), words((width + 63) / 64), tail(width - 64 * (words - 1)),
          before(most_words + 4 + LANES), after(before.size()) {}

    // Steps words `first` to `last` of a row.
    void advance(const uint64_t* from, uint64_t* to, int64_t first, int64_t last, int64_t steps) {
        before[1] = word(from, first - 1);
        std::copy(from + first, from + last - 1, &before[2]);
        before[last - first + 1] = word(from, last - 1);
        before[last - first + 2] = word(from, last);
        close(first, last);
        const Rule next = rule;  // one that stores cannot change, for registers
        for (int64_t i = 0; i < steps; i++) {
            const uint64_t* in = before.data();
            uint64_t* out = after.data();
            for (int64_t w = 1; w <= last - first + 2; w += LANES) {
                const Words cells = load(in + w), previous = load(in + w - 1), following = load(in + w + 1);
                store(out + w, next(cells << 1 | previous >> 63, cells, cells >> 1 | following << 63));
            }
            before.swap(after);
            close(first, last);
        }
        std::copy_n(&before[2], last - first, to + first);
        if (last == words) to[words - 1] &= low_bits(tail);
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t packed_row(const Job* job) try {
    const int64_t words = (job->width + 63) / 64, passes = (job->steps + STEPS - 1) / STEPS;
    const int64_t shared = (words + job->threads - 1) / job->threads;  // by all threads
    const int64_t size = std::min({words, MOST_WORDS, std::max(FEWEST_WORDS, shared)}), blocks = (words + size - 1) / size;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? job->next : job->spare; };
    auto worker = [&] {
        return [&, block = Block(*job, size)](int64_t pass, int64_t chunk) mutable {
            const int64_t row = chunk / blocks * words, first = chunk % blocks * size;
            block.advance((pass ? target(pass - 1) : job->cells) + row, target(pass) + row, first, std::min(words, first + size),
                          std::min(STEPS, job->steps - pass * STEPS));
        };
    };
    run_stages(job->threads, passes, job->batch * blocks, worker, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
