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
#include "stages.h"

#if defined(__AVX512F__)
constexpr int SHARE = 4;
#elif defined(__AVX__)
constexpr int SHARE = 2;
#else
constexpr int SHARE = 1;
#endif
constexpr int ROWS = 3 * SHARE, OUTPUTS = 2;  // ROWS x OUTPUTS accumulators, and what is multiplied, fit the registers
constexpr int SIDE = 6, INNER = 4, POINTS = SIDE * SIDE;
constexpr int64_t CACHE = 1 << 19;  // bytes that `seen` may take: half of what a core has

enum Boundary { PERIODIC, ZERO, REFLECT };

extern "C" struct Job {
    const float* source[2];  // the channels of the second follow those of the first; (batch, height, width, channels)
    const float* weight;     // as `pack` leaves them
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

int vectors(int channels) { return (channels + LANES - 1) / LANES; }

// to[i * step] = one row or column of six, transformed.
inline void look(const Vec* d, int stride, Vec* to, int step) {
    const Vec d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
    const Vec even_a = d4 - BB * d2, odd_a = d3 - BB * d1, even_b = d4 - AA * d2, odd_b = d3 - AA * d1;
    to[0] = AA * BB * d0 - (AA + BB) * d2 + d4;
    to[step] = even_a + A * odd_a;
    to[2 * step] = even_a - A * odd_a;
    to[3 * step] = even_b + B * odd_b;
    to[4 * step] = even_b - B * odd_b;
    to[5 * step] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

// Four values from a row or column of six products.
inline void gather(const Vec* m, int64_t stride, Vec* to, int step) {
    const Vec m1 = m[stride], m2 = m[2 * stride], m3 = m[3 * stride], m4 = m[4 * stride];
    const Vec sum_a = m1 + m2, odd_a = m1 - m2, sum_b = m3 + m4, odd_b = m3 - m4;
    to[0] = m[0] + sum_a + sum_b;
    to[step] = A * odd_a + B * odd_b;
    to[2 * step] = AA * sum_a + BB * sum_b;
    to[3 * step] = AA * A * odd_a + BB * B * odd_b + m[5 * stride];
}

struct Layer {
    const Job& job;
    int64_t across, down, total;  // tiles of a row, rows of tiles, all
    int inputs, blocks;           // vectors of input channels; blocks of outputs
    int64_t tiles;                // of a chunk: whole SHAREs, few enough for the cache and for all threads to have work

    explicit Layer(const Job& j)
        : job(j), across((j.width + INNER - 1) / INNER), down((j.height + INNER - 1) / INNER), total(j.batch * across * down),
          inputs(vectors(j.channels[0]) + vectors(j.channels[1])), blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS) {
        const int64_t fit = CACHE / (POINTS * inputs * int64_t(sizeof(Vec))), each = (total + 16 * j.threads - 1) / (16 * j.threads);
        const int64_t few = std::min({fit, each, int64_t(2 * ROWS)}) / ROWS * ROWS;
        const int64_t fair = (total + j.threads - 1) / j.threads;  // of a small grid
        tiles = few ? few : std::min<int64_t>(ROWS, (fair + SHARE - 1) / SHARE * SHARE);
    }
};

struct Worker {
    const Layer& layer;
    const Job& job;
    std::unique_ptr<Vec[]> seen, products, squares;
    std::vector<float> nothing;

    explicit Worker(const Layer& l)
        : layer(l), job(l.job), seen(new Vec[size_t(POINTS) * l.inputs * l.tiles]),
          products(new Vec[size_t(POINTS) * l.tiles * OUTPUTS]), squares(new Vec[size_t(l.tiles) * INNER * INNER]),
          nothing(std::max(job.channels[0], job.channels[1])) {}

    struct Place { int64_t b, y, x; };
    Place place(int64_t tile) const {
        const int64_t row = tile / layer.across;
        return {row / layer.down, row % layer.down * INNER, tile % layer.across * INNER};
    }

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * layer.tiles, count = std::min<int64_t>(layer.tiles, layer.total - first);
        for (int64_t t = 0; t < count; t++) read(place(first + t), t);
        if (job.scale) std::fill_n(squares.get(), count * INNER * INNER, Vec{});
        for (int block = 0; block < layer.blocks; block++) {
            const int left = vectors(job.outputs) - block * OUTPUTS;
            if (left >= OUTPUTS) finish<OUTPUTS>(block, first, count);
            else finish<1>(block, first, count);
        }
        if (job.scale)
            for (int64_t t = 0; t < count; t++) normalise(place(first + t), t);
    }

    // Transforms a tile into `seen`.
    void read(Place at, int64_t t) {
        int64_t rows[SIDE], columns[SIDE];
        for (int i = 0; i < SIDE; i++) {
            rows[i] = beyond(std::min(at.y + i - 1, job.height), job.height, job.boundary);
            columns[i] = beyond(std::min(at.x + i - 1, job.width), job.width, job.boundary);
        }
        int vector = 0;
        for (int s = 0; s < 2; s++) {
            const int channels = job.channels[s];
            const float* from[POINTS];
            for (int i = 0; i < POINTS; i++) {
                const int64_t y = rows[i / SIDE], x = columns[i % SIDE];
                from[i] = y < 0 || x < 0 ? nothing.data() : job.source[s] + ((at.b * job.height + y) * job.width + x) * channels;
            }
            for (int c = 0; c < channels; c += LANES, vector++) {
                Vec cells[POINTS], half[POINTS];
                if (c + LANES <= channels)
                    for (int i = 0; i < POINTS; i++) cells[i] = load(from[i] + c);
                else
                    for (int i = 0; i < POINTS; i++) cells[i] = load_some(from[i] + c, channels - c);
                for (int i = 0; i < SIDE; i++) look(cells + i, SIDE, half + i, SIDE);
                Vec* to = &seen[int64_t(vector) * layer.tiles + t];
                const int64_t step = int64_t(layer.inputs) * layer.tiles;
#pragma GCC unroll 6
                for (int i = 0; i < SIDE; i++) {
                    Vec line[SIDE];
                    look(half + i * SIDE, 1, line, 1);
#pragma GCC unroll 6
                    for (int j = 0; j < SIDE; j++) to[(i * SIDE + j) * step] = line[j];
                }
            }
        }
    }

    template <int N>
    void finish(int block, int64_t first, int64_t count) {
        const float* weight = job.weight + int64_t(block) * POINTS * layer.inputs * LANES * OUTPUTS * LANES;
        for (int p = 0; p < POINTS; p++, weight += int64_t(layer.inputs) * LANES * N * LANES)
            for (int64_t t = 0; t < count; t += ROWS) {
                const Vec* cells = &seen[p * layer.inputs * layer.tiles + t];
                Vec* out = &products[(p * layer.tiles + t) * OUTPUTS];
                if (count - t > 2 * SHARE) multiply<N, ROWS>(cells, weight, out);
                else if (count - t > SHARE) multiply<N, 2 * SHARE>(cells, weight, out);
                else multiply<N, SHARE>(cells, weight, out);
            }
        for (int64_t t = 0; t < count; t++)
            for (int n = 0; n < N; n++) write(place(first + t), t, block * OUTPUTS + n, &products[t * OUTPUTS + n]);
    }

    // The sums over all channels of R tiles, for N vectors of outputs.
    template <int N, int R>
    void multiply(const Vec* cells, const float* weight, Vec* out) const {
        Vec sum[R][N] = {};
        for (int k = 0; k < layer.inputs; k++, cells += layer.tiles) {
            const float* from = reinterpret_cast<const float*>(cells);
            for (int i = 0; i < LANES; i++, weight += N * LANES) {
                Vec w[N];
#pragma GCC unroll 4
                for (int n = 0; n < N; n++) w[n] = load(weight + n * LANES);
#pragma GCC unroll 16
                for (int r = 0; r < R; r++)
#pragma GCC unroll 4
                    for (int n = 0; n < N; n++) sum[r][n] += w[n] * from[r * LANES + i];
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int n = 0; n < N; n++) out[r * OUTPUTS + n] = sum[r][n];
    }

    void write(Place at, int64_t t, int vector, const Vec* from) {
        Vec half[SIDE * INNER], cells[INNER * INNER];
        const int64_t step = int64_t(layer.tiles) * OUTPUTS;
        for (int i = 0; i < SIDE; i++) gather(from + i * step, SIDE * step, half + i, SIDE);
        for (int i = 0; i < INNER; i++) gather(half + i * SIDE, 1, cells + i * INNER, 1);
        const int channel = vector * LANES, count = std::min(LANES, job.outputs - channel);
        if (job.bias) {
            const Vec bias = load_some(job.bias + channel, count);
            for (Vec& value : cells) value += bias;
        }
        if (job.scale)
            for (int i = 0; i < INNER * INNER; i++) squares[t * INNER * INNER + i] += cells[i] * cells[i];
        else
            for (Vec& value : cells) value = activated(value, job.activation);
        inside(at, [&](int i, float* cell) { store_some(cell + channel, cells[i], count); });
    }

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
        for (int i = 0; i < INNER * INNER; i++) factor[i] = sum_of(squares[t * INNER * INNER + i]);
        for (float& f : factor) f = 1.0f / std::sqrt(f / float(job.outputs) + job.eps);
        inside(at, [&](int i, float* cell) {
            for (int c = 0; c < job.outputs; c += LANES) {
                const int count = std::min(LANES, job.outputs - c);
                const Vec value = load_some(cell + c, count) * factor[i] * load_some(job.scale + c, count);
                store_some(cell + c, activated(value, job.activation), count);
            }
        });
    }
};

}  // namespace

// Room that packed weights take, in floats.
extern "C" int64_t packed_size(int32_t first, int32_t second, int32_t outputs) {
    const int64_t inputs = vectors(first) + vectors(second), blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return blocks * POINTS * inputs * LANES * OUTPUTS * LANES;
}

// Transforms weights (outputs, first + second, 3, 3): to [block][point][channel][output of the block], zero where there is none.
extern "C" void pack(const float* weight, int32_t first, int32_t second, int32_t outputs, float* packed) {
    const double a = A, b = B, aa = a * a, bb = b * b, na = 2 * aa * (aa - bb), nb = 2 * bb * (bb - aa);
    const double g[SIDE][3] = {{1 / (aa * bb), 0, 0}, {1 / na, a / na, aa / na}, {1 / na, -a / na, aa / na},
                               {1 / nb, b / nb, bb / nb}, {1 / nb, -b / nb, bb / nb}, {0, 0, 1}};
    const int inputs = (vectors(first) + vectors(second)) * LANES, wide = OUTPUTS * LANES;
    std::fill_n(packed, packed_size(first, second, outputs), 0.0f);
    for (int o = 0; o < outputs; o++) {
        const int block = o / wide, left = vectors(outputs) - block * OUTPUTS, n = std::min(left, OUTPUTS) * LANES;
        for (int k = 0; k < first + second; k++) {
            const int channel = k < first ? k : vectors(first) * LANES + k - first;
            const float* w = weight + (int64_t(o) * (first + second) + k) * 9;
            for (int i = 0; i < SIDE; i++) {
                double row[3] = {};
                for (int x = 0; x < 3; x++)
                    for (int y = 0; y < 3; y++) row[x] += g[i][y] * w[3 * y + x];
                for (int j = 0; j < SIDE; j++) {
                    const double value = g[j][0] * row[0] + g[j][1] * row[1] + g[j][2] * row[2];
                    const int64_t at = int64_t(block) * POINTS * inputs * wide + (int64_t(i * SIDE + j) * inputs + channel) * n;
                    packed[at + o % wide] = float(value);
                }
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
