// Steps a `CellNetwork`: perceive, dense layers and update; each cell is read once and written once a step.
//
// Cells are planar, (B, C, D, H, W) float32; D is 1 on grids of two axes, and H too on those of one. Adjacent cells of a row lie in
// the lanes of a vector, and products keep BLOCK x VECTORS accumulators in registers. An update that depends on all cells (the norm
// of the grid, the alive mask) is left pending, as a factor or a mask, and applied when the next step reads the cells; `settle`
// applies the last.
#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "column_mask.h"
#include "hash_noise.h"
#include "layer_chain.h"
#include "network_job.h"
#include "parallel_stages.h"
#include "perception.h"

constexpr int GATHERED = 2 * TILE, GATHERED_STRIDE = GATHERED + GROUP;  // cells gathered from several rows

namespace {

// Steps the chunks of one thread, in buffers of its own.
struct Worker {
    Network& net;
    const Job& job;
    const int64_t channels, width;
    Perception perception;
    LayerChain layers;
    Rows<GATHERED_STRIDE> packed, deltas;  // (filters | 1, C): of gathered cells
    std::vector<const float*> packed_inputs;
    std::vector<uint8_t> column_max, near[MAX_ROWS], before, after;
    struct GatheredRow { ColumnMask<TILE> columns; int64_t line, left, first; };
    std::vector<GatheredRow> gathered_rows;  // rows of tiles; their columns begin at `first` in `packed`
    int64_t gathered = 0;                    // columns in `packed`

    explicit Worker(Network& n)
        : net(n), job(n.job), channels(job.channels), width(job.width), perception(n), layers(n),
          packed(net.filters.size() * channels), deltas(channels),
          packed_inputs(net.filters.size() * channels) {
        for (size_t k = 0; k < packed_inputs.size(); k++) packed_inputs[k] = packed[k];
        // All memory is allocated here, where failure is reported: an exception in a thread would end the process.
        for (auto* bytes : {&column_max, &before, &after}) bytes->reserve(width + 4);
        for (auto& bytes : near) bytes.reserve(net.has_mask() ? width : 0);
        gathered_rows.reserve(GATHERED);
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
            for (int64_t y = first - net.reach_y; y < first + net.reach_y; y++) perception.read_rows(step, b, z, y, left, count);
            for (int64_t y = first; y < last; y++) {
                if (net.has_mask() && tile == first_tile)  // of the whole row: computed once for all its tiles
                    net.largest_state(net.state[step % 2].get() + b * net.plane, z, y, 2, column_max, near[y % MAX_ROWS]);
                perception.read_rows(step, b, z, y + net.reach_y, left, count);
                step_row(step, b, z, y, left, count);
            }
        }
        step_gathered_rows(step, b);
    }

    void step_row(int64_t step, int64_t b, int64_t z, int64_t y, int64_t left, int64_t count) {
        const int64_t line = z * job.height + y;
        double squares = 0;
        if (net.has_mask() || job.fire_below) {
            gather_row(step, b, z, y, left, count);
        } else {
            perception.perceive(z, y, count);
            for (int64_t x = 0; x < count; x += GROUP) {
                const int64_t cells = std::min<int64_t>(GROUP, count - x);
                float* to = net.target(step) + index(b, 0, line, left + x);
                const float* from = perception.row(z, y, 0) + x;
                in_vectors(cells, [&](auto v) { squares += step_group<decltype(v)::value>(b, from, to, x, cells); });
            }
        }
        if (job.normalise == normalisation::GRID) net.squares[(b * net.lines + line) * net.tiles + left / TILE] = squares;
    }

    int64_t index(int64_t b, int64_t c, int64_t line, int64_t x) const {
        return (b * channels + c) * net.plane + line * width + x;
    }

    // Steps a group of adjacent cells, from row `x` of a tile; returns the sum of their squares for normalise "grid".
    template <int V>
    double step_group(int64_t b, const float* from, float* to, int64_t x, int64_t cells) {
        const Vec* delta = layers.run<V>(perception.inputs.data(), x);
        Vec next[V], squares[V] = {};
        Vec* moved = layers.spare();
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
        uint8_t wanted[TILE] = {};
        const uint8_t* living = net.has_mask() ? &near[y % MAX_ROWS][left] : nullptr;
        for (int64_t x = 0; x < count; x++) wanted[x] = !living || living[x] != 0;
        const int64_t below = job.fire_below ? job.fire_below[b] : 0;
        if (below > 0) {
            uint32_t key = universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step);
            if (job.rank > 2) key = row_key(key, on_torus(job.front + z, job.planes));
            if (job.rank > 1) key = row_key(key, on_torus(job.top + y, job.rows));
            const uint32_t most = uint32_t(below - 1);
            for (int64_t x = 0; x < count;) {
                const int64_t column = on_torus(job.left + left + x, job.columns);
                const int64_t end = std::min(count, x + job.columns - column);
                const uint32_t first = uint32_t(column - x);
                for (; x < end; x++) wanted[x] &= random_word(key, first + uint32_t(x)) <= most;
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
        for (int64_t c = 0; c < channels; c++)
            std::copy_n(perception.row(z, y, c), count, net.target(step) + index(b, c, line, left));
        if (!net.moved.empty()) std::copy_n(perception.row(z, y, job.alive_channel), count, moved(b) + line * width + left);
        const ColumnMask<TILE> active = select_columns(step, b, z, y, left, count);
        if (active.count == 0) return;
        if (gathered + active.count > GATHERED) step_gathered_rows(step, b);
        perception.perceive(z, y, count);
        for (size_t k = 0; k < packed_inputs.size(); k++)
            active.compress(perception.inputs[k], packed[k] + gathered);
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
                    one.columns.expand_add(deltas[c] + one.first, to + one.line * width + one.left);
        gathered_rows.clear();
        gathered = 0;
    }

    template <int V>
    void step_gathered(int64_t at) {
        const Vec* delta = layers.run<V>(packed_inputs.data(), at);
        for (int64_t c = 0; c < channels; c++)
            for (int v = 0; v < V; v++) store(deltas[c] + at + v * LANES, delta[c * V + v]);
    }

    // Keeps the cells of a row that live before and after the step; the others count as zero, but for kept channels.
    void update_mask(int64_t step, int64_t b, int64_t z, int64_t y) {
        const bool kept = job.kept[job.alive_channel];
        const float* alpha = kept ? moved(b) : net.target(step) + (b * channels + job.alive_channel) * net.plane;
        net.largest_state(net.state[step % 2].get() + b * net.plane, z, y, 1, column_max, before);
        largest_state_nearby(job.depth, job.height, width, job.boundary, z, y, 1, column_max, after,
                             [&](int64_t from, uint8_t* to) { return net.states(alpha + from * width, to, width); });
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
