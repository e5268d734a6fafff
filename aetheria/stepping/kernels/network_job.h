// A job of local_network.cpp, and what its threads share: layers, filters, tiles, and masks and factors that are pending.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "dense_layer.h"
#include "grid.h"
#include "job.h"
#include "simd.h"

constexpr int GROUP = LANES * VECTORS;      // cells that go through the network together
constexpr int TILE = 4 * GROUP;             // cells of a row that are perceived together
constexpr int MIN_ROWS = 8, MAX_ROWS = 32;  // of a chunk of work, which reads one more row above and below
constexpr int MIN_CHUNKS = 16;              // per thread, where the grid has so many: fewer leave threads idle at the end of a step

extern "C" {
struct Job {
    const Layer* layers;
    const float* filters;        // (count, 3, 3, 3)
    const float* cells;          // before the first step
    float *next, *spare;         // two more grids; the result is in `next`
    const int64_t *seed, *step;  // (B, 2), (B): of laws with a fire rate
    const int64_t* fire_below;   // (B): 2^32 times the fire rate; null: all cells fire
    const float* decay;          // (B)
    const uint8_t* kept;         // (C): 1 for channels that are put back after the step and its masks
    int64_t batch, channels, depth, height, width, steps;
    // The cells are a window of a grid of planes x rows x columns, on a torus, from (front, top, left) on.
    int64_t front, top, left, planes, rows, columns;
    int32_t rank, layer_count, filter_count, boundary, normalise;
    int32_t learned;        // 1: the first layer reads all cells around, and the second its outputs behind those of the filters
    int32_t alive_channel;  // -1: all cells live
    int32_t angle_channel, steered_x, steered_y;  // filters that are turned by a channel's angle; -1: none
    int32_t threads;
    float alive_above;
};
}
EXPORT_SIZE(Job)

namespace {

// Weighted sums of rows that lie `shift` planes, rows or cells further on.
struct Term { int of, shift; float weight; };
struct Sum {
    std::vector<Term> terms;

    // Makes the first weight 1; returns what it was.
    float normalise() {
        const float first = terms[0].weight;
        for (Term& term : terms) term.weight /= first;
        return first;
    }
    bool is_copy() const { return terms.size() == 1 && terms[0].weight == 1; }
    bool shifts() const {
        return std::any_of(terms.begin(), terms.end(), [](const Term& term) { return term.shift != 0; });
    }
};

struct Network {
    const Job& job;
    std::vector<PackedLayer> layers;
    // A filter is a sum of columns along x, a column one of stacks along y, and a stack one of rows along z. Filters share them.
    std::vector<Sum> stacks, columns;
    std::vector<Sum> filters;               // behind those of the job, each cell around by itself, where a layer reads them
    int reach_z = 0, reach_y = 0;           // of perception, in planes and rows
    int64_t lines, plane;                   // rows and cells of a universe and channel
    int64_t tiles, rows = MIN_ROWS, chunks;
    int64_t spans = 1;  // parts of a row that are chunks of their own, where there is one row
    std::vector<float> pending;                 // factor of each universe's cells, for normalise "grid"
    std::vector<double> squares;                // sum per (universe, row, tile)
    std::unique_ptr<uint8_t[]> keep, state[2];  // per cell: 1, or 0 where it counts as zero; the state of its alive channel
    std::vector<float> moved;                   // the alive channel after the step, before it is put back; else empty

    explicit Network(const Job& j) : job(j), lines(j.depth * j.height), plane(lines * j.width) {
        for (int i = 0; i < j.layer_count; i++) layers.emplace_back(j.layers[i]);
        for (int f = 0; f < j.filter_count; f++) add_filter(j.filters + 27 * f);
        for (int t = 0; j.learned && t < 27; t++)
            if ((j.rank == 3 || t / 9 == 1) && (j.rank > 1 || t / 3 % 3 == 1)) {
                float weights[27] = {};
                weights[t] = 1;
                add_filter(weights);
            }
        tiles = (j.width + TILE - 1) / TILE;
        while (rows < MAX_ROWS && j.batch * j.depth * strips(2 * rows) >= MIN_CHUNKS * j.threads) rows *= 2;
        if (lines == 1) spans = std::min(tiles, MIN_CHUNKS * int64_t(j.threads));
        chunks = j.batch * j.depth * strips(rows) * spans;
        pending.assign(j.batch, 1.0f);
        if (j.normalise == normalisation::GRID) squares.resize(j.batch * lines * tiles);
        if (has_mask()) {
            const int64_t cells = j.batch * plane;
            for (auto* bytes : {&keep, &state[0], &state[1]}) bytes->reset(new uint8_t[cells]);
            std::memset(keep.get(), 1, cells);
            for (int64_t b = 0; b < j.batch; b++)
                states(j.cells + (b * j.channels + j.alive_channel) * plane, state[0].get() + b * plane, plane);
            if (j.kept[j.alive_channel]) moved.resize(cells);
        }
    }

    // Adds a filter of (3, 3, 3) weights.
    void add_filter(const float* weights) {
        filters.emplace_back();
        for (int x = 0; x < 3; x++) {
            Sum column;
            for (int y = 0; y < 3; y++) {
                Sum stack;
                for (int z = 0; z < 3; z++)
                    if (const float weight = weights[9 * z + 3 * y + x]) stack.terms.push_back({0, z - 1, weight});
                add_term(column, stack, y - 1, stacks);
            }
            add_term(filters.back(), column, x - 1, columns);
        }
        for (const Sum& stack : stacks) reach_z |= stack.shifts();
        for (const Sum& column : columns) reach_y |= column.shifts();
    }

    // Makes `part` a term of `sum`, if it is not empty; it is one of `known`, where parts that are the same are one.
    static void add_term(Sum& sum, Sum part, int shift, std::vector<Sum>& known) {
        if (part.terms.empty()) return;
        const float weight = part.normalise();
        const auto same_term = [](const Term& a, const Term& b) {
            return a.of == b.of && a.shift == b.shift && a.weight == b.weight;
        };
        const auto same = [&](const Sum& other) {
            return std::equal(other.terms.begin(), other.terms.end(), part.terms.begin(), part.terms.end(), same_term);
        };
        const int number = int(std::find_if(known.begin(), known.end(), same) - known.begin());
        if (number == int(known.size())) known.push_back(part);
        sum.terms.push_back({number, shift, weight});
    }

    int64_t strips(int64_t rows) const { return (job.height + rows - 1) / rows; }
    bool has_mask() const { return job.alive_channel >= 0; }
    int phases() const { return has_mask() ? 2 : 1; }

    uint8_t* states(const float* values, uint8_t* out, int64_t count) const {
        alive_states(values, job.alive_above, out, count);
        return out;
    }

    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }

    void finish_norm() {  // sums in the same order for any number of threads
        if (job.normalise != normalisation::GRID) return;
        const int64_t rows = lines * tiles;
        for (int64_t b = 0; b < job.batch; b++) {
            double total = 0;
            for (int64_t i = 0; i < rows; i++) total += squares[b * rows + i];
            pending[b] = inverse_norm(Vec{} + float(total))[0];
        }
    }

    void largest_state(const uint8_t* states, int64_t z, int64_t y, int64_t radius, std::vector<uint8_t>& column_max,
                       std::vector<uint8_t>& out) const {
        largest_state_nearby(job.depth, job.height, job.width, job.boundary, z, y, radius, column_max, out,
                             [&](int64_t line, uint8_t*) { return states + line * job.width; });
    }
};

}  // namespace
