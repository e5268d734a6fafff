// 3x3 convolutions on the CPU by minimal filtering, F(4x4, 3x3): a tile of 6 x 6 cells gives 4 x 4 of the next with 36 products
// for each pair of channels, where the sums as they are written take 144.
//
// Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. The transforms evaluate at 0,
// +-A, +-B and infinity; A and B are chosen for the least rounding (benchmarks/winograd.py).
//
// Cells are (batch, height, width, channels). A chunk of work is TILES tiles: their transforms lie in `seen` as
// [36][channels / LANES][TILES][LANES], so that products read LANES channels of ROWS tiles at fixed distances; their products with
// one block of outputs at a time in `products`, [36][TILES][OUTPUTS vectors]. Both stay in cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "lanes.h"
#include "products.h"
#include "stages.h"

constexpr int SIDE = 6, INNER = 4, POINTS = SIDE * SIDE;
constexpr int64_t RUN = 6, COLUMNS = INNER * RUN + SIDE - INNER;  // tiles that are transformed together; their columns
constexpr int64_t CACHE = 1 << 19;  // bytes that `seen` may take: half of what a core has

enum Boundary { PERIODIC, ZERO, REFLECT };

extern "C" struct Job {
    const float* source[2];  // the channels of the second follow those of the first; (batch, height, width, channels)
    const Number* weight;    // as `pack` leaves them
    const float* unit;       // (outputs): of an output's products, as `pack` leaves them
    const float *bias, *scale;  // (outputs) or null
    float* next;
    int64_t batch, height, width;
    int32_t channels[2], outputs, boundary, activation, threads;
    float eps;
};

namespace {

constexpr float A = 2.0f / 3, B = 1.5f, AA = A * A, BB = B * B;

int64_t beyond(int64_t i, int64_t size, int boundary) {  // the cell that stands for cell i; -1: none, zero
    if (i >= 0 && i < size) return i;
    if (boundary == PERIODIC) return (i % size + size) % size;
    if (boundary == ZERO) return -1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

// The rows of the three transforms, and what each is divided by to be alike in size (16 bits only).
constexpr float LOOK[SIDE][SIDE] = {{AA * BB, 0, -AA - BB, 0, 1, 0}, {0, -A * BB, -BB, A, 1, 0}, {0, A * BB, -BB, -A, 1, 0},
                                    {0, -B * AA, -AA, B, 1, 0}, {0, B * AA, -AA, -B, 1, 0}, {0, AA * BB, 0, -AA - BB, 0, 1}};
constexpr double NA = 2.0 * AA * (AA - BB), NB = 2.0 * BB * (BB - AA);
constexpr double WEIGH[SIDE][3] = {{1.0 / (AA * BB), 0, 0}, {1 / NA, A / NA, AA / NA}, {1 / NA, -A / NA, AA / NA},
                                   {1 / NB, B / NB, BB / NB}, {1 / NB, -B / NB, BB / NB}, {0, 0, 1}};

template <class Row>
double size_of(const Row& row) {
    double squares = 0;
    for (double value : row) squares += value * value;
    return SHORTENED ? std::sqrt(squares) : 1;
}

// to[i * step] = one row or column of six, transformed.
inline void look(const Vec* d, int stride, Vec* to, int64_t step) {
    const Vec d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
    const Vec even_a = d4 - BB * d2, odd_a = d3 - BB * d1, even_b = d4 - AA * d2, odd_b = d3 - AA * d1;
    to[0] = AA * BB * d0 - (AA + BB) * d2 + d4;
    to[step] = even_a + A * odd_a;
    to[2 * step] = even_a - A * odd_a;
    to[3 * step] = even_b + B * odd_b;
    to[4 * step] = even_b - B * odd_b;
    to[5 * step] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

// What products at +-A, +-B and infinity are in units of those at 0.
struct Gains { float a, b, far; };

// Four values from a row or column of six products.
inline void gather(const Vec* m, Gains gain, Vec* to, int step) {
    const Vec sum_a = m[1] + m[2], odd_a = m[1] - m[2], sum_b = m[3] + m[4], odd_b = m[3] - m[4];
    to[0] = m[0] + gain.a * sum_a + gain.b * sum_b;
    to[step] = gain.a * A * odd_a + gain.b * B * odd_b;
    to[2 * step] = gain.a * AA * sum_a + gain.b * BB * sum_b;
    to[3 * step] = gain.a * AA * A * odd_a + gain.b * BB * B * odd_b + gain.far * m[5];
}

struct Layer {
    const Job& job;
    int64_t across, down, total;  // tiles of a row, rows of tiles, all
    int inputs, blocks;           // vectors of input channels; blocks of outputs
    int64_t tiles;                // of a chunk: whole SHAREs, few enough for the cache and for all threads to have work
    float shrink[POINTS];         // each point of a transformed tile is multiplied by
    float first;                  // the unit of its products at 0, 0; of the others:
    Gains gain;

    explicit Layer(const Job& j)
        : job(j), across((j.width + INNER - 1) / INNER), down((j.height + INNER - 1) / INNER), total(j.batch * across * down),
          inputs(vectors(j.channels[0]) + vectors(j.channels[1])), blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS) {
        const int64_t fit = CACHE / (POINTS * inputs * int64_t(LANES * sizeof(Number))), each = (total + 16 * j.threads - 1) / (16 * j.threads);
        const int64_t few = std::min({fit, each, int64_t(2 * ROWS)}) / ROWS * ROWS;
        const int64_t fair = (total + j.threads - 1) / j.threads;  // of a small grid
        tiles = few ? few : std::min<int64_t>(ROWS, (fair + SHARE - 1) / SHARE * SHARE);
        for (int i = 0; i < POINTS; i++) shrink[i] = float(1 / (size_of(LOOK[i / SIDE]) * size_of(LOOK[i % SIDE])));
        const auto size = [](int i) { return size_of(LOOK[i]) * size_of(WEIGH[i]); };
        first = float(size(0) * size(0));
        gain = {float(size(1) / size(0)), float(size(3) / size(0)), float(size(5) / size(0))};
    }
};

struct Worker {
    const Layer& layer;
    const Job& job;
    std::unique_ptr<Number[]> seen;
    std::unique_ptr<Sum[]> products;
    std::unique_ptr<Vec[]> squares;
    std::vector<float> nothing, unit;  // unit: of each tile

    explicit Worker(const Layer& l)
        : layer(l), job(l.job), seen(new Number[size_t(POINTS) * l.inputs * l.tiles * LANES]),
          products(new Sum[size_t(POINTS) * l.tiles * OUTPUTS]), squares(new Vec[size_t(l.tiles) * INNER * INNER]),
          nothing(std::max(job.channels[0], job.channels[1])), unit(l.tiles, 1.0f) {}

    struct Place { int64_t b, y, x; };
    Place place(int64_t tile) const {
        const int64_t row = tile / layer.across;
        return {row / layer.down, row % layer.down * INNER, tile % layer.across * INNER};
    }

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * layer.tiles, count = std::min<int64_t>(layer.tiles, layer.total - first);
        for (int64_t t = 0, run; t < count; t += run) {
            run = std::min({RUN, count - t, layer.across - (first + t) % layer.across});
            read(place(first + t), t, run);
        }
        if (job.scale) std::fill_n(squares.get(), count * INNER * INNER, Vec{});
        for (int block = 0; block < layer.blocks; block++) {
            const int left = vectors(job.outputs) - block * OUTPUTS;
            if (left >= OUTPUTS) finish<OUTPUTS>(block, first, count);
            else finish<1>(block, first, count);
        }
        if (job.scale)
            for (int64_t t = 0; t < count; t++) normalise(place(first + t), t);
    }

    // Transforms `count` tiles side by side into `seen`, those at `t` and after. Their columns overlap, and are transformed once.
    void read(Place at, int64_t t, int64_t count) {
        const int64_t columns = INNER * count + SIDE - INNER, step = layer.inputs * layer.tiles * LANES;
        const float* from[2][SIDE * COLUMNS];
        for (int s = 0; s < 2; s++)
            if (job.channels[s]) find(at, s, columns, from[s]);
        float factor[RUN][POINTS];
        if (SHORTENED) scale(t, count, from, factor);
        Number* to = &seen[t * LANES];
        for (int s = 0; s < 2; s++)
            for (int c = 0; c < job.channels[s]; c += LANES, to += layer.tiles * LANES) {
                const int channels = job.channels[s], some = std::min(LANES, channels - c);
                Vec half[SIDE * COLUMNS];
                for (int64_t i = 0; i < SIDE * columns; i += SIDE) {
                    Vec cells[SIDE];
#pragma GCC unroll 6
                    for (int y = 0; y < SIDE; y++) {
                        cells[y] = load_some(from[s][i + y] + c, some);
                        __builtin_prefetch(from[s][i + y] + c + COLUMNS * channels);  // of the next run, too far to be guessed
                    }
                    look(cells, 1, half + i, 1);
                }
                for (int64_t k = 0; k < count; k++)
                    for (int y = 0; y < SIDE; y++) {
                        Vec line[SIDE];
                        look(half + k * INNER * SIDE + y, SIDE, line, 1);
#pragma GCC unroll 6
                        for (int x = 0; x < SIDE; x++) {
                            const Vec value = SHORTENED ? line[x] * factor[k][y * SIDE + x] : line[x];
                            keep(to + (y * SIDE + x) * step + k * LANES, value);
                        }
                    }
            }
    }

    // The unit of each tile, in which all its transforms are short; and what makes of them numbers in that unit.
    void scale(int64_t t, int64_t count, const float* const (*from)[SIDE * COLUMNS], float (*factor)[POINTS]) {
        constexpr int64_t WHOLE = (COLUMNS + LANES - 1) / LANES * LANES;
        Vec sums[WHOLE] = {}, column[WHOLE / LANES];
        for (int64_t x = 0; x < INNER * count + SIDE - INNER; x++) {
            Vec sum{};
            for (int s = 0; s < 2; s++)
                for (int c = 0; c < job.channels[s]; c += LANES)
                    for (int y = 0; y < SIDE; y++) {
                        const Vec cells = load_some(from[s][x * SIDE + y] + c, std::min(LANES, job.channels[s] - c));
                        sum += cells * cells;
                    }
            sums[x] = sum;
        }
        for (int64_t x = 0; x < WHOLE; x += LANES) column[x / LANES] = sums_of(sums + x);
        for (int64_t k = 0; k < count; k++) {
            float total = 0;
            for (int64_t x = k * INNER; x < k * INNER + SIDE; x++) total += column[x / LANES][x % LANES];
            const float one = unit_of(total), many = 1 / one;
            unit[t + k] = one * layer.first;
            for (int i = 0; i < POINTS; i++) factor[k][i] = layer.shrink[i] * many;
        }
    }

    // Where the cells of the columns from one before `at` lie, SIDE of each.
    void find(Place at, int s, int64_t columns, const float** from) const {
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
    void finish(int block, int64_t first, int64_t count) {
        const Number* weight = job.weight + int64_t(block) * POINTS * layer.inputs * LANES * OUTPUTS * LANES;
        for (int p = 0; p < POINTS; p++, weight += int64_t(layer.inputs) * LANES * N * LANES) {
            if (p % 2 == 0 && p / 2 < INNER * INNER) expect(block, first, count, p / 2);
            for (int64_t t = 0; t < count; t += ROWS)
                multiply<N>(&seen[(p * layer.inputs * layer.tiles + t) * LANES], layer.tiles, layer.inputs, weight, count - t,
                            &products[(p * layer.tiles + t) * OUTPUTS]);
        }
        for (int64_t t = 0; t < count; t++)
            for (int n = 0; n < N; n++) write(place(first + t), t, block * OUTPUTS + n, &products[t * OUTPUTS + n]);
    }

    // Brings to the cache where cell i of each tile will be written, while there is much to multiply.
    void expect(int block, int64_t first, int64_t count, int i) const {
        for (int64_t t = 0; t < count; t++) {
            const Place at = place(first + t);
            const int64_t y = at.y + i / INNER, x = at.x + i % INNER;
            if (y >= job.height || x >= job.width) continue;
            const float* to = job.next + ((at.b * job.height + y) * job.width + x) * job.outputs + block * OUTPUTS * LANES;
            for (int n = 0; n < OUTPUTS; n++) __builtin_prefetch(to + n * LANES, 1);
        }
    }

    void write(Place at, int64_t t, int vector, const Sum* from) {
        Vec half[SIDE * INNER], cells[INNER * INNER];
        const int64_t step = layer.tiles * OUTPUTS;
        for (int x = 0; x < SIDE; x++) {
            Vec column[SIDE];
#pragma GCC unroll 6
            for (int y = 0; y < SIDE; y++) column[y] = as_values(from[(y * SIDE + x) * step]);
            gather(column, layer.gain, half + x, SIDE);
        }
        for (int i = 0; i < INNER; i++) gather(half + i * SIDE, layer.gain, cells + i * INNER, 1);
        const int channel = vector * LANES, count = std::min(LANES, job.outputs - channel);
        if (SHORTENED) {
            const Vec units = load_some(job.unit + channel, count) * unit[t];
            for (Vec& value : cells) value *= units;
        }
        if (job.bias) {
            const Vec bias = load_some(job.bias + channel, count);
            for (Vec& value : cells) value += bias;
        }
        if (job.scale)
            for (int i = 0; i < INNER * INNER; i++) squares[t * INNER * INNER + i] += cells[i] * cells[i];
        else
            for (Vec& value : cells) value = after(value);
        inside(at, [&](int i, float* cell) { store_some(cell + channel, cells[i], count); });
    }

    Vec after(Vec value) const { return job.activation == ELU ? elu(value) : activated(value, job.activation); }

    // act(i, where cell i of the tile is written), for those inside the grid.
    template <class Act>
    void inside(Place at, Act act) const {
        const int64_t rows = std::min<int64_t>(INNER, job.height - at.y), columns = std::min<int64_t>(INNER, job.width - at.x);
        for (int y = 0; y < rows; y++) {
            float* cell = job.next + ((at.b * job.height + at.y + y) * job.width + at.x) * job.outputs;
            for (int x = 0; x < columns; x++, cell += job.outputs) act(y * INNER + x, cell);
        }
    }

    void normalise(Place at, int64_t t) {
        float factor[INNER * INNER];
        for (int i = 0; i < INNER * INNER; i += LANES)
            store(factor + i, inverse_root(sums_of(&squares[t * INNER * INNER + i]) / float(job.outputs) + job.eps));
        inside(at, [&](int i, float* cell) {
            for (int c = 0; c < job.outputs; c += LANES) {
                const int count = std::min(LANES, job.outputs - c);
                const Vec value = load_some(cell + c, count) * factor[i] * load_some(job.scale + c, count);
                store_some(cell + c, after(value), count);
            }
        });
    }
};

}  // namespace

// Bytes that packed weights take.
extern "C" int64_t packed_size(int32_t first, int32_t second, int32_t outputs) {
    const int64_t inputs = vectors(first) + vectors(second), blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return blocks * POINTS * inputs * LANES * OUTPUTS * LANES * sizeof(Number);
}

// Transforms weights (outputs, first + second, 3, 3): to [block][point][channels / PAIR][output of the block][PAIR], zero where
// there is none; and their units (outputs).
extern "C" void pack(const float* weight, int32_t first, int32_t second, int32_t outputs, Number* packed, float* unit) {
    const int channels = first + second, inputs = (vectors(first) + vectors(second)) * LANES, wide = OUTPUTS * LANES;
    std::memset(packed, 0, packed_size(first, second, outputs));
    std::vector<double> points(size_t(channels) * POINTS);
    for (int o = 0; o < outputs; o++) {
        double most = 0, squares[POINTS] = {};
        for (int k = 0; k < channels; k++) {
            const float* w = weight + (int64_t(o) * channels + k) * 9;
            for (int p = 0; p < POINTS; p++) {
                const double *down = WEIGH[p / SIDE], *across = WEIGH[p % SIDE];
                double value = 0;
                for (int i = 0; i < 9; i++) value += down[i / 3] * across[i % 3] * w[i];
                value /= size_of(WEIGH[p / SIDE]) * size_of(WEIGH[p % SIDE]);
                points[k * POINTS + p] = value;
                squares[p] += value * value;
                most = std::max(most, std::abs(value));
            }
        }
        const double norm = std::sqrt(*std::max_element(squares, squares + POINTS));
        unit[o] = unit_of_weights(norm, most);
        const int block = o / wide, n = std::min(vectors(outputs) - block * OUTPUTS, OUTPUTS) * LANES;
        Number* to = packed + int64_t(block) * POINTS * inputs * wide;
        for (int k = 0; k < channels; k++) {
            const int channel = k < first ? k : vectors(first) * LANES + k - first;
            for (int p = 0; p < POINTS; p++) {
                to[((int64_t(p) * inputs + channel) / PAIR * n + o % wide) * PAIR + channel % PAIR] =
                    number_of(points[k * POINTS + p] / unit[o]);
            }
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
