// Training steps of a `CellNetwork` whose cells fire at random, and their gradients, in float32.
//
// Cells are (B, H, W, C). Only active cells are computed: those that fire and may live. TILE of them go through the layers at a
// time, in the cache. The layers' values are not stored for the gradients but computed again, which is faster than to read them from
// memory. Gradients of weights are summed by chunks of rows, so that they do not depend on the number of threads.
#include <algorithm>
#include <cstring>
#include <memory>

#include "grid.h"
#include "hash_noise.h"
#include "job.h"
#include "parallel_stages.h"
#include "simd.h"

constexpr int TILE = 64;     // cells that go through the layers together
constexpr int CELLS = 1024;  // minimum in a chunk of rows
constexpr int CHUNKS = 64;   // maximum in a batch, plus one per universe
#if defined(__AVX512F__)
constexpr int DOWN = 8, ALONG = 3;  // DOWN x ALONG accumulators and their factors fit in the registers
#else
constexpr int DOWN = 4, ALONG = 2;
#endif

extern "C" {
struct Layer {
    const float *weight, *bias;  // (outputs, inputs), (outputs)
    float *weight_grad, *bias_grad;
    int32_t inputs, outputs, activation;
};
struct Job {
    const Layer* layers;
    const float* filters;         // (count, 3, 3)
    float* cells;                 // (steps + 1, B, H, W, C): before the first step, and after each
    uint8_t *active, *kept;       // (steps, B, H, W): whether the cell is active; whether it lives before and after the step
    const int64_t *seed, *step;   // (B, 2), (B)
    float *grad, *previous_grad;  // gradients of the cells after a step, and before it; they swap roles at each step
    int64_t batch, channels, height, width, steps, fire_below;
    int32_t layer_count, filter_count, boundary;
    int32_t alive_channel;  // -1: all cells live
    int32_t threads;
    float alive_above;
};
}
EXPORT_SIZE(Layer)
EXPORT_SIZE(Job)

namespace {

int64_t padded(int64_t count) { return (count + 15) / 16 * 16; }  // a multiple of LANES and of DOWN

// c (R, N vectors) = from + a @ b. Element (r, k) of a is at r * row_stride + k * column_stride; rows of b and c lie `width` apart,
// rows of `from` lie `from_stride` apart, 0 to repeat one row.
template <int R, int N>
void block(const float* a, int64_t row_stride, int64_t column_stride, const float* b, int64_t width, int64_t depth,
           const float* from, int64_t from_stride, float* c) {
    Vec sum[R][N];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) sum[r][n] = load(from + r * from_stride + n * LANES);
    for (int64_t k = 0; k < depth; k++, a += column_stride, b += width) {
        Vec x[N];
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) x[n] = load(b + n * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int n = 0; n < N; n++) sum[r][n] += a[r * row_stride] * x[n];
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) store(c + r * width + n * LANES, sum[r][n]);
}

// The same for any multiple of DOWN rows and of vectors.
void product(const float* a, int64_t row_stride, int64_t column_stride, int64_t rows, const float* b, int64_t depth,
             const float* from, int64_t from_stride, float* c, int64_t width) {
    for (int64_t n = 0; n < width; n += ALONG * LANES)
        for (int64_t r = 0; r < rows; r += DOWN) {
            const auto act = [&](auto count) {
                constexpr int N = decltype(count)::value;
                block<DOWN, N>(a + r * row_stride, row_stride, column_stride, b + n, width, depth, from + r * from_stride + n,
                               from_stride, c + r * width + n);
            };
            switch (std::min<int64_t>((width - n) / LANES, ALONG)) {
                case 1: act(std::integral_constant<int, 1>()); break;
                case 2: act(std::integral_constant<int, 2>()); break;
                default: act(std::integral_constant<int, ALONG>());
            }
        }
}

struct PackedLayer {  // with rows padded to whole vectors; `weight` is (outputs, inputs)
    Layer layer;
    int64_t inputs, outputs;
    std::vector<float> transposed, weight, bias;

    explicit PackedLayer(const Layer& from)
        : layer(from), inputs(padded(from.inputs)), outputs(padded(from.outputs)), transposed(inputs * outputs),
          weight(inputs * outputs), bias(outputs) {
        std::copy_n(from.bias, from.outputs, bias.data());
        for (int64_t o = 0; o < from.outputs; o++)
            for (int64_t i = 0; i < from.inputs; i++)
                transposed[i * outputs + o] = weight[o * inputs + i] = from.weight[o * from.inputs + i];
    }
    int64_t gradient_count() const { return outputs * (inputs + 1); }  // of weight and bias
};

struct Tap { int neighbour, filter; float weight; };  // neighbours 0 to 8, in reading order

struct Network {
    const Job& job;
    const int64_t plane, rows, universe_chunks;  // rows in a chunk, chunks in a universe
    std::vector<PackedLayer> layers;
    std::vector<std::vector<Tap>> filters, of_neighbours;  // the same taps
    std::vector<uint8_t> before, after;                    // states of the cells before and after the step, by their alive channel
    std::vector<float> sums;                               // gradients of weights and biases, by chunk
    std::vector<float> outside;                            // gradients of the row above and the row below, by chunk
    int64_t gradient_count = 0;

    explicit Network(const Job& j)
        : job(j), plane(j.height * j.width),
          rows(std::max((CELLS + j.width - 1) / j.width, (j.batch * j.height + CHUNKS - 1) / CHUNKS)),
          universe_chunks((j.height + rows - 1) / rows), of_neighbours(9) {
        for (int i = 0; i < j.layer_count; i++) {
            layers.emplace_back(j.layers[i]);
            gradient_count += layers.back().gradient_count();
        }
        for (int f = 0; f < j.filter_count; f++) {
            filters.emplace_back();
            for (int t = 0; t < 9; t++)
                if (const float weight = j.filters[9 * f + t]) {
                    filters.back().push_back({t, f, weight});
                    of_neighbours[t].push_back({t, f, weight});
                }
        }
    }
    int64_t chunks() const { return job.batch * universe_chunks; }
    int64_t row_size() const { return job.width * job.channels; }
    int64_t cell_count() const { return job.batch * plane; }
};

// Steps the chunks of one thread, forward or backward, in buffers of its own.
struct Worker {
    Network& net;
    const Job& job;
    std::vector<std::vector<float>> values;  // inputs of each layer, and outputs of the last: (TILE, whole vectors)
    std::vector<float> grads[2], zeros;
    std::vector<int64_t> tile;  // indices of its cells
    std::vector<uint8_t> column_max, near, lives;
    int64_t b = 0, first = 0, last = 0;                                                  // universe and rows of the chunk
    float *cells = nullptr, *next = nullptr, *grad = nullptr, *previous_grad = nullptr;  // of the step
    uint8_t *active = nullptr, *kept = nullptr;                                          // of the step
    float *totals = nullptr, *outside[2] = {};  // of the chunk: gradients of weights; of the rows above and below

    explicit Worker(Network& n) : net(n), job(n.job) {
        int64_t widest = 0;
        values.emplace_back(TILE * net.layers[0].inputs);
        for (const auto& layer : net.layers) {
            values.emplace_back(TILE * layer.outputs);
            widest = std::max({widest, layer.inputs, layer.outputs});
        }
        for (auto& one : grads) one.resize(TILE * widest);
        zeros.resize(widest);
        tile.reserve(TILE);
        for (auto* bytes : {&column_max, &near, &lives}) bytes->reserve(job.width + 4);
    }

    void set_chunk(int64_t step, int64_t chunk) {
        cells = job.cells + step * net.cell_count() * job.channels;
        next = cells + net.cell_count() * job.channels;
        active = job.active + step * net.cell_count();
        kept = job.kept + step * net.cell_count();
        b = chunk / net.universe_chunks;
        first = chunk % net.universe_chunks * net.rows;
        last = std::min(job.height, first + net.rows);
    }
    int64_t index_of(int64_t y, int64_t x) const { return (b * job.height + y) * job.width + x; }

    // Indices of a cell and its neighbours, in reading order; -1: none.
    void neighbours(int64_t y, int64_t x, int64_t* indices) const {
        int64_t rows[3], columns[3];
        for (int i = 0; i < 3; i++) {
            rows[i] = source_index(y + i - 1, job.height, job.boundary);
            columns[i] = source_index(x + i - 1, job.width, job.boundary);
        }
        for (int t = 0; t < 9; t++)
            indices[t] = rows[t / 3] < 0 || columns[t % 3] < 0 ? -1 : index_of(rows[t / 3], columns[t % 3]);
    }

    void set_states(const float* cells, uint8_t* out) const {
        for (int64_t i = index_of(first, 0); i < index_of(last, 0); i++)
            out[i] = job.alive_channel < 0 ? 1 : alive_state(cells[i * job.channels + job.alive_channel], job.alive_above);
    }
    void largest_state(const std::vector<uint8_t>& states, int64_t y, int64_t radius, std::vector<uint8_t>& out) {
        largest_state_nearby(1, job.height, job.width, job.boundary, 0, y, radius, column_max, out,
                             [&](int64_t row, uint8_t*) { return &states[index_of(row, 0)]; });
    }

    // -- forward -----------------------------------------------------------------------------------------------------------

    void step(int64_t stage, int64_t chunk) {
        set_chunk(stage / 3, chunk);
        if (stage % 3 == 0) set_states(cells, net.before.data());
        else if (stage % 3 == 1) advance(stage / 3);
        else mask();
    }

    void advance(int64_t step) {
        const int64_t count = (last - first) * job.width * job.channels, from = index_of(first, 0) * job.channels;
        std::copy_n(cells + from, count, next + from);
        const uint32_t universe = universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step);
        for (int64_t y = first; y < last; y++) {
            largest_state(net.before, y, 2, near);  // radius 2: a dead cell next to living ones may keep them alive
            const uint32_t key = row_key(universe, y);
            for (int64_t x = 0; x < job.width; x++) {
                const bool fires = near[x] && random_word(key, x) < job.fire_below;
                active[index_of(y, x)] = fires;
                if (fires && perceive(y, x)) step_tile();
            }
        }
        step_tile();
        set_states(next, net.after.data());
    }

    // Adds a cell's perception to the tile; returns whether the tile is full.
    bool perceive(int64_t y, int64_t x) {
        int64_t near[9];
        neighbours(y, x, near);
        const float* around[9];
        for (int t = 0; t < 9; t++) around[t] = near[t] < 0 ? zeros.data() : cells + near[t] * job.channels;
        float* to = &values[0][tile.size() * net.layers[0].inputs];
        for (const auto& taps : net.filters) {
            for (int64_t c = 0; c < job.channels; c += LANES) {
                const int count = int(std::min<int64_t>(LANES, job.channels - c));
                Vec sum{};
                for (const auto& tap : taps) sum += tap.weight * load_some(around[tap.neighbour] + c, count);
                store_some(to + c, sum, count);
            }
            to += job.channels;
        }
        tile.push_back(index_of(y, x));
        return tile.size() == TILE;
    }

    int64_t filled() const { return std::min<int64_t>(TILE, (int64_t(tile.size()) + DOWN - 1) / DOWN * DOWN); }

    void run_layers() {
        for (size_t l = 0; l < net.layers.size(); l++) {
            const PackedLayer& p = net.layers[l];
            float* out = values[l + 1].data();
            product(values[l].data(), p.inputs, 1, filled(), p.transposed.data(), p.layer.inputs, p.bias.data(), 0, out, p.outputs);
            with_activation(p.layer.activation, [&](auto activation) {
                if (activation == NONE) return;
                for (int64_t i = 0; i < filled() * p.outputs; i += LANES) store(out + i, activated<activation>(load(out + i)));
            });
        }
    }

    void step_tile() {
        if (tile.empty()) return;
        run_layers();
        const int64_t width = net.layers.back().outputs;
        for (size_t r = 0; r < tile.size(); r++)
            for (int64_t c = 0; c < job.channels; c++) next[tile[r] * job.channels + c] += values.back()[r * width + c];
        tile.clear();
    }

    void mask() {
        for (int64_t y = first; y < last; y++) {
            largest_state(net.before, y, 1, lives);
            largest_state(net.after, y, 1, near);
            for (int64_t x = 0; x < job.width; x++) {
                const bool stays = lives[x] == 1 && near[x] == 1;
                kept[index_of(y, x)] = stays;
                if (stays) continue;
                active[index_of(y, x)] = false;
                std::fill_n(next + index_of(y, x) * job.channels, job.channels, 0.0f);
            }
        }
    }

    // -- backward ----------------------------------------------------------------------------------------------------------

    void step_back(int64_t stage, int64_t chunk) {
        set_chunk(job.steps - 1 - stage, chunk);
        grad = stage % 2 ? job.previous_grad : job.grad;
        previous_grad = stage % 2 ? job.grad : job.previous_grad;
        totals = &net.sums[chunk * net.gradient_count];
        outside[0] = &net.outside[2 * chunk * net.row_size()];
        outside[1] = outside[0] + net.row_size();
        std::fill_n(outside[0], 2 * net.row_size(), 0.0f);
        for (int64_t i = index_of(first, 0); i < index_of(last, 0); i++) {  // the path past the network: cells + Delta
            float* to = previous_grad + i * job.channels;
            if (kept[i]) std::copy_n(grad + i * job.channels, job.channels, to);
            else std::fill_n(to, job.channels, 0.0f);
        }
        for (int64_t y = first; y < last; y++)
            for (int64_t x = 0; x < job.width; x++)
                if (active[index_of(y, x)] && perceive(y, x)) propagate_tile();
        propagate_tile();
    }

    // Propagates the gradients of the cells in the tile back to the weights and to the cells that they perceived.
    void propagate_tile() {
        if (tile.empty()) return;
        run_layers();
        float *out = grads[0].data(), *in = grads[1].data();
        std::fill_n(out, filled() * net.layers.back().outputs, 0.0f);
        for (size_t r = 0; r < tile.size(); r++)
            std::copy_n(grad + tile[r] * job.channels, job.channels, out + r * net.layers.back().outputs);
        float* sums = totals + net.gradient_count;
        for (size_t l = net.layers.size(); l-- > 0;) {
            const PackedLayer& p = net.layers[l];
            if (p.layer.activation != NONE) before_activation(values[l + 1].data(), p, out);
            sums -= p.gradient_count();
            product(out, 1, p.outputs, p.outputs, values[l].data(), filled(), sums, p.inputs, sums, p.inputs);
            float* bias = sums + p.outputs * p.inputs;
            for (int64_t r = 0; r < filled(); r++)
                for (int64_t o = 0; o < p.outputs; o++) bias[o] += out[r * p.outputs + o];
            product(out, p.outputs, 1, filled(), p.weight.data(), p.layer.outputs, zeros.data(), 0, in, p.inputs);
            std::swap(out, in);
        }
        for (size_t r = 0; r < tile.size(); r++)
            add_to_neighbours(tile[r] / job.width % job.height, tile[r] % job.width, out + r * net.layers[0].inputs);
        tile.clear();
    }

    // The gradient before an activation, from its outputs.
    void before_activation(const float* out, const PackedLayer& p, float* grad) const {
        for (int64_t i = 0; i < filled() * p.outputs; i += LANES) {
            const Vec y = load(out + i), g = load(grad + i);
            store(grad + i, y > 0.0f ? g : p.layer.activation == RELU ? Vec{} : g * (y + 1.0f));
        }
    }

    // Adds the gradient of a cell's perception to those of its neighbours; rows beyond the chunk have buffers of their own.
    void add_to_neighbours(int64_t y, int64_t x, const float* perceived) {
        for (int t = 0; t < 9; t++) {
            const int64_t row = y + t / 3 - 1, column = source_index(x + t % 3 - 1, job.width, job.boundary);
            if (column < 0 || net.of_neighbours[t].empty()) continue;
            float* to = row < first ? outside[0] : row == last ? outside[1] : previous_grad + index_of(row, 0) * job.channels;
            to += column * job.channels;
            for (int64_t c = 0; c < job.channels; c += LANES) {
                const int count = int(std::min<int64_t>(LANES, job.channels - c));
                Vec sum = load_some(to + c, count);
                for (const auto& tap : net.of_neighbours[t])
                    sum += tap.weight * load_some(perceived + tap.filter * job.channels + c, count);
                store_some(to + c, sum, count);
            }
        }
    }
};

// Adds the chunks' gradients of the rows above and below them; like add_up, in the same order for any number of threads.
void add_outside_rows(const Network& net, float* previous_grad) {
    const Job& job = net.job;
    for (int64_t chunk = 0; chunk < net.chunks(); chunk++) {
        const int64_t b = chunk / net.universe_chunks, first = chunk % net.universe_chunks * net.rows;
        const int64_t last = std::min(job.height, first + net.rows);
        for (int side = 0; side < 2; side++) {
            const int64_t row = source_index(side ? last : first - 1, job.height, job.boundary);
            if (row < 0) continue;
            const float* from = &net.outside[(2 * chunk + side) * net.row_size()];
            float* to = previous_grad + (b * job.height + row) * net.row_size();
            for (int64_t i = 0; i < net.row_size(); i++) to[i] += from[i];
        }
    }
}

// Adds up the chunks' gradients of the weights.
void add_up(const Network& net) {
    int64_t from = 0;
    for (const auto& p : net.layers) {
        const int64_t inputs = p.layer.inputs, outputs = p.layer.outputs;
        std::fill_n(p.layer.weight_grad, inputs * outputs, 0.0f);
        std::fill_n(p.layer.bias_grad, outputs, 0.0f);
        for (int64_t chunk = 0; chunk < net.chunks(); chunk++) {
            const float* sums = &net.sums[chunk * net.gradient_count + from];
            for (int64_t o = 0; o < outputs; o++) {
                for (int64_t i = 0; i < inputs; i++) p.layer.weight_grad[o * inputs + i] += sums[o * p.inputs + i];
                p.layer.bias_grad[o] += sums[p.outputs * p.inputs + o];
            }
        }
        from += p.gradient_count();
    }
}

}  // namespace

// Both return 0, or 1 if out of memory.
extern "C" int32_t forward(const Job* job) try {
    Network net(*job);
    for (auto* states : {&net.before, &net.after}) states->resize(job->batch * net.plane);
    const auto worker = [&] {
        return [w = std::make_shared<Worker>(net)](int64_t stage, int64_t chunk) { w->step(stage, chunk); };
    };
    run_stages(job->threads, 3 * job->steps, net.chunks(), worker, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

extern "C" int32_t backward(const Job* job) try {
    Network net(*job);
    net.sums.resize(net.chunks() * net.gradient_count);
    net.outside.resize(net.chunks() * 2 * net.row_size());
    const auto worker = [&] {
        return [w = std::make_shared<Worker>(net)](int64_t stage, int64_t chunk) { w->step_back(stage, chunk); };
    };
    run_stages(job->threads, job->steps, net.chunks(), worker,
               [&](int64_t stage) { add_outside_rows(net, stage % 2 ? job->grad : job->previous_grad); });
    add_up(net);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
