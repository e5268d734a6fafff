// Steps a `CellNetwork`: perceive, dense layers and update; each cell is read once and written once a step.
//
// Cells are planar, (B, C, H, W) float32. Adjacent cells of a row lie in the lanes of a vector, and products keep BLOCK x VECTORS
// accumulators in registers. An update that depends on all cells (the norm of the grid, the alive mask) is left pending, as a
// factor or a mask, and applied when the next step reads the cells; `settle` applies the last.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "column_mask.h"
#include "grid.h"
#include "hash_noise.h"
#include "job.h"
#include "parallel_stages.h"
#include "simd.h"

constexpr int GROUP = LANES * VECTORS;      // cells that go through the network together
constexpr int TILE = 4 * GROUP;             // cells of a row that are perceived together
constexpr int MIN_ROWS = 8, MAX_ROWS = 32;  // of a chunk of work, which reads one more row above and below
constexpr int MIN_CHUNKS = 16;              // per thread, where the grid has so many: fewer leave threads idle at the end of a step
constexpr int EDGE = LANES;                 // space left of a tile's first cell
constexpr int STRIDE = EDGE + TILE + GROUP;
constexpr int GATHERED = 2 * TILE, GATHERED_STRIDE = GATHERED + GROUP;  // cells gathered from several rows

extern "C" {
struct Layer {
    const float *weight, *bias, *scale;  // (outputs, inputs), (outputs), (outputs) or null
    int32_t inputs, outputs, activation;
    float eps;
};
struct Job {
    const Layer* layers;
    const float* filters;        // (count, 3, 3)
    const float* cells;          // before the first step
    float *next, *spare;         // two more grids; the result is in `next`
    const int64_t *seed, *step;  // (B, 2), (B): of laws with a fire rate
    int64_t batch, channels, height, width, steps;
    int64_t fire_below;  // 2^32 times the fire rate; -1: all cells fire
    int64_t top, left, rows, columns;  // the cells are a window of a grid of rows x columns, on a torus, from (top, left) on
    int32_t layer_count, filter_count, boundary, normalise;
    int32_t alive_channel;  // -1: all cells live
    int32_t threads;
    float decay, alive_above;
};
}
EXPORT_SIZE(Layer)
EXPORT_SIZE(Job)

namespace {

struct PackedLayer {  // with the weights in the order in which `dense` reads them: blocks of BLOCK outputs, input by input
    Layer layer;
    int outputs;  // rounded up to whole blocks
    std::vector<float> weight, bias, scale;

    explicit PackedLayer(const Layer& from)
        : layer(from), outputs((from.outputs + BLOCK - 1) / BLOCK * BLOCK), weight(size_t(outputs) * from.inputs),
          bias(outputs), scale(outputs) {
        for (int o = 0; o < from.outputs; o++) {
            if (from.bias) bias[o] = from.bias[o];
            if (from.scale) scale[o] = from.scale[o];
            for (int k = 0; k < from.inputs; k++)
                weight[(size_t(o / BLOCK) * from.inputs + k) * BLOCK + o % BLOCK] = from.weight[size_t(o) * from.inputs + k];
        }
    }
};

// out (outputs, V vectors) = activation(norm(weight @ in + bias)); input k of the first cell is at in[k] + offset.
template <int V>
void dense(const PackedLayer& p, const float* const* in, int64_t offset, Vec* out) {
    const int inputs = p.layer.inputs, activation = p.layer.scale ? NONE : p.layer.activation;
    for (int first = 0; first < p.outputs; first += BLOCK) {
        const float* weight = &p.weight[size_t(first) * inputs];
        Vec sum[BLOCK][V];
#pragma GCC unroll 16
        for (int i = 0; i < BLOCK; i++)
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) sum[i][v] = Vec{} + p.bias[first + i];
        for (int k = 0; k < inputs; k++, weight += BLOCK) {
            const float* from = in[k] + offset;
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) {
                const Vec x = load(from + v * LANES);
#pragma GCC unroll 16
                for (int i = 0; i < BLOCK; i++) sum[i][v] += weight[i] * x;
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < BLOCK; i++)
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) out[(first + i) * V + v] = activated(sum[i][v], activation);
    }
    if (!p.layer.scale) return;
    for (int v = 0; v < V; v++) {
        Vec squares{};
        for (int o = 0; o < p.layer.outputs; o++) squares += out[o * V + v] * out[o * V + v];
        const Vec factor = inverse_root(squares / float(p.layer.outputs) + p.layer.eps);
        for (int o = 0; o < p.layer.outputs; o++)
            out[o * V + v] = activated(out[o * V + v] * factor * p.scale[o], p.layer.activation);
    }
}

struct Tap { int y, x; float weight; };

struct Network {
    const Job& job;
    std::vector<PackedLayer> layers;
    std::vector<std::vector<Tap>> filters;
    int radius = 0;  // radius of perception
    int widest = 0;  // outputs of the widest layer, in whole blocks
    int64_t plane, tiles, rows = MIN_ROWS, chunks;
    std::vector<float> pending;                 // factor of each universe's cells, for normalise "grid"
    std::vector<double> squares;                // sum per (universe, row, tile)
    std::unique_ptr<uint8_t[]> keep, state[2];  // per cell: 1, or 0 where it counts as zero; the state of its alive channel

    explicit Network(const Job& j) : job(j), plane(j.height * j.width) {
        for (int i = 0; i < j.layer_count; i++) layers.emplace_back(j.layers[i]);
        for (const auto& packed : layers) widest = std::max(widest, packed.outputs);
        for (int f = 0; f < j.filter_count; f++) {
            filters.emplace_back();
            for (int t = 0; t < 9; t++) {
                const float weight = j.filters[9 * f + t];
                if (weight == 0) continue;
                filters.back().push_back({t / 3 - 1, t % 3 - 1, weight});
                if (t != 4) radius = 1;
            }
        }
        tiles = (j.width + TILE - 1) / TILE;
        while (rows < MAX_ROWS && j.batch * strips(2 * rows) >= MIN_CHUNKS * j.threads) rows *= 2;
        chunks = j.batch * strips(rows);
        pending.assign(j.batch, 1.0f);
        if (j.normalise == normalisation::GRID) squares.resize(j.batch * j.height * tiles);
        if (has_mask()) {
            const int64_t cells = j.batch * plane;
            for (auto* bytes : {&keep, &state[0], &state[1]}) bytes->reset(new uint8_t[cells]);
            std::memset(keep.get(), 1, cells);
            for (int64_t b = 0; b < j.batch; b++)
                states(j.cells + (b * j.channels + j.alive_channel) * plane, state[0].get() + b * plane, plane);
        }
    }

    int64_t strips(int64_t rows) const { return (job.height + rows - 1) / rows; }
    bool has_mask() const { return job.alive_channel >= 0; }
    int phases() const { return has_mask() ? 2 : 1; }

    void states(const float* values, uint8_t* out, int64_t count) const {
        alive_states(values, job.alive_above, out, count);
    }

    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }

    void finish_norm() {  // sums in the same order for any number of threads
        if (job.normalise != normalisation::GRID) return;
        const int64_t rows = job.height * tiles;
        for (int64_t b = 0; b < job.batch; b++) {
            double total = 0;
            for (int64_t i = 0; i < rows; i++) total += squares[b * rows + i];
            pending[b] = inverse_norm(Vec{} + float(total))[0];
        }
    }

    void largest_state(const uint8_t* states, int64_t y, int64_t square_radius, std::vector<uint8_t>& column_max,
                       std::vector<uint8_t>& out) const {
        largest_state_nearby(job.height, job.width, job.boundary, y, square_radius, column_max, out,
                             [&](int64_t row, uint8_t* to) { std::copy_n(states + row * job.width, job.width, to); });
    }
};

// Calls act(V) with the number of vectors that `cells` fill, VECTORS at the most.
template <class Act>
void in_vectors(int64_t cells, Act act) {
    switch (std::min<int64_t>((cells + LANES - 1) / LANES, VECTORS)) {
        case 1: return act(std::integral_constant<int, 1>());
        case 2: return act(std::integral_constant<int, 2>());
        case 3: return act(std::integral_constant<int, 3>());
        default: return act(std::integral_constant<int, VECTORS>());
    }
}

// Calls act(N) with the number of taps, 9 at the most.
template <int N = 9, class Act>
void in_taps(size_t taps, Act act) {
    if constexpr (N > 0) {
        if (taps == N) return act(std::integral_constant<int, N>());
        return in_taps<N - 1>(taps, act);
    }
    act(std::integral_constant<int, 0>());
}

// Steps the chunks of one thread, in buffers of its own.
struct Worker {
    Network& net;
    const Job& job;
    const int64_t channels, width;
    std::vector<float> rows, perceived;  // (3 | filters, C, STRIDE)
    std::vector<float> packed, deltas;   // (filters | 1, C, GATHERED_STRIDE): of gathered cells
    std::vector<const float*> inputs, packed_inputs, hidden_inputs;
    std::unique_ptr<Vec[]> hidden[2];
    std::vector<uint8_t> column_max, near[MAX_ROWS], before, after;
    struct GatheredRow { ColumnMask<TILE> columns; int64_t y, left, first; };
    std::vector<GatheredRow> gathered_rows;  // rows of tiles; their columns begin at `first` in `packed`
    int64_t gathered = 0;                    // columns in `packed`

    explicit Worker(Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), rows(3 * channels * STRIDE),
          perceived(net.filters.size() * channels * STRIDE), packed(net.filters.size() * channels * GATHERED_STRIDE),
          deltas(channels * GATHERED_STRIDE), inputs(net.filters.size() * channels), packed_inputs(inputs.size()),
          hidden_inputs(net.widest) {
        for (auto& one : hidden) one.reset(new Vec[size_t(net.widest) * VECTORS]);
        for (size_t k = 0; k < inputs.size(); k++) packed_inputs[k] = &packed[k * GATHERED_STRIDE];
        // All memory is allocated here, where failure is reported: an exception in a thread would end the process.
        for (auto* bytes : {&column_max, &before, &after}) bytes->reserve(width + 4);
        for (auto& bytes : near) bytes.reserve(net.has_mask() ? width : 0);
        gathered_rows.reserve(GATHERED);
    }

    float* row(int64_t y, int64_t c) { return &rows[(((y + 3) % 3) * channels + c) * STRIDE + EDGE]; }

    void operator()(int64_t stage, int64_t chunk) {
        const int64_t strips = net.strips(net.rows), b = chunk / strips, first = chunk % strips * net.rows;
        const int64_t last = std::min(job.height, first + net.rows), step = stage / net.phases();
        if (stage % net.phases() == 1) {
            for (int64_t y = first; y < last; y++) update_mask(step, b, y);
            return;
        }
        for (int64_t tile = 0; tile < net.tiles; tile++) {
            const int64_t left = tile * TILE, count = std::min<int64_t>(TILE, width - left);
            for (int64_t y = first - net.radius; y < first + net.radius; y++) read_row(step, b, y, left, count);
            for (int64_t y = first; y < last; y++) {
                read_row(step, b, y + net.radius, left, count);
                step_row(step, b, y, left, count);
            }
        }
        step_gathered_rows(step, b);
    }

    // Reads a row of a tile and one more cell on either side, and applies what is pending.
    void read_row(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        const int64_t from = source_index(y, job.height, job.boundary);
        if (from < 0) {
            for (int64_t c = 0; c < channels; c++) std::fill(row(y, c) - 1, row(y, c) + count + 1, 0.0f);
            return;
        }
        const uint8_t* keep = net.has_mask() ? net.keep.get() + b * net.plane + from * width : nullptr;
        const float factor = net.pending[b];
        int64_t beside[2];  // the cells to the left and right of the tile; -1: zero
        for (int i = 0; i < 2; i++) {
            beside[i] = source_index(i ? left + count : left - 1, width, job.boundary);
            if (beside[i] >= 0 && keep && !keep[beside[i]]) beside[i] = -1;
        }
        for (int64_t c = 0; c < channels; c++) {
            float* to = row(y, c);
            const float* cells = net.source(step) + (b * channels + c) * net.plane + from * width;
            if (keep)
                for (int64_t x = 0; x < count; x++) to[x] = keep[left + x] ? cells[left + x] : 0.0f;
            else
                for (int64_t x = 0; x < count; x++) to[x] = cells[left + x] * factor;
            if (from + 1 < job.height)  // a row is too short for the hardware's prefetcher to find the next one
                for (int64_t x = 0; x < count; x += LANES) __builtin_prefetch(cells + width + left + x);
            for (int i = 0; i < 2; i++) to[i ? count : -1] = beside[i] < 0 ? 0.0f : cells[beside[i]] * factor;
        }
    }

    void perceive(int64_t y, int64_t count) {
        for (size_t f = 0; f < net.filters.size(); f++) {
            const auto& taps = net.filters[f];
            const bool in_place = taps.size() == 1 && taps[0].weight == 1;  // one neighbour: read in place
            const float* to = in_place ? row(y + taps[0].y, 0) + taps[0].x : &perceived[f * channels * STRIDE];
            for (int64_t c = 0; c < channels; c++) inputs[f * channels + c] = to + c * STRIDE;
            if (!in_place) in_taps(taps.size(), [&](auto n) { filter<decltype(n)::value>(f, y, count); });
        }
    }

    template <int N>
    void filter(size_t f, int64_t y, int64_t count) {
        const float* from[N + 1];
        float weight[N + 1], *to = &perceived[f * channels * STRIDE];
        for (int t = 0; t < N; t++) {
            const Tap& tap = net.filters[f][t];
            from[t] = row(y + tap.y, 0) + tap.x;
            weight[t] = tap.weight;
        }
        for (int64_t c = 0; c < channels; c++, to += STRIDE)
            for (int64_t x = 0; x < count; x += LANES) {
                Vec sum{};
#pragma GCC unroll 9
                for (int t = 0; t < N; t++) sum += weight[t] * load(from[t] + c * STRIDE + x);
                store(to + x, sum);
            }
    }

    void step_row(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        double squares = 0;
        if (net.has_mask() || job.fire_below >= 0) {
            gather_row(step, b, y, left, count);
        } else {
            perceive(y, count);
            for (int64_t x = 0; x < count; x += GROUP) {
                const int64_t cells = std::min<int64_t>(GROUP, count - x);
                in_vectors(cells, [&](auto v) { squares += step_group<decltype(v)::value>(step, b, y, left, x, cells); });
            }
        }
        if (job.normalise == normalisation::GRID) net.squares[(b * job.height + y) * net.tiles + left / TILE] = squares;
    }

    int64_t index(int64_t b, int64_t c, int64_t y, int64_t x) const { return (b * channels + c) * net.plane + y * width + x; }

    // Delta (C, V vectors) of the cells from `offset` on in `in`: the output of the last layer.
    template <int V>
    const Vec* run_layers(const float* const* in, int64_t offset) {
        const Vec* out = nullptr;
        for (size_t i = 0; i < net.layers.size(); i++) {
            Vec* to = hidden[i % 2].get();
            dense<V>(net.layers[i], in, offset, to);
            for (int k = 0; k < net.layers[i].outputs; k++) hidden_inputs[k] = reinterpret_cast<const float*>(to + k * V);
            in = hidden_inputs.data();
            offset = 0;
            out = to;
        }
        return out;
    }

    // Steps a group of adjacent cells; returns the sum of their squares for normalise "grid".
    template <int V>
    double step_group(int64_t step, int64_t b, int64_t y, int64_t left, int64_t x, int64_t cells) {
        const Vec* delta = run_layers<V>(inputs.data(), x);
        Vec next[V], squares[V] = {};
        Vec* moved = hidden[net.layers.size() % 2].get();
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) {
                const Vec old = load(row(y, c) + x + v * LANES);
                next[v] = old + delta[c * V + v] - job.decay * old;
                squares[v] += next[v] * next[v];
                moved[c * V + v] = next[v];
            }
        if (job.normalise == normalisation::CELL)
            for (int v = 0; v < V; v++) squares[v] = inverse_norm(squares[v]);
        for (int64_t c = 0; c < channels; c++) {
            if (job.normalise == normalisation::CELL)
                for (int v = 0; v < V; v++) moved[c * V + v] *= squares[v];
            std::memcpy(net.target(step) + index(b, c, y, left + x), moved + c * V, cells * sizeof(float));
        }
        double total = 0;
        if (job.normalise == normalisation::GRID)
            for (int64_t i = 0; i < cells; i++) total += squares[i / LANES][i % LANES];
        return total;
    }

    // The columns that may change: they fire, and a cell within two cells of them lives.
    ColumnMask<TILE> select_columns(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        uint8_t wanted[TILE];
        std::fill_n(wanted, TILE, uint8_t(1));
        if (net.has_mask()) {
            std::vector<uint8_t>& alive = near[y % MAX_ROWS];  // of the whole row: computed once for all its tiles
            if (left == 0) net.largest_state(net.state[step % 2].get() + b * net.plane, y, 2, column_max, alive);
            std::copy_n(&alive[left], count, wanted);
        }
        if (job.fire_below >= 0) {
            const uint32_t universe = universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step);
            const uint32_t key = row_key(universe, on_torus(job.top + y, job.rows));
            const uint32_t most = uint32_t(job.fire_below - 1);
            for (int64_t x = 0; x < count;) {
                const int64_t column = on_torus(job.left + left + x, job.columns);
                const int64_t end = std::min(count, x + job.columns - column);
                for (const int64_t first = x; x < end; x++) wanted[x] &= -(random_word(key, column + x - first) <= most);
            }
        }
        if (job.fire_below == 0) std::fill_n(wanted, TILE, uint8_t(0));
        ColumnMask<TILE> active;
        active.select(wanted, count);
        return active;
    }

    static int64_t on_torus(int64_t coordinate, int64_t side) { return (coordinate % side + side) % side; }

    // Copies a row of a tile to the next grid, and gathers the inputs of the cells that may change.
    void gather_row(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        for (int64_t c = 0; c < channels; c++) std::copy_n(row(y, c), count, net.target(step) + index(b, c, y, left));
        const ColumnMask<TILE> active = select_columns(step, b, y, left, count);
        if (active.count == 0) return;
        if (gathered + active.count > GATHERED) step_gathered_rows(step, b);
        perceive(y, count);
        for (size_t k = 0; k < inputs.size(); k++) active.compress(inputs[k], &packed[k * GATHERED_STRIDE + gathered]);
        gathered_rows.push_back({active, y, left, gathered});
        gathered += active.count;
    }

    // Steps the gathered cells.
    void step_gathered_rows(int64_t step, int64_t b) {
        for (int64_t at = 0; at < gathered; at += GROUP)
            in_vectors(gathered - at, [&](auto v) { step_gathered<decltype(v)::value>(at); });
        for (const GatheredRow& one : gathered_rows)
            for (int64_t c = 0; c < channels; c++)
                one.columns.expand_add(&deltas[c * GATHERED_STRIDE + one.first], net.target(step) + index(b, c, one.y, one.left));
        gathered_rows.clear();
        gathered = 0;
    }

    template <int V>
    void step_gathered(int64_t at) {
        const Vec* delta = run_layers<V>(packed_inputs.data(), at);
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) store(&deltas[c * GATHERED_STRIDE + at + v * LANES], delta[c * V + v]);
    }

    // Keeps the cells of a row that live before and after the step; the others count as zero.
    void update_mask(int64_t step, int64_t b, int64_t y) {
        const float* alpha = net.target(step) + (b * channels + job.alive_channel) * net.plane;
        net.largest_state(net.state[step % 2].get() + b * net.plane, y, 1, column_max, before);
        largest_state_nearby(job.height, width, job.boundary, y, 1, column_max, after,
                             [&](int64_t from, uint8_t* to) { net.states(alpha + from * width, to, width); });
        uint8_t* keep = net.keep.get() + b * net.plane + y * width;
        uint8_t* state = net.state[(step + 1) % 2].get() + b * net.plane + y * width;
        net.states(alpha + y * width, state, width);
        combine(before.data(), after.data(), keep, state, width);
    }

    static void combine(const uint8_t* __restrict before, const uint8_t* __restrict after, uint8_t* __restrict keep,
                        uint8_t* __restrict state, int64_t count) {
        for (int64_t x = 0; x < count; x++) {
            keep[x] = before[x] == 1 && after[x] == 1;
            state[x] = keep[x] ? state[x] : 0;
        }
    }
};

// Applies what is pending to a channel of the result.
void settle(Network& net, int64_t plane) {
    const Job& job = net.job;
    float* cells = job.next + plane * net.plane;
    const int64_t b = plane / job.channels;
    if (net.has_mask()) {
        const uint8_t* keep = net.keep.get() + b * net.plane;
        for (int64_t i = 0; i < net.plane; i++) cells[i] = keep[i] ? cells[i] : 0.0f;
    } else if (job.normalise == normalisation::GRID) {
        for (int64_t i = 0; i < net.plane; i++) cells[i] *= net.pending[b];
    }
}

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t local_network(const Job* job) try {
    Network net(*job);
    const int phases = net.phases();
    run_stages(job->threads, job->steps * phases, net.chunks, [&] { return Worker(net); },
               [&](int64_t stage) { if (stage % phases == 0) net.finish_norm(); });
    if (net.has_mask() || job->normalise == normalisation::GRID)
        run_stages(job->threads, 1, job->batch * job->channels,
                   [&] { return [&](int64_t, int64_t plane) { settle(net, plane); }; }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
