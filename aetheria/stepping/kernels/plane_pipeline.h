// Several steps of a rule on 3x3x3 cells in one pass over a grid of three axes: as in row_pipeline.h, with planes for rows.
//
// A kept plane has one more cell on each side, which are put as the boundary says; so all its rows are stepped as a single one.
#pragma once
#include "row_pipeline.h"

constexpr int64_t KEPT_BYTES = 1 << 22;  // of the planes that a thread keeps, about: a pass has as many steps as that allows

// The kept planes of one thread.
template <int CHANNELS, class Kept>
class PlanePipeline {
  public:
    PlanePipeline(const GridShape& g, int64_t most)
        : grid(g), pitch(g.width + 2), stride((g.height + 2) * pitch), kept(most * KEPT * CHANNELS * stride), zeros(stride) {}

    // Takes `steps` steps of the planes z, by the methods of `rule` that RowPipeline calls.
    template <class Rule>
    void advance(const float* from, float* to, Span z, int steps, const Rule& rule) {
        auto planes_after = [&](int done) { return grid.with_halo(z, steps - done, grid.depth); };
        for (int64_t p = planes_after(0).first; p < z.last + steps; p++) {
            if (planes_after(0).holds(p)) read(from, p, rule);
            for (int done = 1; done < steps; done++)
                if (planes_after(done).holds(p - done)) {
                    auto kept_row = [&](int c) { return plane(done, p - done, c) + at(0); };
                    rule.step(neighbours<Kept>(done, p - done, at(0), kept_row), at(grid.height - 1) + grid.width - at(0));
                    close(done, p - done);
                }
            if (z.holds(p - steps))
                for (int64_t y = 0; y < grid.height; y++) {
                    auto grid_row = [&](int c) { return to + grid_offset(c, p - steps, y); };
                    rule.last(neighbours<float>(steps, p - steps, at(y), grid_row), grid.width);
                }
        }
    }

  private:
    const GridShape& grid;
    const int64_t pitch, stride;
    std::vector<Kept> kept, zeros;

    int64_t at(int64_t y) const { return (y + 1) * pitch + 1; }  // the first cell of a row in its kept plane
    int64_t grid_offset(int64_t c, int64_t z, int64_t y) const { return ((c * grid.depth + z) * grid.height + y) * grid.width; }

    Kept* plane(int64_t done, int64_t z, int channel) {
        return kept.data() + ((done * KEPT + (z & (KEPT - 1))) * CHANNELS + channel) * stride;
    }

    const Kept* source(int64_t done, int64_t z, int channel) {
        if (grid.ends != PERIODIC && (z < 0 || z >= grid.depth)) {
            if (grid.ends == ZERO) return zeros.data();
            z = z < 0 ? grid.inside : grid.depth - 1 - grid.inside;
            channel = grid.beyond[channel];
        }
        return plane(done, z, channel);
    }

    template <class To, class NextRow>
    RowPointers<CHANNELS, Kept, To> neighbours(int done, int64_t z, int64_t x, NextRow next_row) {
        RowPointers<CHANNELS, Kept, To> found;
        found.y = z, found.x = x, found.pitch = pitch;
        for (int c = 0; c < CHANNELS; c++) {
            found.above[c] = source(done - 1, z - 1, c) + x;
            found.at[c] = source(done - 1, z, c) + x;
            found.below[c] = source(done - 1, z + 1, c) + x;
            found.next[c] = next_row(c);
        }
        return found;
    }

    template <class Rule>
    void read(const float* from, int64_t z, const Rule& rule) {
        const int64_t whole = (z % grid.depth + grid.depth) % grid.depth;
        for (int64_t y = 0; y < grid.height; y++) {
            RowPointers<CHANNELS, float, Kept> pointers{};
            pointers.y = z, pointers.x = at(y), pointers.pitch = pitch;
            for (int c = 0; c < CHANNELS; c++) {
                pointers.at[c] = from + grid_offset(c, whole, y);
                pointers.next[c] = plane(0, z, c) + at(y);
            }
            rule.first(pointers, grid.width);
        }
        close(0, z);
    }

    // Sets the cells around a plane: on either side of its rows, then the rows above and below.
    void close(int64_t done, int64_t z) {
        const int64_t end = grid.width, rows = grid.height, in = grid.inside;
        const bool zero = grid.sides == ZERO, around = grid.sides == PERIODIC;
        for (int c = 0; c < CHANNELS; c++) {
            Kept *cells = plane(done, z, c), *other = grid.sides == REFLECT ? plane(done, z, grid.beyond[c]) : cells;
            for (int64_t y = 0; y < rows; y++) {
                cells[at(y) - 1] = zero ? 0 : other[at(y) + (around ? end - 1 : in)];
                cells[at(y) + end] = zero ? 0 : other[at(y) + (around ? 0 : end - 1 - in)];
            }
        }
        for (int c = 0; c < CHANNELS; c++) {
            Kept *cells = plane(done, z, c) - 1, *other = grid.sides == REFLECT ? plane(done, z, grid.beyond[c]) - 1 : cells;
            const Kept* above = zero ? zeros.data() : other + at(around ? rows - 1 : in);
            const Kept* below = zero ? zeros.data() : other + at(around ? 0 : rows - 1 - in);
            std::copy_n(above, pitch, cells + at(-1));
            std::copy_n(below, pitch, cells + at(rows));
        }
    }
};

// As step_in_passes, of grids (batch, CHANNELS, depth, height, width).
template <int CHANNELS, class Kept, class MakeRule>
void step_planes_in_passes(const GridShape& grid, int threads, int64_t steps, const float* cells, float* next, float* spare,
                           MakeRule make_rule) {
    const int64_t bytes = KEPT * CHANNELS * (grid.height + 2) * (grid.width + 2) * sizeof(Kept);
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(MOST_STEPS, KEPT_BYTES / bytes));
    const int64_t wanted = threads < 2 ? 1 : (4 * threads + grid.batch - 1) / grid.batch;
    const int64_t bands = std::max<int64_t>(1, std::min(wanted, grid.depth / (4 * most)));
    const int64_t volume = CHANNELS * grid.depth * grid.height * grid.width;
    auto make_part = [&] {
        return [&, pipeline = PlanePipeline<CHANNELS, Kept>(grid, most)](const float* from, float* to, int some, int64_t chunk) mutable {
            const int64_t universe = chunk / bands;
            pipeline.advance(from + universe * volume, to + universe * volume, share(grid.depth, chunk % bands, bands), some,
                             make_rule(universe));
        };
    };
    run_passes(threads, steps, most, grid.batch * bands, cells, next, spare, make_part);
}
