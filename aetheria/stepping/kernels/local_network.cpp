// Steps a `CellNetwork`: perceive, dense layers and update; each cell is read once and written once a step.
//
// Cells are planar, (B, C, D, H, W) float32; D is 1 on grids of two axes, and H too on those of one. Adjacent cells of a row lie in the lanes of a vector, and products keep BLOCK x VECTORS
// accumulators in registers. An update that depends on all cells (the norm of the grid, the alive mask) is left pending, as a
// factor or a mask, and applied when the next step reads the cells; `settle` applies the last.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "column_mask.h"
#include "dense_layer.h"
#include "grid.h"
#include "hash_noise.h"
#include "job.h"
#include "parallel_stages.h"
#include "simd.h"
#include "sine.h"

constexpr int GROUP = LANES * VECTORS;      // cells that go through the network together
constexpr int TILE = 4 * GROUP;             // cells of a row that are perceived together
constexpr int MIN_ROWS = 8, MAX_ROWS = 32;  // of a chunk of work, which reads one more row above and below
constexpr int MIN_CHUNKS = 16;              // per thread, where the grid has so many: fewer leave threads idle at the end of a step
constexpr int EDGE = LANES;                 // space left of a tile's first cell
constexpr int STRIDE = EDGE + TILE + GROUP;
constexpr int GATHERED = 2 * TILE, GATHERED_STRIDE = GATHERED + GROUP;  // cells gathered from several rows

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

struct Tap { int z, y, x; float weight; };

struct Network {
    const Job& job;
    std::vector<PackedLayer> layers;
    std::vector<std::vector<Tap>> filters;  // behind those of the job, each cell around by itself, where a layer reads them
    int reach_z = 0, reach_y = 0;           // of perception, in planes and rows
    int widest = 0;                         // outputs of the widest layer, in whole blocks
    int64_t lines, plane;                   // rows and cells of a universe and channel
    int64_t tiles, rows = MIN_ROWS, chunks;
    int64_t spans = 1;  // parts of a row that are chunks of their own, where there is one row
    std::vector<float> pending;                 // factor of each universe's cells, for normalise "grid"
    std::vector<double> squares;                // sum per (universe, row, tile)
    std::unique_ptr<uint8_t[]> keep, state[2];  // per cell: 1, or 0 where it counts as zero; the state of its alive channel
    std::vector<float> moved;                   // the alive channel after the step, before it is put back; else empty

    explicit Network(const Job& j) : job(j), lines(j.depth * j.height), plane(lines * j.width) {
        for (int i = 0; i < j.layer_count; i++) layers.emplace_back(j.layers[i]);
        for (const auto& packed : layers) widest = std::max(widest, packed.outputs);
        for (int f = 0; f < j.filter_count; f++) {
            filters.emplace_back();
            for (int t = 0; t < 27; t++)
                if (const float weight = j.filters[27 * f + t]) add_tap(t, weight);
        }
        for (int t = 0; j.learned && t < 27; t++)
            if ((j.rank == 3 || t / 9 == 1) && (j.rank > 1 || t / 3 % 3 == 1)) {
                filters.emplace_back();
                add_tap(t, 1);
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

    void add_tap(int t, float weight) {
        const Tap tap{t / 9 - 1, t / 3 % 3 - 1, t % 3 - 1, weight};
        filters.back().push_back(tap);
        if (tap.z) reach_z = 1;
        if (tap.y) reach_y = 1;
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
                             [&](int64_t line, uint8_t* to) { std::copy_n(states + line * job.width, job.width, to); });
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

// Steps the chunks of one thread, in buffers of its own.
struct Worker {
    Network& net;
    const Job& job;
    const int64_t channels, width;
    std::vector<float> rows, perceived;  // (3 or 9 | filters, C, STRIDE)
    std::vector<float> packed, deltas;   // (filters | 1, C, GATHERED_STRIDE): of gathered cells
    std::vector<float> cosines, sines;   // (STRIDE)
    std::vector<const float*> inputs, packed_inputs, hidden_inputs, joined_inputs;
    std::unique_ptr<Vec[]> hidden[2];
    std::vector<uint8_t> column_max, near[MAX_ROWS], before, after;
    struct GatheredRow { ColumnMask<TILE> columns; int64_t line, left, first; };
    std::vector<GatheredRow> gathered_rows;  // rows of tiles; their columns begin at `first` in `packed`
    int64_t gathered = 0;                    // columns in `packed`

    explicit Worker(Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), rows((net.reach_z ? 9 : 3) * channels * STRIDE),
          perceived(net.filters.size() * channels * STRIDE), packed(net.filters.size() * channels * GATHERED_STRIDE),
          deltas(channels * GATHERED_STRIDE), cosines(STRIDE), sines(STRIDE), inputs(net.filters.size() * channels), packed_inputs(inputs.size()),
          hidden_inputs(net.widest), joined_inputs(job.learned ? net.layers[1].layer.inputs : 0) {
        for (auto& one : hidden) one.reset(new Vec[size_t(net.widest) * VECTORS]);
        for (size_t k = 0; k < inputs.size(); k++) packed_inputs[k] = &packed[k * GATHERED_STRIDE];
        // All memory is allocated here, where failure is reported: an exception in a thread would end the process.
        for (auto* bytes : {&column_max, &before, &after}) bytes->reserve(width + 4);
        for (auto& bytes : near) bytes.reserve(net.has_mask() ? width : 0);
        gathered_rows.reserve(GATHERED);
    }

    float* row(int64_t z, int64_t y, int64_t c) {
        const int64_t slab = net.reach_z ? (z + 3) % 3 * 3 : 0;
        return &rows[((slab + (y + 3) % 3) * channels + c) * STRIDE + EDGE];
    }

    void operator()(int64_t stage, int64_t chunk) {
        const int64_t span = chunk % net.spans, strips = net.strips(net.rows), strip = chunk / net.spans;
        const int64_t b = strip / strips / job.depth, z = strip / strips % job.depth, first = strip % strips * net.rows;
        const int64_t last = std::min(job.height, first + net.rows), step = stage / net.phases();
        if (stage % net.phases() == 1) {
            for (int64_t y = first; y < last && span == 0; y++) update_mask(step, b, z, y);
            return;
        }
        const int64_t first_tile = net.tiles * span / net.spans, last_tile = net.tiles * (span + 1) / net.spans;
        for (int64_t tile = first_tile; tile < last_tile; tile++) {
            const int64_t left = tile * TILE, count = std::min<int64_t>(TILE, width - left);
            for (int64_t y = first - net.reach_y; y < first + net.reach_y; y++) read_rows(step, b, z, y, left, count);
            for (int64_t y = first; y < last; y++) {
                if (net.has_mask() && tile == first_tile)  // of the whole row: computed once for all its tiles
                    net.largest_state(net.state[step % 2].get() + b * net.plane, z, y, 2, column_max, near[y % MAX_ROWS]);
                read_rows(step, b, z, y + net.reach_y, left, count);
                step_row(step, b, z, y, left, count);
            }
        }
        step_gathered_rows(step, b);
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

    void step_row(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        const int64_t line = z * job.height + y;
        double squares = 0;
        if (net.has_mask() || job.fire_below) {
            gather_row(step, b, z, y, left, count);
        } else {
            perceive(z, y, count);
            for (int64_t x = 0; x < count; x += GROUP) {
                const int64_t cells = std::min<int64_t>(GROUP, count - x);
                float* to = net.target(step) + index(b, 0, line, left + x);
                in_vectors(cells, [&](auto v) { squares += step_group<decltype(v)::value>(b, row(z, y, 0) + x, to, x, cells); });
            }
        }
        if (job.normalise == normalisation::GRID) net.squares[(b * net.lines + line) * net.tiles + left / TILE] = squares;
    }

    int64_t index(int64_t b, int64_t c, int64_t line, int64_t x) const {
        return (b * channels + c) * net.plane + line * width + x;
    }

    // Delta (C, V vectors) of the cells from `offset` on in `in`: the output of the last layer.
    template <int V>
    const Vec* run_layers(const float* const* in, int64_t offset) {
        const Vec* out = nullptr;
        for (size_t i = 0; i < net.layers.size(); i++) {
            Vec* to = hidden[i % 2].get();
            dense<V>(net.layers[i], i == 0 && job.learned ? in + job.filter_count * channels : in, offset, to);
            out = to;
            if (i == 0 && job.learned) {
                in = join(in, offset, to, V);
            } else {
                for (int k = 0; k < net.layers[i].outputs; k++) hidden_inputs[k] = reinterpret_cast<const float*>(to + k * V);
                in = hidden_inputs.data();
            }
            offset = 0;
        }
        return out;
    }

    // The inputs of the layer behind the learned kernels: the outputs of the filters, then those of the kernels.
    const float* const* join(const float* const* in, int64_t offset, const Vec* learned, int vectors) {
        const size_t fixed = job.filter_count * channels;
        for (size_t k = 0; k < fixed; k++) joined_inputs[k] = in[k] + offset;
        for (size_t k = fixed; k < joined_inputs.size(); k++)
            joined_inputs[k] = reinterpret_cast<const float*>(learned + (k - fixed) * vectors);
        return joined_inputs.data();
    }

    // Steps a group of adjacent cells, from row `x` of a tile; returns the sum of their squares for normalise "grid".
    template <int V>
    double step_group(int64_t b, const float* from, float* to, int64_t x, int64_t cells) {
        const Vec* delta = run_layers<V>(inputs.data(), x);
        Vec next[V], squares[V] = {};
        Vec* moved = hidden[net.layers.size() % 2].get();
        const float decay = job.decay[b];
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) {
                const Vec old = load(from + c * STRIDE + v * LANES);
                next[v] = old + delta[c * V + v] - decay * old;
                squares[v] += next[v] * next[v];
                moved[c * V + v] = next[v];
            }
        if (job.normalise == normalisation::CELL)
            for (int v = 0; v < V; v++) squares[v] = inverse_norm(squares[v]);
        for (int64_t c = 0; c < channels; c++) {
            if (job.normalise == normalisation::CELL)
                for (int v = 0; v < V; v++) moved[c * V + v] *= squares[v];
            std::memcpy(to + c * net.plane, moved + c * V, cells * sizeof(float));
        }
        double total = 0;
        if (job.normalise == normalisation::GRID)
            for (int64_t i = 0; i < cells; i++) total += squares[i / LANES][i % LANES];
        return total;
    }

    // The columns that may change: they fire, and a cell within two cells of them lives.
    ColumnMask<TILE> select_columns(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        uint8_t wanted[TILE];
        std::fill_n(wanted, TILE, uint8_t(1));
        if (net.has_mask()) std::copy_n(&near[y % MAX_ROWS][left], count, wanted);
        const int64_t below = job.fire_below ? job.fire_below[b] : 0;
        if (below > 0) {
            uint32_t key = universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step);
            if (job.rank > 2) key = row_key(key, on_torus(job.front + z, job.planes));
            if (job.rank > 1) key = row_key(key, on_torus(job.top + y, job.rows));
            const uint32_t most = uint32_t(below - 1);
            for (int64_t x = 0; x < count;) {
                const int64_t column = on_torus(job.left + left + x, job.columns);
                const int64_t end = std::min(count, x + job.columns - column);
                for (const int64_t first = x; x < end; x++) wanted[x] &= -(random_word(key, column + x - first) <= most);
            }
        }
        if (job.fire_below && below == 0) std::fill_n(wanted, TILE, uint8_t(0));
        ColumnMask<TILE> active;
        active.select(wanted, count);
        return active;
    }

    static int64_t on_torus(int64_t coordinate, int64_t side) { return (coordinate % side + side) % side; }

    // Copies a row of a tile to the next grid, and gathers the inputs of the cells that may change.
    void gather_row(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        const int64_t line = z * job.height + y;
        for (int64_t c = 0; c < channels; c++) std::copy_n(row(z, y, c), count, net.target(step) + index(b, c, line, left));
        if (!net.moved.empty()) std::copy_n(row(z, y, job.alive_channel), count, moved(b) + line * width + left);
        const ColumnMask<TILE> active = select_columns(step, b, z, y, left, count);
        if (active.count == 0) return;
        if (gathered + active.count > GATHERED) step_gathered_rows(step, b);
        perceive(z, y, count);
        for (size_t k = 0; k < inputs.size(); k++) active.compress(inputs[k], &packed[k * GATHERED_STRIDE + gathered]);
        gathered_rows.push_back({active, line, left, gathered});
        gathered += active.count;
    }

    float* moved(int64_t b) { return &net.moved[b * net.plane]; }

    // Where the change of a channel is added; null: nowhere.
    float* changed(int64_t step, int64_t b, int64_t c) {
        if (!job.kept[c]) return net.target(step) + (b * channels + c) * net.plane;
        return c == job.alive_channel ? moved(b) : nullptr;
    }

    // Steps the gathered cells.
    void step_gathered_rows(int64_t step, int64_t b) {
        for (int64_t at = 0; at < gathered; at += GROUP)
            in_vectors(gathered - at, [&](auto v) { step_gathered<decltype(v)::value>(at); });
        for (const GatheredRow& one : gathered_rows)
            for (int64_t c = 0; c < channels; c++)
                if (float* to = changed(step, b, c))
                    one.columns.expand_add(&deltas[c * GATHERED_STRIDE + one.first], to + one.line * width + one.left);
        gathered_rows.clear();
        gathered = 0;
    }

    template <int V>
    void step_gathered(int64_t at) {
        const Vec* delta = run_layers<V>(packed_inputs.data(), at);
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) store(&deltas[c * GATHERED_STRIDE + at + v * LANES], delta[c * V + v]);
    }

    // Keeps the cells of a row that live before and after the step; the others count as zero, but for kept channels.
    void update_mask(int64_t step, int64_t b, int64_t z, int64_t y) {
        const bool kept = job.kept[job.alive_channel];
        const float* alpha = kept ? moved(b) : net.target(step) + (b * channels + job.alive_channel) * net.plane;
        net.largest_state(net.state[step % 2].get() + b * net.plane, z, y, 1, column_max, before);
        largest_state_nearby(job.depth, job.height, width, job.boundary, z, y, 1, column_max, after,
                             [&](int64_t from, uint8_t* to) { net.states(alpha + from * width, to, width); });
        const int64_t at = b * net.plane + (z * job.height + y) * width;
        uint8_t *keep = net.keep.get() + at, *state = net.state[(step + 1) % 2].get() + at;
        net.states(alpha + (z * job.height + y) * width, state, width);
        combine(before.data(), after.data(), keep, state, width);
        if (kept) std::copy_n(net.state[step % 2].get() + at, width, state);
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
    if (job.kept[plane % job.channels]) return;
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
