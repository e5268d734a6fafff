// Rules of whole states that follow each other in a circle, by the number of neighbours in one state (Cyclic, Greenberg-Hastings,
// Life in three dimensions), on cells of one byte and grids of up to three axes.
//
// Every row has `reach` more cells on either side, those that the boundary puts there; whoever writes a row writes them too. So a
// neighbour along x is always read from the row itself, and rows beyond an edge are rows of the grid, or one of zeros.
#include <algorithm>

#include "grid.h"
#include "job.h"
#include "row_steps.h"

struct Place {  // of a neighbour relative to the cell
    int32_t z, y, x;
};
struct Range {
    int32_t lowest, highest;  // numbers of neighbours
    int32_t kinds;            // bit 0: of cells in state 0 that go on to the next state, bit 1: in state 1, bit 2: in any other
};

extern "C" struct Job {
    const uint8_t* cells;     // (batch, depth, height, reach + width + reach), before the first step
    uint8_t *next, *spare;    // two more such grids; the result is in `next`
    const Place* places;
    const Range* ranges;
    int64_t batch, depth, height, width, steps, reach, place_count;
    int32_t range_count, states, boundary;
    int32_t follows;          // the state that counts is the one after the cell's own; else it is 1
    int32_t cube, threads;    // cube: the places are all in reach, and the sum over them fits a byte
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 16;
constexpr int64_t BLOCK = 4096;  // cells of a row that are counted together
constexpr int64_t MOST = 255;    // that a byte can count

void add_equal(const uint8_t* __restrict row, const uint8_t* __restrict wanted, uint8_t* __restrict sums, int64_t size) {
    for (int64_t x = 0; x < size; x++) sums[x] += row[x] == wanted[x];
}
void add_live(const uint8_t* __restrict row, uint8_t* __restrict sums, int64_t size) {
    for (int64_t x = 0; x < size; x++) sums[x] += row[x] == 1;
}
template <class From, class To>
void add(const From* __restrict values, To* __restrict sums, int64_t size) {
    for (int64_t x = 0; x < size; x++) sums[x] = To(sums[x] + values[x]);
}
void subtract_live(const uint8_t* __restrict row, uint8_t* __restrict sums, int64_t size) {
    for (int64_t x = 0; x < size; x++) sums[x] -= row[x] == 1;
}
void following(const uint8_t* __restrict cells, uint8_t* __restrict out, uint8_t last, int64_t size) {
    for (int64_t x = 0; x < size; x++) out[x] = cells[x] == last ? 0 : uint8_t(cells[x] + 1);
}

// COUNT: an unsigned type.
template <class COUNT>
class Grid {
    const Job& job;
    const int64_t reach, width, row_size;
    const uint8_t* from = nullptr;
    const std::vector<uint8_t> zeros;
    std::vector<uint8_t> sums, next, kinds, slab;
    std::vector<COUNT> counts;
    std::vector<std::vector<uint8_t>> ring;  // sums over the cells in reach along z and x, of the rows in reach along y

    // The first cell of a row, before which lie `reach` more.
    const uint8_t* row(int64_t z, int64_t y) const {
        z = source_index(z, job.depth, job.boundary), y = source_index(y, job.height, job.boundary);
        return (z < 0 || y < 0 ? zeros.data() : from + (z * job.height + y) * row_size) + reach;
    }

    void add_to_counts(int64_t size) {
        add(sums.data(), counts.data(), size);
        std::fill_n(sums.data(), size, 0);
    }

    void count_places(int64_t z, int64_t y, int64_t x0, int64_t size) {
        std::fill_n(sums.data(), size, 0);
        std::fill_n(counts.data(), size, 0);
        for (int64_t i = 0; i < job.place_count; i++) {
            const Place& place = job.places[i];
            const uint8_t* cells = row(z + place.z, y + place.y) + x0 + place.x;
            job.follows ? add_equal(cells, next.data(), sums.data(), size) : add_live(cells, sums.data(), size);
            if (i % MOST == MOST - 1) add_to_counts(size);
        }
        add_to_counts(size);
    }

    std::vector<uint8_t>& slot(int64_t y) { return ring[(y + reach) % ring.size()]; }

    void add_slab(int64_t z, int64_t y) {
        std::fill(slab.begin(), slab.end(), 0);
        for (int64_t dz = -reach; dz <= reach; dz++) add_live(row(z + dz, y) - reach, slab.data(), row_size);
        std::vector<uint8_t>& out = slot(y);
        std::fill(out.begin(), out.end(), 0);
        for (int64_t x = 0; x <= 2 * reach; x++) add(slab.data() + x, out.data(), width);
    }

    void count_cube(int64_t z, int64_t y) {
        std::fill_n(sums.data(), width, 0);
        for (const auto& each : ring) add(each.data(), sums.data(), width);
        subtract_live(row(z, y), sums.data(), width);
        std::copy_n(sums.data(), width, counts.data());
    }

    void find_kinds(int64_t size) {
        uint8_t* __restrict out = kinds.data();
        const COUNT* __restrict in = counts.data();
        std::fill_n(out, size, 0);
        for (const Range* range = job.ranges; range < job.ranges + job.range_count; range++) {
            const COUNT lowest = COUNT(range->lowest), more = COUNT(range->highest - range->lowest);
            const uint8_t those = uint8_t(range->kinds);
            for (int64_t x = 0; x < size; x++) out[x] |= COUNT(in[x] - lowest) <= more ? those : uint8_t(0);
        }
    }

    void write(const uint8_t* __restrict cells, uint8_t* __restrict out, int64_t size) {
        find_kinds(size);
        const uint8_t *__restrict moving = kinds.data(), *__restrict older = next.data();
        for (int64_t x = 0; x < size; x++) {
            const uint8_t kind = cells[x] == 0 ? 1 : cells[x] == 1 ? 2 : 4;
            out[x] = moving[x] & kind ? older[x] : cells[x];
        }
    }

    void write_beyond(uint8_t* out) const {
        for (int64_t x = 0; x < reach; x++) {
            const int64_t left = source_index(x - reach, width, job.boundary), right = source_index(width + x, width, job.boundary);
            out[x - reach] = left < 0 ? 0 : out[left];
            out[width + x] = right < 0 ? 0 : out[right];
        }
    }

  public:
    explicit Grid(const Job& job)
        : job(job), reach(job.reach), width(job.width), row_size(job.width + 2 * job.reach), zeros(row_size), sums(width), next(width),
          kinds(width), slab(row_size), counts(width), ring(2 * reach + 1, std::vector<uint8_t>(job.cube ? width : 0)) {}

    void step(const uint8_t* before, uint8_t* after, int64_t first, int64_t last) {
        from = before;
        for (int64_t number = first; number < last; number++) {
            const int64_t z = number / job.height, y = number % job.height, block = job.cube ? width : BLOCK;
            const uint8_t* cells = row(z, y);
            uint8_t* out = after + number * row_size + reach;
            if (job.cube)
                for (int64_t below = number == first || y == 0 ? -reach : reach; below <= reach; below++) add_slab(z, y + below);
            for (int64_t x = 0; x < width; x += block) {
                const int64_t size = std::min(block, width - x);
                following(cells + x, next.data(), uint8_t(job.states - 1), size);
                job.cube ? count_cube(z, y) : count_places(z, y, x, size);
                write(cells + x, out + x, size);
            }
            write_beyond(out);
        }
    }
};

template <class COUNT>
void run(const Job& job) {
    const int64_t height = job.depth * job.height, rows = std::clamp<int64_t>(CELLS_OF_CHUNK / job.width, 1, height);
    step_rows(job.threads, job.steps, job.batch, height, rows, height * (job.width + 2 * job.reach), job.cells, job.next, job.spare,
              [&] { return Grid<COUNT>(job); });
}

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t state_circle(const Job* job) try {
    job->place_count > MOST ? run<uint32_t>(*job) : run<uint8_t>(*job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
