// Rules on blocks of 2x2 cells that shift from step to step, by a table of all blocks or by one of several that noise draws, on cells
// of one byte.
//
// In even steps blocks begin at even coordinates; in odd steps at odd ones on a torus, else at -1, so that they stick out over the
// edges. A row of blocks is stepped from two rows of cells, which are copied to where their blocks begin.
#include <algorithm>
#include <cstring>

#include "grid.h"
#include "hash_noise.h"
#include "job.h"
#include "row_steps.h"

struct Block {
    uint8_t cells[4];  // a, b / c, d
};

extern "C" struct Job {
    const uint8_t* cells;      // (batch, height, width), before the first step
    uint8_t *next, *spare;     // two more such grids; the result is in `next`
    const Block* blocks;       // (tables, states^4): the next block, by that before: ((a k + b) k + c) k + d
    const int64_t* seeds;      // (batch, 2): seed and number of each universe
    const int64_t* numbers;    // (batch): of each universe's first step
    int64_t batch, height, width, steps, first;  // first: steps before these
    int32_t states, tables, boundary, threads;
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 16;

class Grid {
    const Job& job;
    const int64_t width;
    std::vector<uint8_t> upper, lower;
    std::vector<uint32_t> found;  // numbers of the blocks

    // The cells of a row from x = start on.
    void read(const uint8_t* grid, int64_t y, int64_t start, uint8_t* out, int64_t size) const {
        y = source_index(y, job.height, job.boundary);
        if (y < 0) return void(std::fill_n(out, size, 0));
        const uint8_t* row = grid + y * width;
        const int64_t from = std::max<int64_t>(start, 0), to = std::min(start + size, width);
        std::copy(row + from, row + to, out + from - start);
        for (int64_t x : {start, start + size - 1}) {
            const int64_t source = source_index(x, width, job.boundary);
            out[x - start] = source < 0 ? 0 : row[source];
        }
    }

    void write(uint8_t* grid, int64_t y, int64_t start, const uint8_t* cells, int64_t size) const {
        if (job.boundary == PERIODIC) y %= job.height;
        if (y < 0 || y >= job.height) return;
        uint8_t* row = grid + y * width;
        const int64_t from = std::max<int64_t>(start, 0), to = std::min(start + size, width);
        std::copy(cells + from - start, cells + to - start, row + from);
        if (job.boundary == PERIODIC && start) row[0] = cells[size - 1];
    }

    void number_blocks(int64_t number) {
        const uint32_t k = uint32_t(job.states);
        const uint8_t *__restrict above = upper.data(), *__restrict below = lower.data();
        uint32_t* __restrict out = found.data();
        for (int64_t i = 0; i < number; i++) out[i] = ((above[2 * i] * k + above[2 * i + 1]) * k + below[2 * i]) * k + below[2 * i + 1];
    }

    void draw_tables(uint32_t row, int64_t number) {
        const uint32_t size = uint32_t(job.states * job.states) * uint32_t(job.states * job.states), tables = uint32_t(job.tables);
        uint32_t* __restrict out = found.data();
        for (int64_t i = 0; i < number; i++) out[i] += uint32_t(uint64_t(random_word(row, i)) * tables >> 32) * size;
    }

  public:
    explicit Grid(const Job& job) : job(job), width(job.width), upper(job.width + 2), lower(upper), found(job.width / 2 + 1) {}

    void step(StepAt at, const uint8_t* before, uint8_t* after, int64_t first, int64_t last) {
        const bool odd = (job.first + at.step) % 2, round = job.boundary == PERIODIC;
        const int64_t start = !odd ? 0 : round ? 1 : -1, more = odd && !round, number = width / 2 + more;
        const int64_t* seed = job.seeds + 2 * at.universe;
        const uint32_t key = job.tables > 1 ? universe_key(seed[0], seed[1], job.numbers[at.universe] + at.step) : 0;
        for (int64_t row = first; row < std::min(last, job.height / 2 + more); row++) {
            const int64_t y = 2 * row + start;
            read(before, y, start, upper.data(), 2 * number);
            read(before, y + 1, start, lower.data(), 2 * number);
            number_blocks(number);
            if (job.tables > 1) draw_tables(row_key(key, row), number);
            for (int64_t i = 0; i < number; i++) {
                const Block& block = job.blocks[found[i]];
                std::memcpy(&upper[2 * i], block.cells, 2), std::memcpy(&lower[2 * i], block.cells + 2, 2);
            }
            write(after, y, start, upper.data(), 2 * number);
            write(after, y + 1, start, lower.data(), 2 * number);
        }
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t block_bytes(const Job* job) try {
    const int64_t height = job->height / 2 + 1, rows = std::clamp<int64_t>(CELLS_OF_CHUNK / (2 * job->width), 1, height);
    step_rows(job->threads, job->steps, job->batch, height, rows, job->height * job->width, job->cells, job->next, job->spare,
              [&] { return Grid(*job); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
