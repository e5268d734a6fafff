// Several steps of a rule on 3x3 cells in one pass over the grid, while its rows are in the cache.
//
// A tile of the grid is stepped from top to bottom. Row y of the cells that a pass begins with is read, then row y - 1 after one
// step is computed, row y - 2 after two, and so on: each from three rows of the step before, of which four are kept. Wrong values
// spread from the sides of a tile by one cell a step, so cells beyond them are read and stepped, too; not beyond walls, and not
// beyond the ends of rows that lie in the tile as a whole, where the cells on either side are put as the boundary says. What is kept
// of a cell are CHANNELS values of type Kept.
#pragma once
#include <algorithm>
#include <cstring>

#include "enums.h"
#include "parallel_stages.h"

constexpr int MOST_STEPS = 8;        // in a pass
constexpr int64_t TILE = 4096;       // bytes of a row of one channel
constexpr int64_t KEPT = 4;          // rows of each step
constexpr int64_t VECTOR = 16;       // cells that are computed together, at the most
constexpr int64_t MARGIN = 16;       // cells of a kept row before the tile's first: more than MOST_STEPS
constexpr int64_t MIN_ROWS = 8 * MOST_STEPS;

template <int CHANNELS, class From, class To>
struct RowPointers {
    const From* above[CHANNELS];
    const From* at[CHANNELS];
    const From* below[CHANNELS];
    To* next[CHANNELS];
    int64_t y, x;  // place of the first cell; on a torus it may lie beyond the edges
    int64_t pitch;  // of planes that are stepped as rows (plane_pipeline.h): from a cell to the one below
};

struct Span {
    int64_t first, last;

    bool holds(int64_t i) const { return i >= first && i < last; }
};

// Part `number` of `of` equal ones.
inline Span share(int64_t size, int64_t number, int64_t of) { return {size * number / of, size * (number + 1) / of}; }

struct GridShape {
    int64_t batch, depth, height, width;
    int32_t ends;   // boundary above the first and below the last row; of a grid of three axes, plane
    int32_t sides;  // boundary to the left and right of the rows
    // With REFLECT, the cell beyond an edge has the values of the one `inside` cells from the edge, channel c those of beyond[c].
    int64_t inside;
    const int32_t* beyond;

    // Rows (or planes), of which there are `size`, with `more` on either side, but not beyond walls.
    Span with_halo(Span rows, int64_t more, int64_t size) const {
        if (ends == PERIODIC) return {rows.first - more, rows.last + more};
        return {std::max<int64_t>(0, rows.first - more), std::min(size, rows.last + more)};
    }
};

// The kept rows of one thread.
template <int CHANNELS, class Kept>
class RowPipeline {
  public:
    static constexpr int64_t COLUMNS = TILE / sizeof(Kept);  // of a tile

    explicit RowPipeline(const GridShape& g)
        : grid(g), stride((std::min(COLUMNS, g.width) + 2 * MARGIN) / VECTOR * VECTOR + 2 * VECTOR),
          kept(MOST_STEPS * KEPT * CHANNELS * stride + VECTOR), zeros(stride) {
        const auto beyond = reinterpret_cast<uintptr_t>(kept.data()) % 64;
        rows = kept.data() + (beyond ? (64 - beyond) / sizeof(Kept) : 0);
    }

    // Takes `steps` steps of the tile. rule.first(pointers, count) makes the values that are kept from `count` cells of a row that
    // is read, rule.step() makes those after a step from those before it, and rule.last() makes cells.
    template <class Rule>
    void advance(const float* from, float* to, Span y, Span x, int steps, const Rule& rule) {
        tile = columns = x;
        const bool closed = grid.sides != PERIODIC || x.last - x.first == grid.width;
        left_end = closed && x.first == 0, right_end = closed && x.last == grid.width;
        if (!left_end) columns.first -= MOST_STEPS;
        if (!right_end) columns.last += MOST_STEPS;
        auto rows_after = [&](int done) { return grid.with_halo(y, steps - done, grid.height); };
        for (int64_t r = rows_after(0).first; r < y.last + steps; r++) {
            if (rows_after(0).holds(r)) read(from, r, rule);
            for (int done = 1; done < steps; done++)
                if (rows_after(done).holds(r - done)) {
                    auto kept_row = [&](int c) { return row(done, r - done, c); };
                    rule.step(neighbours<Kept>(done, r - done, columns.first, kept_row), whole_vectors());
                    close(done, r - done);
                }
            auto grid_row = [&](int c) { return to + (c * grid.height + r - steps) * grid.width; };
            if (y.holds(r - steps)) rule.last(neighbours<float>(steps, r - steps, x.first, grid_row), x.last - x.first);
        }
    }

  private:
    const GridShape& grid;
    const int64_t stride;
    std::vector<Kept> kept, zeros;
    Kept* rows;
    Span tile{}, columns{};  // of the tile; those that are computed
    bool left_end = false, right_end = false;  // of the rows are ends of `columns`

    // Cells that are computed of a kept row: beyond `columns` they are of no use.
    int64_t whole_vectors() const { return (columns.last - columns.first + VECTOR - 1) / VECTOR * VECTOR; }

    Kept* row(int64_t done, int64_t y, int channel) {
        return rows + ((done * KEPT + (y & (KEPT - 1))) * CHANNELS + channel) * stride + MARGIN - tile.first;
    }

    // A row of cells before a step; beyond a wall the row that it mirrors, or zeros.
    const Kept* source(int64_t done, int64_t y, int channel) {
        if (grid.ends != PERIODIC && (y < 0 || y >= grid.height)) {
            if (grid.ends == ZERO) return zeros.data() + MARGIN - tile.first;
            y = y < 0 ? grid.inside : grid.height - 1 - grid.inside;
            channel = grid.beyond[channel];
        }
        return row(done, y, channel);
    }

    template <class To, class NextRow>
    RowPointers<CHANNELS, Kept, To> neighbours(int done, int64_t y, int64_t x, NextRow next_row) {
        RowPointers<CHANNELS, Kept, To> found;
        found.y = y, found.x = x;
        for (int c = 0; c < CHANNELS; c++) {
            found.above[c] = source(done - 1, y - 1, c) + x;
            found.at[c] = source(done - 1, y, c) + x;
            found.below[c] = source(done - 1, y + 1, c) + x;
            found.next[c] = next_row(c) + x;
        }
        return found;
    }

    template <class Rule>
    void read(const float* from, int64_t y, const Rule& rule) {
        const int64_t at = (y % grid.height + grid.height) % grid.height;
        for (int64_t x = columns.first; x < columns.last;) {
            const int64_t source = (x % grid.width + grid.width) % grid.width;
            const int64_t count = std::min(columns.last - x, grid.width - source);
            RowPointers<CHANNELS, float, Kept> pointers{};
            pointers.y = y, pointers.x = x;
            for (int c = 0; c < CHANNELS; c++) {
                pointers.at[c] = from + (c * grid.height + at) * grid.width + source;
                pointers.next[c] = row(0, y, c) + x;
            }
            rule.first(pointers, count);
            x += count;
        }
        close(0, y);
    }

    // Sets the cells on either side of a row.
    void close(int64_t done, int64_t y) {
        const int64_t end = grid.width;
        for (int c = 0; c < CHANNELS; c++) {
            Kept *cells = row(done, y, c), *other = grid.sides == REFLECT ? row(done, y, grid.beyond[c]) : cells;
            if (left_end) cells[-1] = grid.sides == ZERO ? 0 : other[grid.sides == PERIODIC ? end - 1 : grid.inside];
            if (right_end) cells[end] = grid.sides == ZERO ? 0 : other[grid.sides == PERIODIC ? 0 : end - 1 - grid.inside];
        }
    }
};

// Takes `steps` steps in passes of up to `most`, each of `chunks` parts that the threads share; make_part() makes the function of
// a thread that takes some steps of a part, part(from, to, steps, chunk). The result is in `next`.
template <class MakePart>
void run_passes(int threads, int64_t steps, int64_t most, int64_t chunks, const float* cells, float* next, float* spare,
                MakePart make_part) {
    const int64_t passes = (steps + most - 1) / most;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? next : spare; };
    auto worker = [&] {
        return [&, part = make_part()](int64_t pass, int64_t chunk) mutable {
            const Span some = share(steps, pass, passes);
            part(pass ? target(pass - 1) : cells, target(pass), int(some.last - some.first), chunk);
        };
    };
    run_stages(threads, passes, chunks, worker, [](int64_t) {});
}

// Takes `steps` steps of all grids (batch, CHANNELS, height, width); make_rule(universe) makes the rule for one of them.
// The result is in `next`; `spare` is for the passes in between.
template <int CHANNELS, class Kept, class MakeRule>
void step_in_passes(const GridShape& grid, int threads, int64_t steps, const float* cells, float* next, float* spare,
                    MakeRule make_rule) {
    using Pipeline = RowPipeline<CHANNELS, Kept>;
    const int64_t columns = (grid.width + Pipeline::COLUMNS - 1) / Pipeline::COLUMNS;
    const int64_t wanted = threads < 2 ? 1 : (4 * threads + grid.batch * columns - 1) / (grid.batch * columns);
    const int64_t bands = std::max<int64_t>(1, std::min(wanted, grid.height / MIN_ROWS));
    const int64_t plane = CHANNELS * grid.height * grid.width;
    auto make_part = [&] {
        return [&, pipeline = Pipeline(grid)](const float* from, float* to, int some, int64_t chunk) mutable {
            const int64_t universe = chunk / (bands * columns), band = chunk / columns % bands;
            pipeline.advance(from + universe * plane, to + universe * plane, share(grid.height, band, bands),
                             share(grid.width, chunk % columns, columns), some, make_rule(universe));
        };
    };
    run_passes(threads, steps, MOST_STEPS, grid.batch * bands * columns, cells, next, spare, make_part);
}
