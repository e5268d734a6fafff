// Rules by a weighted count over a neighbourhood of any range (Larger than Life), on cells of one byte.
//
// A cell counts with the weight of its place times the value of its state. Places of equal weight along a row are runs, whose counts
// are differences of the row's running sum.
#include <algorithm>

#include "job.h"
#include "row_steps.h"

struct Run {  // the places x + from ... x + to - 1 of row y + down
    int32_t down, from, to, weight;
};
struct Range {  // counts
    int32_t lowest, highest;
};

extern "C" struct Job {
    const uint8_t* cells;     // (batch, height, width), before the first step
    uint8_t *next, *spare;    // two more such grids; the result is in `next`
    const uint8_t* values;    // of each of the 256 states
    const Run *even, *odd;    // for cells with even and odd x + y
    const Range *births, *survivals;
    const int64_t* around;    // the cells that lie beyond the edge, as y * width + x, or -1 for dead ones: `reach` rows above and below
                              // (width + 2 reach each), then `reach` columns to the left and to the right (height x reach each)
    int64_t batch, height, width, steps, reach;
    int32_t states, even_runs, odd_runs, birth_ranges, survival_ranges;
    int32_t wide, threads;    // wide: counts do not fit 16 bits
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 17;

// COUNT: an unsigned type; counts below zero are large ones.
template <class COUNT>
class Grid {
    using Row = std::vector<COUNT>;
    const Job& job;
    const int64_t reach, width, wide_row, ring_rows;
    const uint8_t* from = nullptr;
    std::vector<Row> ring;                      // running sums of the rows in reach
    Row values, counts, other;  // of a row; `other` for cells with odd x + y
    std::vector<uint8_t> born, stays;

    COUNT value(int64_t source) const { return source < 0 ? 0 : job.values[from[source]]; }

    void read(int64_t y) {  // the values of row y, with `reach` more cells on either side
        const int64_t width = this->width;  // a local one, so that loops are vectorised
        const int64_t height = job.height;
        COUNT* __restrict out = values.data();
        if (y < 0 || y >= height) {
            const int64_t* row = job.around + (y < 0 ? y + reach : reach + y - height) * wide_row;
            for (int64_t x = 0; x < wide_row; x++) out[x] = value(row[x]);
            return;
        }
        const int64_t* left = job.around + 2 * reach * wide_row + y * reach;
        const int64_t* right = left + height * reach;
        for (int64_t x = 0; x < reach; x++) out[x] = value(left[x]), out[reach + width + x] = value(right[x]);
        const uint8_t* __restrict cells = from + y * width;
        if (job.values[1] == 1 && job.states == 2)
            for (int64_t x = 0; x < width; x++) out[reach + x] = cells[x];
        else
            for (int64_t x = 0; x < width; x++) out[reach + x] = job.values[cells[x]];
    }

    Row& slot(int64_t y) { return ring[(y + ring_rows) % ring_rows]; }

    void add_running_sum(int64_t y) {
        read(y);
        COUNT sum = 0;
        COUNT* __restrict out = slot(y).data();
        out[0] = 0;
        for (int64_t x = 0; x < wide_row; x++) out[x + 1] = sum = COUNT(sum + values[x]);
    }

    void count_runs(int64_t y, const Run* runs, int number, Row& into) {
        const int64_t width = this->width;  // a local one, so that loops are vectorised
        std::fill(into.begin(), into.end(), 0);
        COUNT* __restrict out = into.data();
        for (const Run* run = runs; run < runs + number; run++) {
            const COUNT* sums = slot(y + run->down).data() + reach;
            const COUNT *__restrict first = sums + run->from, *__restrict last = sums + run->to;
            const COUNT weight = COUNT(run->weight);
            if (weight == 1)
                for (int64_t x = 0; x < width; x++) out[x] += COUNT(last[x] - first[x]);
            else
                for (int64_t x = 0; x < width; x++) out[x] += COUNT(weight * COUNT(last[x] - first[x]));
        }
    }

    // Whether each count lies in one of the ranges.
    void compare(const Range* ranges, int number, std::vector<uint8_t>& flags) {
        const int64_t width = this->width;  // a local one, so that loops are vectorised
        std::fill(flags.begin(), flags.end(), 0);
        uint8_t* __restrict out = flags.data();
        const COUNT* __restrict in = counts.data();
        for (const Range* range = ranges; range < ranges + number; range++) {
            const COUNT lowest = COUNT(range->lowest), more = COUNT(range->highest - range->lowest);
            for (int64_t x = 0; x < width; x++) out[x] |= COUNT(in[x] - lowest) <= more;
        }
    }

    void write(int64_t y, uint8_t* after) {
        const int64_t width = this->width;  // a local one, so that loops are vectorised
        compare(job.births, job.birth_ranges, born);
        compare(job.survivals, job.survival_ranges, stays);
        const uint8_t *__restrict cells = from + y * width, *__restrict birth = born.data(), *__restrict stay = stays.data();
        uint8_t* __restrict out = after + y * width;
        if (job.states == 2) {
            for (int64_t x = 0; x < width; x++) out[x] = cells[x] ? stay[x] : birth[x];
            return;
        }
        const uint8_t last = uint8_t(job.states - 1);
        for (int64_t x = 0; x < width; x++) {  // without branches, so that it is vectorised
            const uint8_t state = cells[x], older = uint8_t(state + 1) & uint8_t(-(state != last));
            const uint8_t dead = uint8_t(-(state == 0)), kept = uint8_t(state == 1) & stay[x];
            out[x] = uint8_t((dead & birth[x]) | (~dead & (kept | (older & uint8_t(kept - 1)))));
        }
    }

  public:
    explicit Grid(const Job& job)
        : job(job), reach(job.reach), width(job.width), wide_row(job.width + 2 * job.reach), ring_rows(2 * job.reach + 2), ring(ring_rows),
          values(wide_row), counts(job.width), other(job.width), born(job.width), stays(job.width) {
        for (Row& row : ring) row.resize(wide_row + 1);
    }

    void step(StepAt, const uint8_t* before, uint8_t* after, int64_t first, int64_t last) {
        from = before;
        for (int64_t y = first - reach; y < first + reach; y++) add_running_sum(y);
        for (int64_t y = first; y < last; y++) {
            add_running_sum(y + reach);
            count_runs(y, job.even, job.even_runs, counts);
            if (job.odd) {
                count_runs(y, job.odd, job.odd_runs, other);
                for (int64_t x = 1 - (y & 1); x < width; x += 2) counts[x] = other[x];
            }
            write(y, after);
        }
    }
};

template <class COUNT>
void run(const Job& job) {
    const int64_t rows = std::clamp<int64_t>(CELLS_OF_CHUNK / job.width, std::min(16 * job.reach, job.height), job.height);
    step_rows(job.threads, job.steps, job.batch, job.height, rows, job.height * job.width, job.cells, job.next, job.spare,
              [&] { return Grid<COUNT>(job); });
}

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t neighbour_count(const Job* job) try {
    job->wide ? run<uint32_t>(*job) : run<uint16_t>(*job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
