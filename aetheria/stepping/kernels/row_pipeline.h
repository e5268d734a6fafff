// Several steps of a rule on 3x3 cells in one pass over the grid, while its rows are in the cache.
//
// A tile of the grid is stepped from top to bottom. Wrong values spread from the sides of a tile by one cell a step, so cells beyond
// them are read and stepped, too; not beyond walls, and not beyond the ends of rows that lie in the tile as a whole, where the cells
// on either side are put as the boundary says.
#pragma once
#include "kept_lines.h"

constexpr int64_t COLUMNS = 1024;  // of a tile
constexpr int64_t VECTOR = 16;     // cells that are computed together, at the most
constexpr int64_t MARGIN = 16;     // cells of a kept row before the tile's first: more than MOST_STEPS
constexpr int64_t MIN_ROWS = 8 * MOST_STEPS;

template <class Rule>
class RowPipeline {
  public:
    static constexpr int CHANNELS = Rule::CHANNELS;

    explicit RowPipeline(const GridShape& g)
        : grid(g), kept(g, g.height, (std::min(COLUMNS, g.width) + 2 * MARGIN) / VECTOR * VECTOR + 2 * VECTOR, MOST_STEPS) {}

    // Takes `steps` steps of the tile. rule.first(pointers, count) makes the values that are kept from `count` cells of a row that
    // is read, rule.step() makes those after a step from those before it, and rule.last() makes cells.
    void advance(const float* from, float* to, Span y, Span x, int steps, const Rule& rule) {
        tile = columns = x;
        const bool closed = grid.sides != PERIODIC || x.last - x.first == grid.width;
        left_end = closed && x.first == 0, right_end = closed && x.last == grid.width;
        if (!left_end) columns.first -= MOST_STEPS;
        if (!right_end) columns.last += MOST_STEPS;
        auto step_row = [&](int done, int64_t r) {
            auto pointers = around(done, r, columns.first);
            for (int c = 0; c < CHANNELS; c++) pointers.next[c] = row(done, r, c) + columns.first;
            rule.step(pointers, whole_vectors());
            close(done, r);
        };
        auto write = [&](int64_t r) {
            auto pointers = around(steps, r, x.first);
            for (int c = 0; c < CHANNELS; c++) pointers.next[c] = to + (c * grid.height + r) * grid.width + x.first;
            rule.last(pointers, x.last - x.first);
        };
        kept.advance(y, steps, [&](int64_t r) { read(from, r, rule); }, step_row, write);
    }

  private:
    const GridShape& grid;
    KeptLines<Rule> kept;
    Span tile{}, columns{};  // of the tile; those that are computed
    bool left_end = false, right_end = false;  // of the rows are ends of `columns`

    // Cells that are computed of a kept row: beyond `columns` they are of no use.
    int64_t whole_vectors() const { return (columns.last - columns.first + VECTOR - 1) / VECTOR * VECTOR; }

    float* row(int64_t done, int64_t y, int channel) { return kept.line(done, y, channel) + MARGIN - tile.first; }

    RowPointers<CHANNELS> around(int done, int64_t y, int64_t x) {
        auto found = kept.around(done, y, MARGIN - tile.first + x);
        found.y = y, found.x = x;
        return found;
    }

    void read(const float* from, int64_t y, const Rule& rule) {
        const int64_t at = (y % grid.height + grid.height) % grid.height;
        for (int64_t x = columns.first; x < columns.last;) {
            const int64_t source = (x % grid.width + grid.width) % grid.width;
            const int64_t count = std::min(columns.last - x, grid.width - source);
            RowPointers<CHANNELS> to{};
            to.y = y, to.x = x;
            for (int c = 0; c < CHANNELS; c++) to.next[c] = row(0, y, c) + x;
            read_row(from + at * grid.width + source, grid.height * grid.width, to, count, rule);
            x += count;
        }
        close(0, y);
    }

    // Sets the cells on either side of a row.
    void close(int64_t done, int64_t y) {
        const int64_t end = grid.width;
        for (int c = 0; c < CHANNELS; c++) {
            float *cells = row(done, y, c), *other = grid.sides == REFLECT ? row(done, y, grid.beyond[c]) : cells;
            if (left_end) cells[-1] = grid.sides == ZERO ? 0 : other[grid.sides == PERIODIC ? end - 1 : grid.inside];
            if (right_end) cells[end] = grid.sides == ZERO ? 0 : other[grid.sides == PERIODIC ? 0 : end - 1 - grid.inside];
        }
    }
};

// Takes `steps` steps of all grids (batch, CHANNELS, height, width); make_rule(universe) makes the rule for one of them.
// The result is in `next`; `spare` is for the passes in between.
template <class Rule, class MakeRule>
void step_in_passes(const GridShape& grid, int threads, int64_t steps, const float* cells, float* next, float* spare,
                    MakeRule make_rule) {
    const int64_t columns = (grid.width + COLUMNS - 1) / COLUMNS;
    const int64_t wanted = threads < 2 ? 1 : (4 * threads + grid.batch * columns - 1) / (grid.batch * columns);
    const int64_t bands = std::max<int64_t>(1, std::min(wanted, grid.height / MIN_ROWS));
    const int64_t plane = Rule::CHANNELS * grid.height * grid.width;
    auto make_part = [&] {
        return [&, pipeline = RowPipeline<Rule>(grid)](const float* from, float* to, int some, int64_t chunk) mutable {
            const int64_t universe = chunk / (bands * columns), band = chunk / columns % bands;
            pipeline.advance(from + universe * plane, to + universe * plane, share(grid.height, band, bands),
                             share(grid.width, chunk % columns, columns), some, make_rule(universe));
        };
    };
    run_passes(threads, steps, MOST_STEPS, grid.batch * bands * columns, cells, next, spare, make_part);
}
