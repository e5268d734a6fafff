// Steps a `CellNetwork` on the CPU: perceive, dense layers, update, each cell read once and written once a step.
//
// Cells are planar, (B, C, H, W) float32. The arithmetic runs over cells side by side in a row, one to a vector lane, and
// products keep BLOCK x VECTORS accumulators in registers. What a step needs of all cells (the norm of the grid, the alive
// mask) is left pending, as a factor or a mask that the next step applies as it reads; `settle` applies the last.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "columns.h"
#include "grid.h"
#include "lanes.h"
#include "stages.h"

constexpr int GROUP = LANES * VECTORS;  // cells that go through the network together
constexpr int TILE = 4 * GROUP;         // cells of a row that are perceived together
constexpr int LEAST_ROWS = 8, MOST_ROWS = 32;  // of a chunk of work; each reads a row more above and below
constexpr int CHUNKS = 16;              // for each thread at least, if there are so many, or one that ends last is waited for
constexpr int EDGE = LANES;             // room left of a tile's first cell
constexpr int STRIDE = EDGE + TILE + GROUP;
constexpr int ROOM = 2 * TILE, ROOM_STRIDE = ROOM + GROUP;  // for columns gathered from several rows

enum Normalise { NOT, CELL, GRID };

extern "C" {
struct Layer {
    const float *weight, *bias, *scale;  // (outputs, inputs), (outputs), (outputs) or null
    int32_t inputs, outputs, activation;
    float eps;
};
struct Job {
    const Layer* layers;
    const float* filters;  // (count, 3, 3)
    const float* cells;    // where to start
    float *next, *spare;   // two more grids; the result is in `next`
    const int64_t *seed, *step;  // (B, 2), (B): of a law that fires by chance
    int64_t batch, channels, height, width, steps, fire_below;  // fire_below: of 2^32, or -1: all fire
    int32_t layer_count, filter_count, boundary, normalise, alive_channel, threads;  // alive_channel: or -1
    float decay, alive_above;
};
}

namespace {

struct Packed {  // a layer's weights as `dense` reads them: blocks of BLOCK outputs, input by input
    Layer layer;
    int outputs;  // rounded up to whole blocks
    std::vector<float> weight, bias, scale;

    explicit Packed(const Layer& from)
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

// out (outputs, V vectors) = activation(norm(weight @ in + bias)); in[k] + offset is where input k of the first cell lies.
template <int V>
void dense(const Packed& p, const float* const* in, int64_t offset, Vec* out) {
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
    std::vector<Packed> layers;
    std::vector<std::vector<Tap>> filters;
    int reach = 0;       // rows and columns that perception looks beyond a cell
    int widest = 0;      // outputs of the widest layer, in whole blocks
    int64_t plane, tiles, rows = LEAST_ROWS, chunks;
    std::vector<float> pending;                      // factor of each universe's cells, for normalise "grid"
    std::vector<double> squares;                     // per (universe, row, tile)
    std::unique_ptr<uint8_t[]> keep, code[2];        // per cell: counts as itself or as zero; state of its alive channel

    explicit Network(const Job& j) : job(j), plane(j.height * j.width) {
        for (int i = 0; i < j.layer_count; i++) layers.emplace_back(j.layers[i]);
        for (const auto& packed : layers) widest = std::max(widest, packed.outputs);
        for (int f = 0; f < j.filter_count; f++) {
            filters.emplace_back();
            for (int t = 0; t < 9; t++) {
                const float weight = j.filters[9 * f + t];
                if (weight == 0) continue;
                filters.back().push_back({t / 3 - 1, t % 3 - 1, weight});
                if (t != 4) reach = 1;
            }
        }
        tiles = (j.width + TILE - 1) / TILE;
        while (rows < MOST_ROWS && j.batch * strips(2 * rows) >= CHUNKS * j.threads) rows *= 2;
        chunks = j.batch * strips(rows);
        pending.assign(j.batch, 1.0f);
        if (j.normalise == GRID) squares.resize(j.batch * j.height * tiles);
        if (masked()) {
            const int64_t cells = j.batch * plane;
            for (auto* bytes : {&keep, &code[0], &code[1]}) bytes->reset(new uint8_t[cells]);
            std::memset(keep.get(), 1, cells);
            for (int64_t b = 0; b < j.batch; b++)
                codes(j.cells + (b * j.channels + j.alive_channel) * plane, code[0].get() + b * plane, plane);
        }
    }

    int64_t strips(int64_t rows) const { return (job.height + rows - 1) / rows; }
    bool masked() const { return job.alive_channel >= 0; }
    int phases() const { return masked() ? 2 : 1; }

    void codes(const float* values, uint8_t* out, int64_t count) const {
        codes_of(values, job.alive_above, out, count);
    }

    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }

    void finish_norm() {  // in the same order however many threads there are
        if (job.normalise != GRID) return;
        const int64_t rows = job.height * tiles;
        for (int64_t b = 0; b < job.batch; b++) {
            double total = 0;
            for (int64_t i = 0; i < rows; i++) total += squares[b * rows + i];
            pending[b] = inverse_norm(Vec{} + float(total))[0];
        }
    }

    void largest_code(const uint8_t* codes, int64_t y, int64_t around, std::vector<uint8_t>& line, std::vector<uint8_t>& out) const {
        largest(job.height, job.width, job.boundary, y, around, line, out, [&](int64_t row, uint8_t* to) { std::copy_n(codes + row * job.width, job.width, to); });
    }
};

// act(V) with as many vectors as `cells` fill, VECTORS at the most.
template <class Act>
void in_vectors(int64_t cells, Act act) {
    switch (std::min<int64_t>((cells + LANES - 1) / LANES, VECTORS)) {
        case 1: return act(std::integral_constant<int, 1>());
        case 2: return act(std::integral_constant<int, 2>());
        case 3: return act(std::integral_constant<int, 3>());
        default: return act(std::integral_constant<int, VECTORS>());
    }
}

// act(N) with the number of taps, of 9 at the most.
template <int N = 9, class Act>
void in_taps(size_t taps, Act act) {
    if constexpr (N > 0) {
        if (taps == N) return act(std::integral_constant<int, N>());
        return in_taps<N - 1>(taps, act);
    }
    act(std::integral_constant<int, 0>());
}

// One thread's share: its buffers, and how it steps a chunk of rows.
struct Worker {
    Network& net;
    const Job& job;
    const int64_t channels, width;
    std::vector<float> rows, perceived, packed, deltas;  // (3 | filters, C, STRIDE), (filters | 1, C, ROOM_STRIDE)
    std::vector<const float*> inputs, packed_inputs, hidden_inputs;
    std::unique_ptr<Vec[]> hidden[2];
    std::vector<uint8_t> line, near[MOST_ROWS], before, after;
    struct Asked { Columns<TILE> columns; int64_t y, left, first; };
    std::vector<Asked> asked;                             // rows of tiles, whose columns `packed` holds from `first` on
    int64_t gathered = 0;                                 // columns in `packed`

    explicit Worker(Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), rows(3 * channels * STRIDE),
          perceived(net.filters.size() * channels * STRIDE), packed(net.filters.size() * channels * ROOM_STRIDE),
          deltas(channels * ROOM_STRIDE), inputs(net.filters.size() * channels), packed_inputs(inputs.size()),
          hidden_inputs(net.widest) {
        for (auto& one : hidden) one.reset(new Vec[size_t(net.widest) * VECTORS]);
        for (size_t k = 0; k < inputs.size(); k++) packed_inputs[k] = &packed[k * ROOM_STRIDE];
        // All memory is had here, where it can be refused: a thread that throws ends the process.
        for (auto* bytes : {&line, &before, &after}) bytes->reserve(width + 4);
        for (auto& bytes : near) bytes.reserve(net.masked() ? width : 0);
        asked.reserve(ROOM);
    }

    float* row(int64_t y, int64_t c) { return &rows[(((y + 3) % 3) * channels + c) * STRIDE + EDGE]; }

    void operator()(int64_t stage, int64_t chunk) {
        const int64_t strips = net.strips(net.rows), b = chunk / strips, first = chunk % strips * net.rows;
        const int64_t last = std::min(job.height, first + net.rows), step = stage / net.phases();
        if (stage % net.phases() == 1) {
            for (int64_t y = first; y < last; y++) mask(step, b, y);
            return;
        }
        for (int64_t tile = 0; tile < net.tiles; tile++) {
            const int64_t left = tile * TILE, count = std::min<int64_t>(TILE, width - left);
            for (int64_t y = first - net.reach; y < first + net.reach; y++) read(step, b, y, left, count);
            for (int64_t y = first; y < last; y++) {
                read(step, b, y + net.reach, left, count);
                advance(step, b, y, left, count);
            }
        }
        flush(step, b);
    }

    // A row of a tile and one cell more on either side, with what was pending applied.
    void read(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        const int64_t from = beyond(y, job.height, job.boundary);
        if (from < 0) {
            for (int64_t c = 0; c < channels; c++) std::fill(row(y, c) - 1, row(y, c) + count + 1, 0.0f);
            return;
        }
        const uint8_t* keep = net.masked() ? net.keep.get() + b * net.plane + from * width : nullptr;
        const float factor = net.pending[b];
        int64_t beside[2];  // the cells that stand left and right of the tile; -1: zero
        for (int i = 0; i < 2; i++) {
            beside[i] = beyond(i ? left + count : left - 1, width, job.boundary);
            if (beside[i] >= 0 && keep && !keep[beside[i]]) beside[i] = -1;
        }
        for (int64_t c = 0; c < channels; c++) {
            float* to = row(y, c);
            const float* cells = net.source(step) + (b * channels + c) * net.plane + from * width;
            if (keep)
                for (int64_t x = 0; x < count; x++) to[x] = keep[left + x] ? cells[left + x] : 0.0f;
            else
                for (int64_t x = 0; x < count; x++) to[x] = cells[left + x] * factor;
            if (from + 1 < job.height)  // a row of every channel is too short a stretch for the processor to foresee the next
                for (int64_t x = 0; x < count; x += LANES) __builtin_prefetch(cells + width + left + x);
            for (int i = 0; i < 2; i++) to[i ? count : -1] = beside[i] < 0 ? 0.0f : cells[beside[i]] * factor;
        }
    }

    void perceive(int64_t y, int64_t count) {
        for (size_t f = 0; f < net.filters.size(); f++) {
            const auto& taps = net.filters[f];
            const bool as_it_is = taps.size() == 1 && taps[0].weight == 1;  // a neighbour: read where it lies
            const float* to = as_it_is ? row(y + taps[0].y, 0) + taps[0].x : &perceived[f * channels * STRIDE];
            for (int64_t c = 0; c < channels; c++) inputs[f * channels + c] = to + c * STRIDE;
            if (!as_it_is) in_taps(taps.size(), [&](auto n) { filter<decltype(n)::value>(f, y, count); });
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

    void advance(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        double squares = 0;
        if (net.masked() || job.fire_below >= 0) {
            gather(step, b, y, left, count);
        } else {
            perceive(y, count);
            for (int64_t x = 0; x < count; x += GROUP) {
                const int64_t cells = std::min<int64_t>(GROUP, count - x);
                in_vectors(cells, [&](auto v) { squares += group<decltype(v)::value>(step, b, y, left, x, cells); });
            }
        }
        if (job.normalise == GRID) net.squares[(b * job.height + y) * net.tiles + left / TILE] = squares;
    }

    int64_t place(int64_t b, int64_t c, int64_t y, int64_t x) const { return (b * channels + c) * net.plane + y * width + x; }

    // Delta (C, V vectors) of the cells from `offset` on in `in`.
    template <int V>
    const Vec* propose(const float* const* in, int64_t offset) {
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

    // Steps cells that lie side by side; returns the sum of squares where that is wanted.
    template <int V>
    double group(int64_t step, int64_t b, int64_t y, int64_t left, int64_t x, int64_t cells) {
        const Vec* delta = propose<V>(inputs.data(), x);
        Vec next[V], squares[V] = {};
        Vec* moved = hidden[net.layers.size() % 2].get();
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) {
                const Vec old = load(row(y, c) + x + v * LANES);
                next[v] = old + delta[c * V + v] - job.decay * old;
                squares[v] += next[v] * next[v];
                moved[c * V + v] = next[v];
            }
        if (job.normalise == CELL)
            for (int v = 0; v < V; v++) squares[v] = inverse_norm(squares[v]);
        for (int64_t c = 0; c < channels; c++) {
            if (job.normalise == CELL)
                for (int v = 0; v < V; v++) moved[c * V + v] *= squares[v];
            std::memcpy(net.target(step) + place(b, c, y, left + x), moved + c * V, cells * sizeof(float));
        }
        double total = 0;
        if (job.normalise == GRID)
            for (int64_t i = 0; i < cells; i++) total += squares[i / LANES][i % LANES];
        return total;
    }

    // The columns whose network has to be asked: they fire, and something lives near enough to matter.
    Columns<TILE> choose(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        uint8_t wanted[TILE];
        std::fill_n(wanted, TILE, uint8_t(1));
        if (net.masked()) {
            std::vector<uint8_t>& alive = near[y % MOST_ROWS];  // of the whole row, for all its tiles
            if (left == 0) net.largest_code(net.code[step % 2].get() + b * net.plane, y, 2, line, alive);
            std::copy_n(&alive[left], count, wanted);
        }
        if (job.fire_below >= 0) {
            const uint32_t key = row_key(universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step), y);
            const uint32_t most = uint32_t(job.fire_below - 1);
            for (int64_t x = 0; x < count; x++) wanted[x] &= -(word(key, left + x) <= most);
        }
        if (job.fire_below == 0) std::fill_n(wanted, TILE, uint8_t(0));
        Columns<TILE> active;
        active.want(wanted, count);
        return active;
    }

    // Hands the cells of a tile's row on as they are, and brings the inputs of those that change side by side.
    void gather(int64_t step, int64_t b, int64_t y, int64_t left, int64_t count) {
        for (int64_t c = 0; c < channels; c++) std::copy_n(row(y, c), count, net.target(step) + place(b, c, y, left));
        const Columns<TILE> active = choose(step, b, y, left, count);
        if (active.count == 0) return;
        if (gathered + active.count > ROOM) flush(step, b);
        perceive(y, count);
        for (size_t k = 0; k < inputs.size(); k++) active.squeeze(inputs[k], &packed[k * ROOM_STRIDE + gathered]);
        asked.push_back({active, y, left, gathered});
        gathered += active.count;
    }

    // Steps what was gathered.
    void flush(int64_t step, int64_t b) {
        for (int64_t at = 0; at < gathered; at += GROUP)
            in_vectors(gathered - at, [&](auto v) { propose_at<decltype(v)::value>(at); });
        for (const Asked& one : asked)
            for (int64_t c = 0; c < channels; c++)
                one.columns.add(&deltas[c * ROOM_STRIDE + one.first], net.target(step) + place(b, c, one.y, one.left));
        asked.clear();
        gathered = 0;
    }

    template <int V>
    void propose_at(int64_t at) {
        const Vec* delta = propose<V>(packed_inputs.data(), at);
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) store(&deltas[c * ROOM_STRIDE + at + v * LANES], delta[c * V + v]);
    }

    // Which cells of a row live before and after the step; the others are zero from now on.
    void mask(int64_t step, int64_t b, int64_t y) {
        const float* alpha = net.target(step) + (b * channels + job.alive_channel) * net.plane;
        net.largest_code(net.code[step % 2].get() + b * net.plane, y, 1, line, before);
        largest(job.height, width, job.boundary, y, 1, line, after,
                [&](int64_t from, uint8_t* to) { net.codes(alpha + from * width, to, width); });
        uint8_t* keep = net.keep.get() + b * net.plane + y * width;
        uint8_t* code = net.code[(step + 1) % 2].get() + b * net.plane + y * width;
        net.codes(alpha + y * width, code, width);
        combine(before.data(), after.data(), keep, code, width);
    }

    static void combine(const uint8_t* __restrict before, const uint8_t* __restrict after, uint8_t* __restrict keep,
                        uint8_t* __restrict code, int64_t count) {
        for (int64_t x = 0; x < count; x++) {
            keep[x] = before[x] == 1 && after[x] == 1;
            code[x] = keep[x] ? code[x] : 0;
        }
    }

};

// What is still pending, applied to the result.
void settle(Network& net, int64_t plane) {
    const Job& job = net.job;
    float* cells = job.next + plane * net.plane;
    const int64_t b = plane / job.channels;
    if (net.masked()) {
        const uint8_t* keep = net.keep.get() + b * net.plane;
        for (int64_t i = 0; i < net.plane; i++) cells[i] = keep[i] ? cells[i] : 0.0f;
    } else if (job.normalise == GRID) {
        for (int64_t i = 0; i < net.plane; i++) cells[i] *= net.pending[b];
    }
}

}  // namespace

// 0, or 1 when memory for it cannot be had.
extern "C" int32_t cell_network(const Job* job) try {
    Network net(*job);
    const int phases = net.phases();
    run_stages(job->threads, job->steps * phases, net.chunks, [&] { return Worker(net); },
               [&](int64_t stage) { if (stage % phases == 0) net.finish_norm(); });
    if (net.masked() || job->normalise == GRID)
        run_stages(job->threads, 1, job->batch * job->channels,
                   [&] { return [&](int64_t, int64_t plane) { settle(net, plane); }; }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
