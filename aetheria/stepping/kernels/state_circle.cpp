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
    int32_t cube, threads;    // cube: the places are the 26 around the cell
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 16;
constexpr int64_t BLOCK = 4096;  // cells that are counted together
constexpr int64_t MOST = 252;    // neighbours that are counted in a byte, a multiple of four

// Whether a neighbour counts: it is in the state that is wanted for the cell, or in state 1.
struct Follows {
    static uint8_t counts(uint8_t state, uint8_t wanted) { return state == wanted; }
};
struct Live {
    static uint8_t counts(uint8_t state, uint8_t) { return state == 1; }
};

template <class Kind>
void add(const uint8_t* __restrict a, const uint8_t* __restrict wanted, uint8_t* __restrict sums, int64_t size) {
    for (int64_t x = 0; x < size; x++) sums[x] += Kind::counts(a[x], wanted[x]);
}
template <class Kind>
void add_four(const uint8_t* const* rows, const uint8_t* __restrict wanted, uint8_t* __restrict sums, int64_t size) {
    const uint8_t *__restrict a = rows[0], *__restrict b = rows[1], *__restrict c = rows[2], *__restrict d = rows[3];
    for (int64_t x = 0; x < size; x++) {
        const uint8_t w = wanted[x];
        sums[x] += uint8_t(Kind::counts(a[x], w) + Kind::counts(b[x], w) + Kind::counts(c[x], w) + Kind::counts(d[x], w));
    }
}
void add_three(const uint8_t* __restrict a, const uint8_t* __restrict b, const uint8_t* __restrict c, uint8_t* __restrict out, int64_t size) {
    for (int64_t x = 0; x < size; x++) out[x] = uint8_t(a[x] + b[x] + c[x]);
}
void add_three_live(const uint8_t* __restrict a, const uint8_t* __restrict b, const uint8_t* __restrict c, uint8_t* __restrict out,
                    int64_t size) {
    for (int64_t x = 0; x < size; x++) out[x] = uint8_t((a[x] == 1) + (b[x] == 1) + (c[x] == 1));
}
void following(const uint8_t* __restrict cells, uint8_t* __restrict out, uint8_t last, int64_t size) {
    for (int64_t x = 0; x < size; x++) out[x] = uint8_t(cells[x] + 1) & uint8_t(-(cells[x] != last));
}

// COUNT: an unsigned type.
template <class COUNT>
class Grid {
    const Job& job;
    const int64_t reach, width, row_size, block;  // block: rows that are stepped together
    const uint8_t* from = nullptr;
    const std::vector<uint8_t> zeros;
    std::vector<uint8_t> sums, next, kinds, slab, along;  // slab: sums along z; along: along z and x
    std::vector<COUNT> counts;

    // The first cell of a row, before which lie `reach` more. Rows of zeros are as many as are stepped together.
    const uint8_t* row(int64_t z, int64_t y) const {
        z = source_index(z, job.depth, job.boundary), y = source_index(y, job.height, job.boundary);
        return (z < 0 || y < 0 ? zeros.data() : from + (z * job.height + y) * row_size) + reach;
    }

    bool inside(int64_t y) const { return y >= reach && y < job.height - reach; }  // with all its neighbours

    void add_to_counts(int64_t size) {
        const uint8_t* __restrict more = sums.data();
        COUNT* __restrict out = counts.data();
        for (int64_t x = 0; x < size; x++) out[x] = COUNT(out[x] + more[x]);
        std::fill_n(sums.data(), size, 0);
    }

    template <class Kind>
    void count_places(int64_t z, int64_t y, int64_t x0, int64_t size) {
        std::fill_n(sums.data(), size, 0);
        std::fill_n(counts.data(), size, 0);
        const uint8_t* cells[4];
        for (int64_t i = 0; i < job.place_count; i++) {
            const Place& place = job.places[i];
            cells[i % 4] = row(z + place.z, y + place.y) + x0 + place.x;
            if (i % 4 == 3) add_four<Kind>(cells, next.data(), sums.data(), size);
            if (i % MOST == MOST - 1) add_to_counts(size);
        }
        for (int64_t i = 0; i < job.place_count % 4; i++) add<Kind>(cells[i], next.data(), sums.data(), size);
        add_to_counts(size);
    }

    // The number of live ones among the 26 neighbours, for whole rows: the sum of three along each axis, less the cell.
    void count_cube(int64_t z, int64_t y, int64_t rows, int64_t size) {
        const int64_t parts = inside(y) ? 1 : 3, part = (rows + 2) / parts * row_size;
        for (int64_t i = 0; i < parts; i++) {
            auto at = [&](int64_t dz) { return row(z + dz, y - 1 + i) - 1; };
            add_three_live(at(-1), at(0), at(1), slab.data() + i * part, part);
        }
        const int64_t rest = 2 * row_size + size;
        add_three(slab.data(), slab.data() + 1, slab.data() + 2, along.data(), rest);
        const uint8_t *__restrict above = along.data(), *__restrict here = above + row_size, *__restrict below = here + row_size;
        const uint8_t* __restrict cells = row(z, y);
        COUNT* __restrict out = counts.data();
        for (int64_t x = 0; x < size; x++) out[x] = COUNT(uint8_t(above[x] + here[x] + below[x] - (cells[x] == 1)));
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
        for (int64_t x = 0; x < size; x++) {  // without branches, so that it is vectorised
            const uint8_t state = cells[x], kind = uint8_t((state == 0) | (state == 1) << 1 | (state > 1) << 2);
            const uint8_t moved = uint8_t(-((moving[x] & kind) != 0));
            out[x] = uint8_t(state ^ ((state ^ older[x]) & moved));
        }
    }

    void write_beyond(uint8_t* out) const {
        for (int64_t x = 0; x < reach; x++) {
            const int64_t left = source_index(x - reach, width, job.boundary), right = source_index(width + x, width, job.boundary);
            out[x - reach] = left < 0 ? 0 : out[left];
            out[width + x] = right < 0 ? 0 : out[right];
        }
    }

    // Cells x to x + size of row y; further ones of the rows that follow, with those beyond their ends between.
    void step_cells(int64_t z, int64_t y, int64_t rows, int64_t x, int64_t size, uint8_t* out) {
        const uint8_t* cells = row(z, y) + x;
        following(cells, next.data(), uint8_t(job.states - 1), size);
        if (job.cube) count_cube(z, y, rows, size);
        else if (job.follows) count_places<Follows>(z, y, x, size);
        else count_places<Live>(z, y, x, size);
        write(cells, out, size);
    }

  public:
    explicit Grid(const Job& job)
        : job(job), reach(job.reach), width(job.width), row_size(job.width + 2 * job.reach), block(std::max<int64_t>(1, BLOCK / row_size)),
          zeros((block + 2) * row_size), sums(block * row_size), next(sums), kinds(sums), slab(job.cube ? zeros.size() : 0), along(slab),
          counts(sums.size()) {}

    void step(StepAt, const uint8_t* before, uint8_t* after, int64_t first, int64_t last) {
        from = before;
        for (int64_t number = first, rows; number < last; number += rows) {
            const int64_t z = number / job.height, y = number % job.height;
            rows = inside(y) ? std::min({block, last - number, job.height - reach - y}) : 1;
            uint8_t* out = after + number * row_size + reach;
            const int64_t size = (rows - 1) * row_size + width, part = job.cube || rows > 1 ? size : BLOCK;
            for (int64_t x = 0; x < size; x += part) step_cells(z, y, rows, x, std::min(part, size - x), out + x);
            for (int64_t i = 0; i < rows; i++) write_beyond(out + i * row_size);
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
    job->place_count > 255 ? run<uint32_t>(*job) : run<uint8_t>(*job);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
