// Rules on the 3x3 block, from a table of 512 next states, with cells that decay (Generations).
//
// Cells are in planes of bits. The table says whether a dead cell is born and whether a live one stays alive.
#include <algorithm>
#include <cstring>

#include "block_table.h"
#include "job.h"
#include "row_steps.h"
#include "state_planes.h"

extern "C" struct Job {
    const uint64_t* cells;   // (batch, planes, height, words of a row), before the first step
    uint64_t *next, *spare;  // two more such grids; the result is in `next`
    const uint8_t* table;    // 64 bytes, as in block_table.h
    const int64_t* around;   // the cells that lie beyond the edge, as y * width + x, or -1 for dead ones: the rows above and below
                             // (width + 2 each, with their corners), then the columns to the left and right (height each)
    int64_t batch, planes, height, width, steps;
    int32_t states, threads;
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 17;

// PLANES: bits of a state.
template <int PLANES>
class Grid {
    const Job& job;
    const BlockRule rule;
    const int64_t words, plane;  // words of a row, and of a plane
    const uint64_t* from = nullptr;
    std::vector<uint64_t> alive, lives;  // of a row: cells in state 1, with a word more at either end; cells alive after the step
    std::vector<uint8_t> numbers[3];

    uint64_t live_cell(int64_t source) const {
        if (source < 0) return 0;
        return alive_word<PLANES>(from + source / job.width * words + source % job.width / 64, plane) >> source % job.width % 64 & 1;
    }

    // The row numbers of row y, which may lie beyond the edge.
    void read(int64_t y, uint8_t* out) {
        const bool beyond = y < 0 || y >= job.height;
        const int64_t* row = job.around + (y < 0 ? 0 : job.width + 2);
        const int64_t* columns = job.around + 2 * (job.width + 2);
        if (beyond) {
            std::fill(alive.begin(), alive.end(), 0);
            for (int64_t x = 0; x < job.width; x++) alive[1 + x / 64] |= live_cell(row[1 + x]) << x % 64;
        } else {
            for (int64_t w = 0; w < words; w++) alive[1 + w] = alive_word<PLANES>(from + y * words + w, plane);
        }
        const uint64_t left = live_cell(beyond ? row[0] : columns[y]);
        const uint64_t right = live_cell(beyond ? row[job.width + 1] : columns[job.height + y]);
        alive[0] = left << 63;
        alive[1 + words] = 0;
        alive[1 + job.width / 64] |= right << job.width % 64;  // bits beyond the width are 0
        for (int64_t w = 1; w <= words; w++) {
            const uint64_t west = alive[w] << 1 | alive[w - 1] >> 63, east = alive[w] >> 1 | alive[w + 1] << 63;
            row_numbers(west, alive[w], east, out + 64 * (w - 1));
        }
    }

  public:
    explicit Grid(const Job& job)
        : job(job), rule(*reinterpret_cast<const BlockTable*>(job.table)), words((job.width + 63) / 64), plane(words * job.height),
          alive(words + 2), lives(words) {
        for (auto& row : numbers) row.resize(words * 64);
    }

    void step(StepAt, const uint64_t* before, uint64_t* after, int64_t first, int64_t last) {
        from = before;
        for (int64_t y = first - 1; y <= first; y++) read(y, numbers[(y + 1) % 3].data());
        for (int64_t y = first; y < last; y++) {
            read(y + 1, numbers[(y + 2) % 3].data());
            const uint8_t *north = numbers[y % 3].data(), *middle = numbers[(y + 1) % 3].data(), *south = numbers[(y + 2) % 3].data();
            uint64_t* out = PLANES == 1 ? after + y * words : lives.data();
            for (int64_t w = 0; w < words; w++) out[w] = rule(north + 64 * w, middle + 64 * w, south + 64 * w);
            if (PLANES == 1) out[words - 1] &= inside(job.width);
            else decay<PLANES>(before + y * words, lives.data(), after + y * words, words, plane, job.states, job.width);
        }
    }
};

template <int PLANES>
void run(const Job& job) {
    const int64_t grid = PLANES * job.height * ((job.width + 63) / 64);
    const int64_t rows = std::clamp<int64_t>(CELLS_OF_CHUNK / job.width, 1, job.height);
    step_rows(job.threads, job.steps, job.batch, job.height, rows, grid, job.cells, job.next, job.spare,
              [&] { return Grid<PLANES>(job); });
}

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t block_rule(const Job* job) try {
    static void (*const runs[])(const Job&) = {run<1>, run<2>, run<3>, run<4>, run<5>, run<6>, run<7>, run<8>};
    runs[job->planes - 1](*job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
