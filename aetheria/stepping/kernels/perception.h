// What the cells of a tile perceive: its rows with a cell around, fixed filters on them, and gradients turned by an angle.
#pragma once
#include <algorithm>
#include <memory>
#include <type_traits>
#include <vector>

#include "network_job.h"
#include "sine.h"

constexpr int EDGE = LANES;  // space left of a tile's first cell
constexpr int STRIDE = EDGE + TILE + GROUP;

namespace {

constexpr int MOST_TERMS = 3;

// Calls act(N) with the number of terms of a sum.
template <int N = MOST_TERMS, class Act>
void in_terms(size_t terms, Act act) {
    if constexpr (N > 0) {
        if (terms == N) return act(std::integral_constant<int, N>());
        return in_terms<N - 1>(terms, act);
    }
    act(std::integral_constant<int, 0>());
}

// Rows that begin with a whole vector, SIZE values apart.
template <int SIZE>
struct Rows {
    std::unique_ptr<Vec[]> vectors;

    explicit Rows(size_t count) : vectors(new Vec[count * (SIZE / LANES)]()) { static_assert(SIZE % LANES == 0); }
    float* operator[](size_t row) { return reinterpret_cast<float*>(vectors.get()) + row * SIZE; }
};

// The rows of a tile that one thread has read, of which it keeps three of each plane, and their filtered values.
struct Perception {
    const Network& net;
    const Job& job;
    const int64_t channels, width;
    Rows<STRIDE> rows, stacks, columns, perceived;  // (3 or 9 | 3 a stack | columns | filters, C, STRIDE)
    std::vector<int32_t> kept_bits;      // (STRIDE): -1 for each cell of a row, or 0 where it counts as zero
    std::vector<float> cosines, sines;   // (STRIDE)
    std::vector<const float*> inputs;    // (filters C): of the first layer, for the first cell of the row perceived last

    explicit Perception(const Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), rows((net.reach_z ? 9 : 3) * channels),
          stacks(3 * net.stacks.size() * channels), columns(net.columns.size() * channels), perceived(net.filters.size() * channels), kept_bits(STRIDE), cosines(STRIDE),
          sines(STRIDE), inputs(net.filters.size() * channels) {}

    float* row(int64_t z, int64_t y, int64_t c) {
        const int64_t slab = net.reach_z ? (z + 3) % 3 * 3 : 0;
        return rows[(slab + (y + 3) % 3) * channels + c] + EDGE;
    }

    // Reads the rows at `y` of the planes around, and sums them up.
    void read_rows(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        for (int64_t dz = -net.reach_z; dz <= net.reach_z; dz++) read_row(step, b, z + dz, y, left, count);
        for (size_t i = 0; i < net.stacks.size(); i++)
            if (!net.stacks[i].is_copy())
                sum_up(net.stacks[i], [&](const Term& term) { return row(z + term.shift, y, 0) - EDGE; },
                       stack(int(i), z, y) - EDGE, EDGE + count + 1);
    }

    // Reads a row of a tile and one more cell on either side, and applies what is pending.
    void read_row(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        const int64_t from_z = source_index(z, job.depth, job.boundary), from_y = source_index(y, job.height, job.boundary);
        if (from_z < 0 || from_y < 0) {
            for (int64_t c = 0; c < channels; c++) std::fill(row(z, y, c) - 1, row(z, y, c) + count + 1, 0.0f);
            return;
        }
        const int64_t line = from_z * job.height + from_y;
        const uint8_t* mask = net.has_mask() ? net.keep.get() + b * net.plane + line * width : nullptr;
        const float factor = net.pending[b];
        int64_t beside[2];  // the cells to the left and right of the tile; -1: zero
        for (int i = 0; i < 2; i++) beside[i] = source_index(i ? left + count : left - 1, width, job.boundary);
        if (mask)
            for (int64_t x = 0; x < count; x++) kept_bits[x] = mask[left + x] ? -1 : 0;
        for (int64_t c = 0; c < channels; c++) {
            const uint8_t* keep = job.kept[c] ? nullptr : mask;
            float* to = row(z, y, c);
            const float* cells = net.source(step) + (b * channels + c) * net.plane + line * width;
            if (keep) copy_kept(cells + left, to, count);
            else
                for (int64_t x = 0; x < count; x++) to[x] = cells[left + x] * factor;
            if (line + 1 < net.lines)  // a row is too short for the hardware's prefetcher to find the next one
                for (int64_t x = 0; x < count; x += LANES) __builtin_prefetch(cells + width + left + x);
            for (int i = 0; i < 2; i++) {
                const bool zero = beside[i] < 0 || (keep && !keep[beside[i]]);
                to[i ? count : -1] = zero ? 0.0f : cells[beside[i]] * factor;
            }
        }
    }

    // Copies cells of a row; 0 in place of those that do not count.
    void copy_kept(const float* from, float* to, int64_t count) const {
        const float* bits = reinterpret_cast<const float*>(kept_bits.data());
        const auto kept = [&](Vec cells, int64_t x) { store(to + x, (Vec)((Ints)cells & (Ints)load(bits + x))); };
        int64_t x = 0;
        for (; x + LANES <= count; x += LANES) kept(load(from + x), x);
        if (x < count) kept(load_some(from + x, int(count - x)), x);
    }

    void perceive(int64_t z, int64_t y, int64_t count) {
        for (size_t i = 0; i < net.columns.size(); i++)
            if (!net.columns[i].is_copy())
                sum_up(net.columns[i], [&](const Term& term) { return stack(term.of, z, y + term.shift) - EDGE; },
                       column(int(i), z, y) - EDGE, EDGE + count + 1);
        for (size_t f = 0; f < net.filters.size(); f++) {
            const Sum& filter = net.filters[f];
            const auto place = [&](const Term& term) { return column(term.of, z, y) + term.shift; };
            const float* to = read_in_place(filter) ? place(filter.terms[0]) : perceived[f * channels];
            for (int64_t c = 0; c < channels; c++) inputs[f * channels + c] = to + c * STRIDE;
            if (!read_in_place(filter)) sum_up(filter, place, perceived[f * channels], count);
        }
        if (job.angle_channel >= 0) steer(row(z, y, job.angle_channel), count);
    }

    // Whether a filter is one neighbour.
    bool read_in_place(const Sum& filter) const {
        if (!filter.is_copy()) return false;
        const Sum& column = net.columns[filter.terms[0].of];
        return column.is_copy() && net.stacks[column.terms[0].of].is_copy();
    }

    // Where the stack at row `y` is, and the column at the row perceived: the first cell of the first channel.
    float* stack(int number, int64_t z, int64_t y) {
        const Sum& own = net.stacks[number];
        return own.is_copy() ? row(z + own.terms[0].shift, y, 0) : stacks[(3 * number + (y + 3) % 3) * channels] + EDGE;
    }
    float* column(int number, int64_t z, int64_t y) {
        const Sum& own = net.columns[number];
        return own.is_copy() ? stack(own.terms[0].of, z, y + own.terms[0].shift) : columns[number * channels] + EDGE;
    }

    // Sums up rows of all channels; place(term) is where those of a term are.
    template <class Place>
    void sum_up(const Sum& sum, Place place, float* to, int64_t count) const {
        const float* from[MOST_TERMS];
        float weight[MOST_TERMS];
        for (size_t t = 0; t < sum.terms.size(); t++) {
            from[t] = place(sum.terms[t]);
            weight[t] = sum.terms[t].weight;
        }
        in_terms(sum.terms.size(), [&](auto n) { sum_rows<decltype(n)::value>(from, weight, to, count); });
    }

    // Sums up N weighted rows of all channels.
    template <int N>
    void sum_rows(const float* const* rows, const float* weights, float* to, int64_t count) const {
        const float* from[N + 1];
        Vec weight[N + 1];
        for (int t = 0; t < N; t++) from[t] = rows[t], weight[t] = Vec{} + weights[t];
        for (int64_t c = 0; c < channels; c++, to += STRIDE)
            for (int64_t x = 0; x < count; x += LANES) {
                Vec sum{};
#pragma GCC unroll 3
                for (int t = 0; t < N; t++) sum += weight[t] * load(from[t] + c * STRIDE + x);
                store(to + x, sum);
            }
    }

    // Turns two gradients of all channels by the angles of the cells.
    void steer(const float* angles, int64_t count) {
        for (int64_t x = 0; x < count; x += LANES) {
            const Turn turn = turn_by(load_some(angles + x, int(std::min<int64_t>(LANES, count - x))));
            store(&cosines[x], turn.cos);
            store(&sines[x], turn.sin);
        }
        float* along_x = perceived[job.steered_x * channels];
        float* along_y = perceived[job.steered_y * channels];
        for (int64_t c = 0; c < channels; c++, along_x += STRIDE, along_y += STRIDE)
            for (int64_t x = 0; x < count; x += LANES) {
                const Vec cos = load(&cosines[x]), sin = load(&sines[x]), gx = load(along_x + x), gy = load(along_y + x);
                store(along_x + x, gx * cos + gy * sin);
                store(along_y + x, gy * cos - gx * sin);
            }
    }
};

}  // namespace
