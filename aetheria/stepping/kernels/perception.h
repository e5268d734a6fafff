// What the cells of a tile perceive: its rows with a cell around, fixed filters on them, and gradients turned by an angle.
#pragma once
#include <algorithm>
#include <vector>

#include "network_job.h"
#include "sine.h"

constexpr int EDGE = LANES;  // space left of a tile's first cell
constexpr int STRIDE = EDGE + TILE + GROUP;

namespace {

constexpr int MOST_TAPS = 9;

// Calls act(N) with the number of taps.
template <int N = MOST_TAPS, class Act>
void in_taps(size_t taps, Act act) {
    if constexpr (N > 0) {
        if (taps == N) return act(std::integral_constant<int, N>());
        return in_taps<N - 1>(taps, act);
    }
    act(std::integral_constant<int, 0>());
}

// The rows of a tile that one thread has read, of which it keeps three of each plane, and their filtered values.
struct Perception {
    const Network& net;
    const Job& job;
    const int64_t channels, width;
    std::vector<float> rows, perceived;  // (3 or 9 | filters, C, STRIDE)
    std::vector<float> cosines, sines;   // (STRIDE)
    std::vector<const float*> inputs;    // (filters C): of the first layer, for the first cell of the row perceived last

    explicit Perception(const Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), rows((net.reach_z ? 9 : 3) * channels * STRIDE),
          perceived(net.filters.size() * channels * STRIDE), cosines(STRIDE), sines(STRIDE),
          inputs(net.filters.size() * channels) {}

    float* row(int64_t z, int64_t y, int64_t c) {
        const int64_t slab = net.reach_z ? (z + 3) % 3 * 3 : 0;
        return &rows[((slab + (y + 3) % 3) * channels + c) * STRIDE + EDGE];
    }

    void read_rows(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        for (int64_t dz = -net.reach_z; dz <= net.reach_z; dz++) read_row(step, b, z + dz, y, left, count);
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
        for (int64_t c = 0; c < channels; c++) {
            const uint8_t* keep = job.kept[c] ? nullptr : mask;
            float* to = row(z, y, c);
            const float* cells = net.source(step) + (b * channels + c) * net.plane + line * width;
            if (keep)
                for (int64_t x = 0; x < count; x++) to[x] = keep[left + x] ? cells[left + x] : 0.0f;
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

    void perceive(int64_t z, int64_t y, int64_t count) {
        for (size_t f = 0; f < net.filters.size(); f++) {
            const auto& taps = net.filters[f];
            const bool in_place = taps.size() == 1 && taps[0].weight == 1;  // one neighbour: read in place
            float* own = &perceived[f * channels * STRIDE];
            const float* to = in_place ? row(z + taps[0].z, y + taps[0].y, 0) + taps[0].x : own;
            for (int64_t c = 0; c < channels; c++) inputs[f * channels + c] = to + c * STRIDE;
            if (in_place) continue;
            if (taps.empty()) std::fill_n(own, channels * STRIDE, 0.0f);
            for (size_t first = 0; first < taps.size(); first += MOST_TAPS)
                in_taps(std::min<size_t>(MOST_TAPS, taps.size() - first),
                        [&](auto n) { filter<decltype(n)::value>(&taps[first], first > 0, own, z, y, count); });
        }
        if (job.angle_channel >= 0) steer(row(z, y, job.angle_channel), count);
    }

    // Applies N taps of a filter to all channels; adds to what is there already where these are not its first.
    template <int N>
    void filter(const Tap* taps, bool adds, float* to, int64_t z, int64_t y, int64_t count) {
        const float* from[N + 1];
        float weight[N + 1];
        for (int t = 0; t < N; t++) {
            from[t] = row(z + taps[t].z, y + taps[t].y, 0) + taps[t].x;
            weight[t] = taps[t].weight;
        }
        for (int64_t c = 0; c < channels; c++, to += STRIDE)
            for (int64_t x = 0; x < count; x += LANES) {
                Vec sum = adds ? load(to + x) : Vec{};
#pragma GCC unroll 9
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
        float* along_x = &perceived[job.steered_x * channels * STRIDE];
        float* along_y = &perceived[job.steered_y * channels * STRIDE];
        for (int64_t c = 0; c < channels; c++, along_x += STRIDE, along_y += STRIDE)
            for (int64_t x = 0; x < count; x += LANES) {
                const Vec cos = load(&cosines[x]), sin = load(&sines[x]), gx = load(along_x + x), gy = load(along_y + x);
                store(along_x + x, gx * cos + gy * sin);
                store(along_y + x, gy * cos - gx * sin);
            }
    }
};

}  // namespace
