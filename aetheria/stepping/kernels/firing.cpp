// Steps of a `CellNetwork` whose cells fire at random, for a training, and their gradients, in float32.
//
// Cells are (B, H, W, C): a cell's channels side by side. Only cells that fire and could live are asked; TILE of them go through
// the layers at a time, in the cache. What the layers held is not kept for the gradients but computed again, which takes less
// time than memory does. Gradients of weights are summed chunk by chunk of rows, so that they do not depend on the threads.
#include <algorithm>
#include <cstring>
#include <memory>

#include "grid.h"
#include "lanes.h"
#include "stages.h"

constexpr int TILE = 64;    // cells that go through the layers together
constexpr int CELLS = 1024; // fewest in a chunk of rows
constexpr int CHUNKS = 64;  // most in a batch, but for one more each universe
#if defined(__AVX512F__)
constexpr int DOWN = 8, ALONG = 3;  // DOWN x ALONG accumulators, and what is multiplied, fit the registers
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
    const float* filters;        // (count, 3, 3)
    float* cells;                // (steps + 1, B, H, W, C): before the first step, and after each
    uint8_t *asked, *kept;       // (steps, B, H, W): whether the network's answer counts; whether the cell lives before and after
    const int64_t *seed, *step;  // (B, 2), (B)
    float *grad, *back;          // of the cells after a step, and before it; after an even number of steps the last is in `grad`
    int64_t batch, channels, height, width, steps, fire_below;
    int32_t layer_count, filter_count, boundary, alive_channel, threads;  // alive_channel: -1 where all cells live
    float alive_above;
};
}

namespace {

int64_t whole(int64_t count) { return (count + 15) / 16 * 16; }  // vectors, and DOWN rows

// c (R, N vectors) = from + a @ b, where a's number (r, k) lies at r * down + k * along, rows of b and c lie `wide` apart, and those
// of `from` `apart`: 0 for the same row each time.
template <int R, int N>
void block(const float* a, int64_t down, int64_t along, const float* b, int64_t wide, int64_t depth, const float* from,
           int64_t apart, float* c) {
    Vec sum[R][N];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) sum[r][n] = load(from + r * apart + n * LANES);
    for (int64_t k = 0; k < depth; k++, a += along, b += wide) {
        Vec x[N];
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) x[n] = load(b + n * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int n = 0; n < N; n++) sum[r][n] += a[r * down] * x[n];
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) store(c + r * wide + n * LANES, sum[r][n]);
}

// The same for any whole number of DOWN rows and of vectors.
void product(const float* a, int64_t down, int64_t along, int64_t rows, const float* b, int64_t depth, const float* from,
             int64_t apart, float* c, int64_t wide) {
    for (int64_t n = 0; n < wide; n += ALONG * LANES)
        for (int64_t r = 0; r < rows; r += DOWN) {
            const auto act = [&](auto count) {
                constexpr int N = decltype(count)::value;
                block<DOWN, N>(a + r * down, down, along, b + n, wide, depth, from + r * apart + n, apart, c + r * wide + n);
            };
            switch (std::min<int64_t>((wide - n) / LANES, ALONG)) {
                case 1: act(std::integral_constant<int, 1>()); break;
                case 2: act(std::integral_constant<int, 2>()); break;
                default: act(std::integral_constant<int, ALONG>());
            }
        }
}

struct Packed {  // a layer with rows of whole vectors; `back` is (outputs, inputs), `weight` its transpose
    Layer layer;
    int64_t inputs, outputs;
    std::vector<float> weight, back, bias;

    explicit Packed(const Layer& from)
        : layer(from), inputs(whole(from.inputs)), outputs(whole(from.outputs)), weight(inputs * outputs),
          back(inputs * outputs), bias(outputs) {
        std::copy_n(from.bias, from.outputs, bias.data());
        for (int64_t o = 0; o < from.outputs; o++)
            for (int64_t i = 0; i < from.inputs; i++)
                weight[i * outputs + o] = back[o * inputs + i] = from.weight[o * from.inputs + i];
    }
    int64_t numbers() const { return outputs * (inputs + 1); }  // of the gradients of weight and bias
};

struct Tap { int neighbour, filter; float weight; };  // neighbours 0 to 8, in reading order

struct Network {
    const Job& job;
    const int64_t plane, rows, strips;  // rows in a chunk, chunks in a universe
    std::vector<Packed> layers;
    std::vector<std::vector<Tap>> filters, of_neighbours;  // the same taps
    std::vector<uint8_t> before, after;  // codes of the alive channel
    std::vector<float> sums;             // each chunk's gradients of weights and biases
    std::vector<float> beside;           // each chunk's gradients of the row above it and of the row below
    int64_t numbers = 0;

    explicit Network(const Job& j)
        : job(j), plane(j.height * j.width),
          rows(std::max((CELLS + j.width - 1) / j.width, (j.batch * j.height + CHUNKS - 1) / CHUNKS)),
          strips((j.height + rows - 1) / rows), of_neighbours(9) {
        for (int i = 0; i < j.layer_count; i++) {
            layers.emplace_back(j.layers[i]);
            numbers += layers.back().numbers();
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
    int64_t chunks() const { return job.batch * strips; }
    int64_t line() const { return job.width * job.channels; }
    int64_t size() const { return job.batch * plane; }  // cells
};

// One thread's share: its buffers, and what it does with a chunk of rows.
struct Worker {
    Network& net;
    const Job& job;
    std::vector<std::vector<float>> values;  // what goes into each layer, and what comes out of the last: (TILE, whole vectors)
    std::vector<float> grads[2], nothing;
    std::vector<int64_t> places;             // of the cells in the tile
    std::vector<uint8_t> line, near, lives;
    int64_t b = 0, first = 0, last = 0;      // the chunk
    float *cells = nullptr, *next = nullptr, *grad = nullptr, *back = nullptr;  // those of the step
    uint8_t *asked = nullptr, *kept = nullptr;
    float *totals = nullptr, *beside[2] = {};  // its gradients of weights, and of the rows beside it

    explicit Worker(Network& n) : net(n), job(n.job) {
        int64_t widest = 0;
        values.emplace_back(TILE * net.layers[0].inputs);
        for (const auto& layer : net.layers) {
            values.emplace_back(TILE * layer.outputs);
            widest = std::max({widest, layer.inputs, layer.outputs});
        }
        for (auto& one : grads) one.resize(TILE * widest);
        nothing.resize(widest);
        places.reserve(TILE);
        for (auto* bytes : {&line, &near, &lives}) bytes->reserve(job.width + 4);
    }

    void take(int64_t step, int64_t chunk) {
        cells = job.cells + step * net.size() * job.channels;
        next = cells + net.size() * job.channels;
        asked = job.asked + step * net.size();
        kept = job.kept + step * net.size();
        b = chunk / net.strips;
        first = chunk % net.strips * net.rows;
        last = std::min(job.height, first + net.rows);
    }
    int64_t place(int64_t y, int64_t x) const { return (b * job.height + y) * job.width + x; }

    // Where a cell and its neighbours lie, in reading order; -1 where there is none.
    void neighbours(int64_t y, int64_t x, int64_t* places) const {
        int64_t rows[3], columns[3];
        for (int i = 0; i < 3; i++) {
            rows[i] = beyond(y + i - 1, job.height, job.boundary);
            columns[i] = beyond(x + i - 1, job.width, job.boundary);
        }
        for (int t = 0; t < 9; t++) places[t] = rows[t / 3] < 0 || columns[t % 3] < 0 ? -1 : place(rows[t / 3], columns[t % 3]);
    }

    void codes(const float* cells, uint8_t* out) const {
        for (int64_t i = place(first, 0); i < place(last, 0); i++)
            out[i] = job.alive_channel < 0 ? 1 : code_of(cells[i * job.channels + job.alive_channel], job.alive_above);
    }
    void largest_code(const std::vector<uint8_t>& codes, int64_t y, int64_t around, std::vector<uint8_t>& out) {
        largest(job.height, job.width, job.boundary, y, around, line, out,
                [&](int64_t row, uint8_t* to) { std::copy_n(&codes[place(row, 0)], job.width, to); });
    }

    // -- forwards ----------------------------------------------------------------------------------------------------------

    void step(int64_t stage, int64_t chunk) {
        take(stage / 3, chunk);
        if (stage % 3 == 0) codes(cells, net.before.data());
        else if (stage % 3 == 1) advance(stage / 3);
        else mask();
    }

    void advance(int64_t step) {
        const int64_t count = (last - first) * job.width * job.channels, from = place(first, 0) * job.channels;
        std::copy_n(cells + from, count, next + from);
        const uint32_t universe = universe_key(job.seed[2 * b], job.seed[2 * b + 1], job.step[b] + step);
        for (int64_t y = first; y < last; y++) {
            largest_code(net.before, y, 2, near);  // a dead cell next to living ones may keep them alive
            const uint32_t key = row_key(universe, y);
            for (int64_t x = 0; x < job.width; x++) {
                const bool wanted = near[x] && word(key, x) < job.fire_below;
                asked[place(y, x)] = wanted;
                if (wanted && see(y, x)) move();
            }
        }
        move();
        codes(next, net.after.data());
    }

    // Perceives a cell into the tile; whether the tile is full.
    bool see(int64_t y, int64_t x) {
        int64_t near[9];
        neighbours(y, x, near);
        const float* around[9];
        for (int t = 0; t < 9; t++) around[t] = near[t] < 0 ? nothing.data() : cells + near[t] * job.channels;
        float* to = &values[0][places.size() * net.layers[0].inputs];
        for (const auto& taps : net.filters) {
            for (int64_t c = 0; c < job.channels; c += LANES) {
                const int count = int(std::min<int64_t>(LANES, job.channels - c));
                Vec sum{};
                for (const auto& tap : taps) sum += tap.weight * load_some(around[tap.neighbour] + c, count);
                store_some(to + c, sum, count);
            }
            to += job.channels;
        }
        places.push_back(place(y, x));
        return places.size() == TILE;
    }

    int64_t filled() const { return std::min<int64_t>(TILE, (int64_t(places.size()) + DOWN - 1) / DOWN * DOWN); }

    void think() {
        for (size_t l = 0; l < net.layers.size(); l++) {
            const Packed& p = net.layers[l];
            float* out = values[l + 1].data();
            product(values[l].data(), p.inputs, 1, filled(), p.weight.data(), p.layer.inputs, p.bias.data(), 0, out, p.outputs);
            if (p.layer.activation == NONE) continue;
            for (int64_t i = 0; i < filled() * p.outputs; i += LANES) store(out + i, activated(load(out + i), p.layer.activation));
        }
    }

    void move() {
        if (places.empty()) return;
        think();
        const int64_t wide = net.layers.back().outputs;
        for (size_t r = 0; r < places.size(); r++)
            for (int64_t c = 0; c < job.channels; c++) next[places[r] * job.channels + c] += values.back()[r * wide + c];
        places.clear();
    }

    void mask() {
        for (int64_t y = first; y < last; y++) {
            largest_code(net.before, y, 1, lives);
            largest_code(net.after, y, 1, near);
            for (int64_t x = 0; x < job.width; x++) {
                const bool stays = lives[x] == 1 && near[x] == 1;
                kept[place(y, x)] = stays;
                if (stays) continue;
                asked[place(y, x)] = false;
                std::fill_n(next + place(y, x) * job.channels, job.channels, 0.0f);
            }
        }
    }

    // -- backwards ---------------------------------------------------------------------------------------------------------

    void back_from(int64_t stage, int64_t chunk) {
        take(job.steps - 1 - stage, chunk);
        grad = stage % 2 ? job.back : job.grad;
        back = stage % 2 ? job.grad : job.back;
        totals = &net.sums[chunk * net.numbers];
        beside[0] = &net.beside[2 * chunk * net.line()];
        beside[1] = beside[0] + net.line();
        std::fill_n(beside[0], 2 * net.line(), 0.0f);
        for (int64_t i = place(first, 0); i < place(last, 0); i++) {  // of what became of the cells
            float* to = back + i * job.channels;
            if (kept[i]) std::copy_n(grad + i * job.channels, job.channels, to);
            else std::fill_n(to, job.channels, 0.0f);
        }
        for (int64_t y = first; y < last; y++)
            for (int64_t x = 0; x < job.width; x++)
                if (asked[place(y, x)] && see(y, x)) learn();
        learn();
    }

    // The gradients of the cells in the tile: of the weights, and of what each perceived.
    void learn() {
        if (places.empty()) return;
        think();
        float *out = grads[0].data(), *in = grads[1].data();
        std::fill_n(out, filled() * net.layers.back().outputs, 0.0f);
        for (size_t r = 0; r < places.size(); r++)
            std::copy_n(grad + places[r] * job.channels, job.channels, out + r * net.layers.back().outputs);
        float* sums = totals + net.numbers;
        for (size_t l = net.layers.size(); l-- > 0;) {
            const Packed& p = net.layers[l];
            if (p.layer.activation != NONE) through(values[l + 1].data(), p, out);
            sums -= p.numbers();
            product(out, 1, p.outputs, p.outputs, values[l].data(), filled(), sums, p.inputs, sums, p.inputs);
            float* bias = sums + p.outputs * p.inputs;
            for (int64_t r = 0; r < filled(); r++)
                for (int64_t o = 0; o < p.outputs; o++) bias[o] += out[r * p.outputs + o];
            product(out, p.outputs, 1, filled(), p.back.data(), p.layer.outputs, nothing.data(), 0, in, p.inputs);
            std::swap(out, in);
        }
        for (size_t r = 0; r < places.size(); r++)
            spread(places[r] / job.width % job.height, places[r] % job.width, out + r * net.layers[0].inputs);
        places.clear();
    }

    // The gradient before an activation, from what came out of it.
    void through(const float* out, const Packed& p, float* grad) const {
        for (int64_t i = 0; i < filled() * p.outputs; i += LANES) {
            const Vec y = load(out + i), g = load(grad + i);
            store(grad + i, y > 0.0f ? g : p.layer.activation == RELU ? Vec{} : g * (y + 1.0f));
        }
    }

    // Adds the gradient of what a cell perceived to those of its neighbours; rows beyond the chunk are kept beside it.
    void spread(int64_t y, int64_t x, const float* seen) {
        for (int t = 0; t < 9; t++) {
            const int64_t row = y + t / 3 - 1, column = beyond(x + t % 3 - 1, job.width, job.boundary);
            if (column < 0 || net.of_neighbours[t].empty()) continue;
            float* to = row < first ? beside[0] : row == last ? beside[1] : back + place(row, 0) * job.channels;
            to += column * job.channels;
            for (int64_t c = 0; c < job.channels; c += LANES) {
                const int count = int(std::min<int64_t>(LANES, job.channels - c));
                Vec sum = load_some(to + c, count);
                for (const auto& tap : net.of_neighbours[t])
                    sum += tap.weight * load_some(seen + tap.filter * job.channels + c, count);
                store_some(to + c, sum, count);
            }
        }
    }
};

// Adds what chunks have of the rows beside them; in the same order however many threads there are, like the next.
void join(const Network& net, float* back) {
    const Job& job = net.job;
    for (int64_t chunk = 0; chunk < net.chunks(); chunk++) {
        const int64_t b = chunk / net.strips, first = chunk % net.strips * net.rows, last = std::min(job.height, first + net.rows);
        for (int side = 0; side < 2; side++) {
            const int64_t row = beyond(side ? last : first - 1, job.height, job.boundary);
            if (row < 0) continue;
            const float* from = &net.beside[(2 * chunk + side) * net.line()];
            float* to = back + (b * job.height + row) * net.line();
            for (int64_t i = 0; i < net.line(); i++) to[i] += from[i];
        }
    }
}

// What chunks have of the weights' gradients.
void add_up(const Network& net) {
    int64_t from = 0;
    for (const auto& p : net.layers) {
        const int64_t inputs = p.layer.inputs, outputs = p.layer.outputs;
        std::fill_n(p.layer.weight_grad, inputs * outputs, 0.0f);
        std::fill_n(p.layer.bias_grad, outputs, 0.0f);
        for (int64_t chunk = 0; chunk < net.chunks(); chunk++) {
            const float* sums = &net.sums[chunk * net.numbers + from];
            for (int64_t o = 0; o < outputs; o++) {
                for (int64_t i = 0; i < inputs; i++) p.layer.weight_grad[o * inputs + i] += sums[o * p.inputs + i];
                p.layer.bias_grad[o] += sums[p.outputs * p.inputs + o];
            }
        }
        from += p.numbers();
    }
}

}  // namespace

// Both return 0, or 1 when memory cannot be had.
extern "C" int32_t forwards(const Job* job) try {
    Network net(*job);
    for (auto* codes : {&net.before, &net.after}) codes->resize(job->batch * net.plane);
    const auto worker = [&] {
        return [w = std::make_shared<Worker>(net)](int64_t stage, int64_t chunk) { w->step(stage, chunk); };
    };
    run_stages(job->threads, 3 * job->steps, net.chunks(), worker, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

extern "C" int32_t backwards(const Job* job) try {
    Network net(*job);
    net.sums.resize(net.chunks() * net.numbers);
    net.beside.resize(net.chunks() * 2 * net.line());
    const auto worker = [&] {
        return [w = std::make_shared<Worker>(net)](int64_t stage, int64_t chunk) { w->back_from(stage, chunk); };
    };
    run_stages(job->threads, job->steps, net.chunks(), worker,
               [&](int64_t stage) { join(net, stage % 2 ? job->grad : job->back); });
    add_up(net);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
