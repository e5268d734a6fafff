// 3x3 convolutions on the CPU by minimal filtering, F(4x4, 3x3): a tile of 6 x 6 cells gives 4 x 4 of the next with 36 products
// for each pair of channels, where the sums as they are written take 144.
//
// Cells are (batch, height, width, channels). A chunk of work is a few tiles: their transforms lie in `seen` as
// [POINTS][channels / LANES][tiles][LANES], so that products read LANES channels of ROWS tiles at fixed distances; their products
// with one block of outputs at a time in `products`, [POINTS][tiles][OUTPUTS vectors]. Both stay in cache. What is made of a tile
// is written once, after norm and activation.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "grid.h"
#include "lanes.h"
#include "products.h"
#include "stages.h"
#include "transforms.h"

constexpr int64_t RUN = 6, COLUMNS = INNER * RUN + SIDE - INNER;  // tiles that are transformed together; their columns
constexpr int64_t CACHE = 1 << 19;  // bytes that `seen` and `made` may take: half of what a core has

extern "C" struct Job {
    const Stored* source[2];  // the channels of the second follow those of the first; (batch, height, width, channels)
    const Number* weight;    // as `pack` leaves them
    const float* unit;       // (places, outputs): of an output's products, as `pack` leaves them
    const float *bias, *scale;  // (outputs) or null
    const Stored* more;         // null, or what is added to the sums, laid out like `next`
    Stored* next;
    int64_t batch, height, width;  // of the source
    int32_t channels[2], outputs, boundary, activation, threads;
    float eps;
};

namespace {

struct Layer {
    const Job& job;
    int64_t across, down, total;  // tiles of a row, rows of tiles, all
    int inputs, blocks;           // vectors of input channels; blocks of outputs
    int kept;                     // vectors of outputs of a tile that are kept until all are known, for their norm
    int64_t tiles;                // of a chunk: whole SHAREs, few enough for the cache and for all threads to have work
    float shrink[POINTS];         // each point of a transformed tile is multiplied by
    float first;                  // the unit of its products at 0, 0; of the others:
    Gains gain;

    explicit Layer(const Job& j)
        : job(j), across((j.width + INNER - 1) / INNER), down((j.height + INNER - 1) / INNER), total(j.batch * across * down),
          inputs(vectors(j.channels[0]) + vectors(j.channels[1])), blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS),
          kept(j.scale ? vectors(j.outputs) : OUTPUTS) {
        const int64_t size_of_tile = POINTS * inputs * LANES * sizeof(Number) + (blocks > 1 ? kept * CELLS * sizeof(Vec) : 0);
        const int64_t fit = CACHE / size_of_tile, each = (total + 16 * j.threads - 1) / (16 * j.threads);
        const int64_t few = std::min({fit, each, int64_t(2 * ROWS)}) / ROWS * ROWS;
        const int64_t fair = (total + j.threads - 1) / j.threads;  // of a small grid
        tiles = few ? few : std::min<int64_t>(ROWS, (fair + SHARE - 1) / SHARE * SHARE);
        for (int i = 0; i < POINTS; i++) shrink[i] = float(1 / (size_of(LOOK[FIRST + i / WIDE]) * size_of(LOOK[FIRST + i % WIDE])));
        const auto size = [](int i) { return size_of(LOOK[i]) * size_of(WEIGH[i]); };
        first = float(size(0) * size(0));
        gain.far = float(size(5) / size(0));
        for (int i = 0; i < INNER; i++) {
            gain.a[i] = float(size(1) / size(0) * std::pow(A, i));
            gain.b[i] = float(size(3) / size(0) * std::pow(B, i));
        }
    }
};

struct At { int64_t b, y, x; };  // the first cell of a tile

struct Worker {
    const Layer& layer;
    const Job& job;
    std::unique_ptr<Number[]> seen;
    std::unique_ptr<Sum[]> products;
    std::unique_ptr<Vec[]> made;  // [tiles][layer.kept][16]
    std::vector<Stored> nothing;
    std::vector<float> unit;  // of each tile
    std::vector<At> ats;      // where the tiles are

    explicit Worker(const Layer& l)
        : layer(l), job(l.job), seen(new Number[size_t(POINTS) * l.inputs * l.tiles * LANES]),
          products(new Sum[size_t(POINTS) * l.tiles * OUTPUTS]), made(new Vec[size_t(l.tiles) * l.kept * CELLS]),
          nothing(std::max(job.channels[0], job.channels[1])), unit(l.tiles, 1.0f), ats(l.tiles) {}

    At at_of(int64_t tile) const {
        const int64_t row = tile / layer.across;
        return {row / layer.down, row % layer.down * INNER, tile % layer.across * INNER};
    }

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * layer.tiles, count = std::min<int64_t>(layer.tiles, layer.total - first);
        for (int64_t t = 0, run; t < count; t += run) {
            run = std::min({RUN, count - t, layer.across - (first + t) % layer.across});
            for (int64_t k = 0; k < run; k++) ats[t + k] = at_of(first + t + k);
            read(ats[t], t, run);
        }
        for (int place = 0; place < PLACES; place++)
            for (int block = 0; block < layer.blocks; block++) {
                const int left = vectors(job.outputs) - block * OUTPUTS;
                if (left >= OUTPUTS) finish<OUTPUTS>(place, block, count);
                else finish<1>(place, block, count);
            }
    }

    // Transforms `count` tiles side by side into `seen`, those at `t` and after. Their columns overlap, and are transformed once.
    void read(At at, int64_t t, int64_t count) {
        const int64_t columns = INNER * count + SIDE - INNER, step = layer.inputs * layer.tiles * LANES;
        const Stored* from[2][SIDE * COLUMNS];
        for (int s = 0; s < 2; s++)
            if (job.channels[s]) find(at, s, columns, from[s]);
        float factor[RUN][POINTS];
        if (SHORTENED) scale(t, count, from, factor);
        Number* to = &seen[t * LANES];
        for (int s = 0; s < 2; s++)
            for (int c = 0; c < job.channels[s]; c += LANES, to += layer.tiles * LANES) {
                const int channels = job.channels[s], some = std::min(LANES, channels - c);
                Vec half[WIDE * COLUMNS];
                for (int64_t x = 0; x < columns; x++) {
                    Vec cells[SIDE];
#pragma GCC unroll 6
                    for (int y = 0; y < SIDE; y++) {
                        const Stored* cell = from[s][x * SIDE + y] + c;
                        cells[y] = load_stored(cell, some);
                        __builtin_prefetch(cell + COLUMNS * channels);  // of the next run, too far to be guessed
                    }
                    look(cells, 1, half + x * WIDE);
                }
                for (int64_t k = 0; k < count; k++)
                    for (int y = 0; y < WIDE; y++) {
                        Vec line[WIDE];
                        look(half + k * INNER * WIDE + y, WIDE, line);
#pragma GCC unroll 6
                        for (int x = 0; x < WIDE; x++) {
                            const Vec value = SHORTENED ? line[x] * factor[k][y * WIDE + x] : line[x];
                            keep(to + (y * WIDE + x) * step + k * LANES, value);
                        }
                    }
            }
    }

    // The unit of each tile, in which all its transforms are short; and what makes of them numbers in that unit.
    void scale(int64_t t, int64_t count, const Stored* const (*from)[SIDE * COLUMNS], float (*factor)[POINTS]) {
        constexpr int64_t WHOLE = (COLUMNS + LANES - 1) / LANES * LANES;
        Vec sums[WHOLE] = {}, column[WHOLE / LANES];
        for (int64_t x = 0; x < INNER * count + SIDE - INNER; x++) {
            Vec sum{};
            for (int s = 0; s < 2; s++)
                for (int y = FIRST; y < SIDE && job.channels[s]; y++) sum = with_squares(sum, from[s][x * SIDE + y], job.channels[s]);
            sums[x] = sum;
        }
        for (int64_t x = 0; x < WHOLE; x += LANES) column[x / LANES] = sums_of(sums + x);
        for (int64_t k = 0; k < count; k++) {
            float total = 0;
            for (int64_t x = k * INNER + FIRST; x < k * INNER + SIDE; x++) total += column[x / LANES][x % LANES];
            const float one = unit_of(total), many = 1 / one;
            unit[t + k] = one * layer.first;
            for (int i = 0; i < POINTS; i++) factor[k][i] = layer.shrink[i] * many;
        }
    }

    // Where the cells of the columns from one before `at` lie, SIDE of each.
    void find(At at, int s, int64_t columns, const Stored** from) const {
        int64_t rows[SIDE];
        for (int y = 0; y < SIDE; y++) rows[y] = beyond(std::min(at.y + y - 1, job.height), job.height, job.boundary);
        for (int64_t x = 0; x < columns; x++) {
            const int64_t column = beyond(std::min(at.x + x - 1, job.width), job.width, job.boundary);
            for (int y = 0; y < SIDE; y++) {
                const int64_t cell = (at.b * job.height + rows[y]) * job.width + column;
                from[x * SIDE + y] = rows[y] < 0 || column < 0 ? nothing.data() : job.source[s] + cell * job.channels[s];
            }
        }
    }

    template <int N>
    void finish(int place, int block, int64_t count) {
        const Number* weight = job.weight + int64_t(place * layer.blocks + block) * POINTS * layer.inputs * LANES * OUTPUTS * LANES;
        for (int p = 0; p < POINTS; p++, weight += int64_t(layer.inputs) * LANES * N * LANES)
            for (int64_t t = 0; t < count; t += ROWS)
                multiply<N>(&seen[(p * layer.inputs * layer.tiles + t) * LANES], layer.tiles, layer.inputs, weight, count - t,
                            &products[(p * layer.tiles + t) * OUTPUTS]);
        const bool last = block == layer.blocks - 1;
        const int first = block * OUTPUTS, from = job.scale ? first : 0;  // vectors of outputs, and of those in `made`
        for (int64_t t = 0; t < count; t++) {
            // Of one block nothing is kept for later: it stays in the innermost cache.
            Vec* cells = &made[(layer.blocks > 1 ? t : 0) * layer.kept * CELLS];
            int64_t begins[CELLS];
            find_next(ats[t], place, begins);
            for (int n = 0; n < N; n++)
                gather_tile(t, place, first + n, &products[t * OUTPUTS + n], begins, cells + (from + n) * CELLS);
            if (job.scale && !last) continue;
            if (job.scale) normalise(cells);
            const int known = job.scale ? vectors(job.outputs) : N;
            if (job.activation == ELU) write<ELU>(cells, first + N - known, known, begins);
            else if (job.activation == RELU) write<RELU>(cells, first + N - known, known, begins);
            else write<NONE>(cells, first + N - known, known, begins);
        }
    }

    // One vector of outputs of a tile's cells, from its products.
    void gather_tile(int64_t t, int place, int vector, const Sum* from, const int64_t* begins, Vec* cells) {
        Vec half[WIDE * INNER];
        const int64_t step = layer.tiles * OUTPUTS;
        const Gains gain = layer.gain;
        for (int x = 0; x < WIDE; x++) {
            Vec column[WIDE];
#pragma GCC unroll 6
            for (int y = 0; y < WIDE; y++) column[y] = as_values(from[(y * WIDE + x) * step]);
            gather(column, gain, half + x, WIDE);
        }
        const int channel = vector * LANES, count = std::min(LANES, job.outputs - channel);
        const Vec units = SHORTENED ? load_some(job.unit + place * job.outputs + channel, count) * unit[t] : Vec{};
        const Vec bias = job.bias ? load_some(job.bias + channel, count) : Vec{};
        for (int i = 0; i < INNER; i++) {
            Vec line[INNER];
            gather(half + i * WIDE, gain, line, 1);
#pragma GCC unroll 4
            for (int x = 0; x < INNER; x++) cells[i * INNER + x] = SHORTENED ? line[x] * units + bias : line[x] + bias;
        }
        if (job.more)
            for (int i = 0; i < CELLS; i++)
                if (begins[i] >= 0) cells[i] += load_stored(job.more + begins[i] + channel, count);
    }

    // Normalises the outputs of each cell of a tile.
    void normalise(Vec* cells) const {
        Vec squares[CELLS] = {}, factor[CELLS / LANES];
        const int all = vectors(job.outputs);
        for (int v = 0; v < all; v++)
            for (int i = 0; i < CELLS; i++) squares[i] += cells[v * CELLS + i] * cells[v * CELLS + i];
        for (int i = 0; i < CELLS / LANES; i++)
            factor[i] = inverse_root(sums_of(squares + i * LANES) / float(job.outputs) + job.eps);
        for (int v = 0; v < all; v++) {
            const Vec scale = load_some(job.scale + v * LANES, std::min(LANES, job.outputs - v * LANES));
            for (int i = 0; i < CELLS; i++) cells[v * CELLS + i] *= scale * factor[i / LANES][i % LANES];
        }
    }

    // Writes `count` vectors of outputs of a tile's cells, from the `first`, after the activation.
    template <int ACTIVATION>
    void write(const Vec* cells, int first, int count, const int64_t* begins) const {
        for (int v = 0; v < count; v++, cells += CELLS) {
            const int channel = (first + v) * LANES, some = std::min(LANES, job.outputs - channel);
            Stored* next = job.next + channel;
            for (int i = 0; i < CELLS; i++) {
                const Vec value = ACTIVATION == ELU ? elu(cells[i]) : activated(cells[i], ACTIVATION);
                if (begins[i] >= 0) store_stored(next + begins[i], value, some);
            }
        }
    }

    // Where in `next` the outputs of each cell of a tile begin; -1: outside the grid.
    void find_next(At at, int place, int64_t* begins) const {
        for (int i = 0; i < CELLS; i++) {
            const int64_t y = at.y + i / INNER, x = at.x + i % INNER;
            begins[i] = y < job.height && x < job.width ? begin(at.b, y, x, place) : -1;
        }
    }

    // Where what is made of a cell of the source begins in `next`.
    int64_t begin(int64_t b, int64_t y, int64_t x, int place) const {
        if (SPREAD > 1) {  // the place after the cell's own, and the one before the next cell's; periodic
            y = (SPREAD * y + 1 + place / SPREAD) % (SPREAD * job.height);
            x = (SPREAD * x + 1 + place % SPREAD) % (SPREAD * job.width);
        }
        return ((b * SPREAD * job.height + y) * SPREAD * job.width + x) * job.outputs;
    }
};

}  // namespace

// Bytes that packed weights take.
extern "C" int64_t packed_size(int32_t first, int32_t second, int32_t outputs) {
    const int64_t inputs = vectors(first) + vectors(second), blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return PLACES * blocks * POINTS * inputs * LANES * OUTPUTS * LANES * sizeof(Number);
}

// Their units.
extern "C" int64_t units(int32_t, int32_t, int32_t outputs) { return PLACES * int64_t(outputs); }

// Transforms weights (places, outputs, first + second, 3, 3): to [place][block][point][channels / PAIR][output of the block][PAIR],
// zero where there is none; and their units (places, outputs).
extern "C" void pack(const float* weight, int32_t first, int32_t second, int32_t outputs, Number* packed, float* unit) {
    const int channels = first + second, inputs = (vectors(first) + vectors(second)) * LANES, wide = OUTPUTS * LANES;
    const int blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    std::memset(packed, 0, packed_size(first, second, outputs));
    std::vector<double> points(size_t(channels) * POINTS);
    for (int row = 0; row < PLACES * outputs; row++) {
        const int place = row / outputs, o = row % outputs;
        double most = 0, squares[POINTS] = {};
        for (int k = 0; k < channels; k++, weight += 9)
            for (int p = 0; p < POINTS; p++) {
                const double *down = WEIGH[FIRST + p / WIDE], *across = WEIGH[FIRST + p % WIDE];
                double value = 0;
                for (int i = 0; i < 9; i++) value += down[i / 3] * across[i % 3] * weight[i];
                value /= size_of(WEIGH[FIRST + p / WIDE]) * size_of(WEIGH[FIRST + p % WIDE]);
                points[k * POINTS + p] = value;
                squares[p] += value * value;
                most = std::max(most, std::abs(value));
            }
        const double norm = std::sqrt(*std::max_element(squares, squares + POINTS));
        unit[row] = unit_of_weights(norm, most);
        const int block = o / wide, n = std::min(vectors(outputs) - block * OUTPUTS, OUTPUTS) * LANES;
        Number* to = packed + int64_t(place * blocks + block) * POINTS * inputs * wide;
        for (int k = 0; k < channels; k++) {
            const int channel = k < first ? k : vectors(first) * LANES + k - first;
            for (int p = 0; p < POINTS; p++)
                to[((int64_t(p) * inputs + channel) / PAIR * n + o % wide) * PAIR + channel % PAIR] =
                    number_of(points[k * POINTS + p] / unit[row]);
        }
    }
}

// 0, or 1 when memory for it cannot be had.
extern "C" int32_t convolution(const Job* job) try {
    const Layer layer(*job);
    run_stages(job->threads, 1, (layer.total + layer.tiles - 1) / layer.tiles, [&] { return Worker(layer); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
