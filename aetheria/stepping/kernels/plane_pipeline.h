// Several steps of a rule on 3x3x3 cells in one pass over a grid of three axes: as in row_pipeline.h, with planes for rows.
//
// A kept plane has one more cell on each side, which are put as the boundary says; so all its rows are stepped as a single one.
#pragma once
#include "kept_lines.h"

constexpr int64_t KEPT_BYTES = 1 << 23;  // of the planes that a thread keeps, about: a pass has as many steps as that allows

template <class Rule>
class PlanePipeline {
  public:
    static constexpr int CHANNELS = Rule::CHANNELS;

    PlanePipeline(const GridShape& g, int64_t most)
        : grid(g), pitch(g.width + 2), kept(g, g.depth, room(g), most), zeros(pitch) {}

    // Of a kept plane.
    static int64_t room(const GridShape& grid) { return (grid.height + 2) * (grid.width + 2); }

    // Takes `steps` steps of the planes z, by the methods of `rule` that RowPipeline calls.
    void advance(const float* from, float* to, Span z, int steps, const Rule& rule) {
        auto step_plane = [&](int done, int64_t p) {
            auto pointers = around(done, p, 0);
            for (int c = 0; c < CHANNELS; c++) pointers.next[c] = kept.line(done, p, c) + at(0);
            rule.step(pointers, at(grid.height - 1) + grid.width - at(0));
            close(done, p);
        };
        auto write = [&](int64_t p) {
            auto pointers = around(steps, p, 0);
            for (int c = 0; c < CHANNELS; c++) pointers.next[c] = to + c * volume() + p * grid.height * grid.width;
            for (int64_t y = 0; y < grid.height; y++, pointers.forward(pitch, grid.width)) rule.last(pointers, grid.width);
        };
        kept.advance(z, steps, [&](int64_t p) { read(from, p, rule); }, step_plane, write);
    }

  private:
    const GridShape& grid;
    const int64_t pitch;
    KeptLines<Rule> kept;
    std::vector<float> zeros;

    int64_t volume() const { return grid.depth * grid.height * grid.width; }
    int64_t at(int64_t y) const { return (y + 1) * pitch + 1; }  // the first cell of a row in its kept plane

    RowPointers<CHANNELS> around(int done, int64_t z, int64_t y) {
        auto found = kept.around(done, z, at(y));
        found.y = z, found.x = at(y), found.pitch = pitch;
        return found;
    }

    void read(const float* from, int64_t z, const Rule& rule) {
        from += (z % grid.depth + grid.depth) % grid.depth * grid.height * grid.width;
        RowPointers<CHANNELS> to{};
        to.y = z, to.pitch = pitch;
        for (int64_t y = 0; y < grid.height; y++, from += grid.width) {
            to.x = at(y);
            for (int c = 0; c < CHANNELS; c++) to.next[c] = kept.line(0, z, c) + at(y);
            read_row(from, volume(), to, grid.width, rule);
        }
        close(0, z);
    }

    // Sets the cells around a plane: on either side of its rows, then the rows above and below.
    void close(int64_t done, int64_t z) {
        const int64_t end = grid.width, rows = grid.height, in = grid.inside;
        const bool zero = grid.sides == ZERO, around = grid.sides == PERIODIC;
        for (int c = 0; c < CHANNELS; c++) {
            float *cells = kept.line(done, z, c), *other = grid.sides == REFLECT ? kept.line(done, z, grid.beyond[c]) : cells;
            for (int64_t y = 0; y < rows; y++) {
                cells[at(y) - 1] = zero ? 0 : other[at(y) + (around ? end - 1 : in)];
                cells[at(y) + end] = zero ? 0 : other[at(y) + (around ? 0 : end - 1 - in)];
            }
        }
        for (int c = 0; c < CHANNELS; c++) {
            float *cells = kept.line(done, z, c) - 1, *other = grid.sides == REFLECT ? kept.line(done, z, grid.beyond[c]) - 1 : cells;
            const float* above = zero ? zeros.data() : other + at(around ? rows - 1 : in);
            const float* below = zero ? zeros.data() : other + at(around ? 0 : rows - 1 - in);
            std::copy_n(above, pitch, cells + at(-1));
            std::copy_n(below, pitch, cells + at(rows));
        }
    }
};

// As step_in_passes, of grids (batch, CHANNELS, depth, height, width).
template <class Rule, class MakeRule>
void step_planes_in_passes(const GridShape& grid, int threads, int64_t steps, const float* cells, float* next, float* spare,
                           MakeRule make_rule) {
    using Pipeline = PlanePipeline<Rule>;
    const int64_t bytes = KeptLines<Rule>::bytes(Pipeline::room(grid));
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(MOST_STEPS, KEPT_BYTES / bytes));
    const int64_t wanted = threads < 2 ? 1 : (4 * threads + grid.batch - 1) / grid.batch;
    const int64_t bands = std::max<int64_t>(1, std::min(wanted, grid.depth / (4 * most)));
    const int64_t volume = Rule::CHANNELS * grid.depth * grid.height * grid.width;
    auto make_part = [&] {
        return [&, pipeline = Pipeline(grid, most)](const float* from, float* to, int some, int64_t chunk) mutable {
            const int64_t universe = chunk / bands;
            pipeline.advance(from + universe * volume, to + universe * volume, share(grid.depth, chunk % bands, bands), some,
                             make_rule(universe));
        };
    };
    run_passes(threads, steps, most, grid.batch * bands, cells, next, spare, make_part);
}
