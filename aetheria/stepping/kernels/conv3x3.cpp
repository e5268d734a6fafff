// 3x3 convolutions by Winograd's minimal filtering, F(4x4, 3x3): a tile of 6 x 6 inputs gives 4 x 4 outputs with 36 products for
// each pair of channels, where the direct sums take 144.
//
// Cells are (batch, height, width, channels). A chunk of work is a few tiles. `transformed` holds their transforms as
// [POINTS][channels / LANES][tiles][LANES], so that products read LANES channels of ROWS tiles at fixed distances; `products`
// holds the products with one block of output channels at a time, [POINTS][tiles][OUTPUTS vectors]. Both stay in the cache. Outputs
// are written once, after the norm and the activation.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "gemm.h"
#include "grid.h"
#include "job.h"
#include "parallel_stages.h"
#include "simd.h"
#include "winograd_transforms.h"

constexpr int64_t RUN = 6, COLUMNS = TILE_OUT * RUN + TILE_IN - TILE_OUT;  // tiles that are transformed together; their columns
constexpr int64_t CACHE_BYTES = 1 << 19;  // that `transformed` and `outputs` may take: half of a core's cache

extern "C" struct Job {
    const Stored* source[2];    // (batch, height, width, channels); the channels of the second follow those of the first
    const Factor* weight;       // from `pack`
    const float* unit;          // (places, outputs): units of the weights, from `pack`
    const float *bias, *scale;  // (outputs) or null
    const Stored* addend;       // added to the sums, laid out like `out`; or null
    Stored* out;
    int64_t batch, height, width;  // of the source
    int32_t channels[2], outputs, boundary, activation, threads;
    float eps;
};
EXPORT_SIZE(Job)

namespace {

struct Convolution {
    const Job& job;
    int64_t across, down, total;  // tiles in a row; rows of tiles; tiles in all
    int inputs, blocks;           // vectors of input channels; blocks of output channels
    int kept_vectors;             // vectors of output channels of a tile that are kept until all are known, for their norm
    int64_t tiles;                // in a chunk: a multiple of ROW_UNIT, few enough for the cache and for all threads to have work
    float point_scale[POINTS];    // factor of each point of a transformed tile
    float first;                  // the unit of the product at point (0, 0)
    Gains gain;

    explicit Convolution(const Job& j)
        : job(j), across((j.width + TILE_OUT - 1) / TILE_OUT), down((j.height + TILE_OUT - 1) / TILE_OUT),
          total(j.batch * across * down), inputs(vectors(j.channels[0]) + vectors(j.channels[1])),
          blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS),
          kept_vectors(j.scale ? vectors(j.outputs) : OUTPUTS) {
        const int64_t kept_bytes = blocks > 1 ? kept_vectors * CELLS * sizeof(Vec) : 0;
        const int64_t tile_bytes = POINTS * inputs * LANES * sizeof(Factor) + kept_bytes;
        const int64_t fit = CACHE_BYTES / tile_bytes, each = (total + 16 * j.threads - 1) / (16 * j.threads);
        const int64_t whole = std::min({fit, each, int64_t(2 * ROWS)}) / ROWS * ROWS;
        const int64_t fair = (total + j.threads - 1) / j.threads;  // for small grids
        tiles = whole ? whole : std::min<int64_t>(ROWS, (fair + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT);
        const auto input_norm = [](int i) { return row_norm(INPUT_TRANSFORM[FIRST + i]); };
        for (int i = 0; i < POINTS; i++) point_scale[i] = float(1 / (input_norm(i / LINE) * input_norm(i % LINE)));
        const auto size = [](int i) { return row_norm(INPUT_TRANSFORM[i]) * row_norm(WEIGHT_TRANSFORM[i]); };
        first = float(size(0) * size(0));
        gain.far = float(size(5) / size(0));
        for (int i = 0; i < TILE_OUT; i++) {
            gain.a[i] = float(size(1) / size(0) * std::pow(A, i));
            gain.b[i] = float(size(3) / size(0) * std::pow(B, i));
        }
    }
};

struct Position { int64_t b, y, x; };  // the first output of a tile

struct Worker {
    const Convolution& conv;
    const Job& job;
    std::unique_ptr<Factor[]> transformed;
    std::unique_ptr<Sum[]> products;
    std::unique_ptr<Vec[]> outputs;  // [tiles][conv.kept_vectors][CELLS]
    std::vector<Stored> zeros;
    std::vector<float> unit;  // of each tile
    std::vector<Position> positions;  // of each tile

    explicit Worker(const Convolution& l)
        : conv(l), job(l.job), transformed(new Factor[size_t(POINTS) * l.inputs * l.tiles * LANES]),
          products(new Sum[size_t(POINTS) * l.tiles * OUTPUTS]), outputs(new Vec[size_t(l.tiles) * l.kept_vectors * CELLS]),
          zeros(std::max(job.channels[0], job.channels[1])), unit(l.tiles, 1.0f), positions(l.tiles) {}

    Position position_of(int64_t tile) const {
        const int64_t row = tile / conv.across;
        return {row / conv.down, row % conv.down * TILE_OUT, tile % conv.across * TILE_OUT};
    }

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * conv.tiles, count = std::min<int64_t>(conv.tiles, conv.total - first);
        for (int64_t t = 0, run; t < count; t += run) {
            run = std::min({RUN, count - t, conv.across - (first + t) % conv.across});
            for (int64_t k = 0; k < run; k++) positions[t + k] = position_of(first + t + k);
            transform(positions[t], t, run);
        }
        for (int place = 0; place < PLACES; place++)
            for (int block = 0; block < conv.blocks; block++) {
                const int left = vectors(job.outputs) - block * OUTPUTS;
                if (left >= OUTPUTS) multiply_block<OUTPUTS>(place, block, count);
                else multiply_block<1>(place, block, count);
            }
    }

    // Transforms `count` adjacent tiles, from tile `t` of the chunk on. Columns that tiles share are transformed once.
    void transform(Position position, int64_t t, int64_t count) {
        const int64_t columns = TILE_OUT * count + TILE_IN - TILE_OUT, step = conv.inputs * conv.tiles * LANES;
        const Stored* from[2][TILE_IN * COLUMNS];
        for (int s = 0; s < 2; s++)
            if (job.channels[s]) find_sources(position, s, columns, from[s]);
        float factor[RUN][POINTS];
        if (IN_INT16) choose_units(t, count, from, factor);
        Factor* to = &transformed[t * LANES];
        for (int s = 0; s < 2; s++)
            for (int c = 0; c < job.channels[s]; c += LANES, to += conv.tiles * LANES) {
                const int channels = job.channels[s], some = std::min(LANES, channels - c);
                Vec half[LINE * COLUMNS];
                for (int64_t x = 0; x < columns; x++) {
                    Vec cells[TILE_IN];
#pragma GCC unroll 6
                    for (int y = 0; y < TILE_IN; y++) {
                        const Stored* cell = from[s][x * TILE_IN + y] + c;
                        cells[y] = load_stored(cell, some);
                        __builtin_prefetch(cell + COLUMNS * channels);  // of the next run: too far for the hardware's prefetcher
                    }
                    transform_inputs(cells, 1, half + x * LINE);
                }
                for (int64_t k = 0; k < count; k++)
                    for (int y = 0; y < LINE; y++) {
                        Vec line[LINE];
                        transform_inputs(half + k * TILE_OUT * LINE + y, LINE, line);
#pragma GCC unroll 6
                        for (int x = 0; x < LINE; x++) {
                            const Vec value = IN_INT16 ? line[x] * factor[k][y * LINE + x] : line[x];
                            store_factors(to + (y * LINE + x) * step + k * LANES, value);
                        }
                    }
            }
    }

    // Sets the unit of each tile, in which all its transforms fit 16 bits, and the factor that converts each point to that unit.
    void choose_units(int64_t t, int64_t count, const Stored* const (*from)[TILE_IN * COLUMNS], float (*factor)[POINTS]) {
        constexpr int64_t WHOLE = (COLUMNS + LANES - 1) / LANES * LANES;
        Vec sums[WHOLE] = {}, column[WHOLE / LANES];
        for (int64_t x = 0; x < TILE_OUT * count + TILE_IN - TILE_OUT; x++) {
            Vec sum{};
            for (int s = 0; s < 2; s++)
                for (int y = FIRST; y < TILE_IN && job.channels[s]; y++)
                    sum = add_squares(sum, from[s][x * TILE_IN + y], job.channels[s]);
            sums[x] = sum;
        }
        for (int64_t x = 0; x < WHOLE; x += LANES) column[x / LANES] = sums_of(sums + x);
        for (int64_t k = 0; k < count; k++) {
            float total = 0;
            for (int64_t x = k * TILE_OUT + FIRST; x < k * TILE_OUT + TILE_IN; x++) total += column[x / LANES][x % LANES];
            const float unit_here = input_unit(total), inverse = 1 / unit_here;
            unit[t + k] = unit_here * conv.first;
            for (int i = 0; i < POINTS; i++) factor[k][i] = conv.point_scale[i] * inverse;
        }
    }

    // The addresses of the cells that a run reads, TILE_IN in each column.
    void find_sources(Position position, int s, int64_t columns, const Stored** from) const {
        int64_t rows[TILE_IN];
        for (int y = 0; y < TILE_IN; y++)
            rows[y] = source_index(std::min(position.y + y - 1, job.height), job.height, job.boundary);
        for (int64_t x = 0; x < columns; x++) {
            const int64_t column = source_index(std::min(position.x + x - 1, job.width), job.width, job.boundary);
            for (int y = 0; y < TILE_IN; y++) {
                const int64_t cell = (position.b * job.height + rows[y]) * job.width + column;
                from[x * TILE_IN + y] = rows[y] < 0 || column < 0 ? zeros.data() : job.source[s] + cell * job.channels[s];
            }
        }
    }

    template <int N>
    void multiply_block(int place, int block, int64_t count) {
        const Factor* weight = job.weight + int64_t(place * conv.blocks + block) * POINTS * conv.inputs * LANES * OUTPUTS * LANES;
        for (int p = 0; p < POINTS; p++, weight += int64_t(conv.inputs) * LANES * N * LANES)
            for (int64_t t = 0; t < count; t += ROWS)
                multiply<N>(&transformed[(p * conv.inputs * conv.tiles + t) * LANES], conv.tiles, conv.inputs, weight, count - t,
                            &products[(p * conv.tiles + t) * OUTPUTS]);
        const bool last = block == conv.blocks - 1;
        const int first = block * OUTPUTS, from = job.scale ? first : 0;  // of the vectors of outputs; of those in `outputs`
        for (int64_t t = 0; t < count; t++) {
            // A single block needs the buffer of one tile only, which stays in the innermost cache.
            Vec* cells = &outputs[(conv.blocks > 1 ? t : 0) * conv.kept_vectors * CELLS];
            int64_t targets[CELLS];
            find_targets(positions[t], place, targets);
            for (int n = 0; n < N; n++)
                collect(t, place, first + n, &products[t * OUTPUTS + n], targets, cells + (from + n) * CELLS);
            if (job.scale && !last) continue;
            if (job.scale) normalise(cells);
            const int known = job.scale ? vectors(job.outputs) : N;
            if (job.activation == ELU) write<ELU>(cells, first + N - known, known, targets);
            else if (job.activation == RELU) write<RELU>(cells, first + N - known, known, targets);
            else write<NONE>(cells, first + N - known, known, targets);
        }
    }

    // One vector of output channels of a tile, from its products.
    void collect(int64_t t, int place, int vector, const Sum* from, const int64_t* targets, Vec* cells) {
        Vec half[LINE * TILE_OUT];
        const int64_t step = conv.tiles * OUTPUTS;
        const Gains gain = conv.gain;
        for (int x = 0; x < LINE; x++) {
            Vec column[LINE];
#pragma GCC unroll 6
            for (int y = 0; y < LINE; y++) column[y] = to_float(from[(y * LINE + x) * step]);
            transform_products(column, gain, half + x, LINE);
        }
        const int channel = vector * LANES, count = std::min(LANES, job.outputs - channel);
        const Vec units = IN_INT16 ? load_some(job.unit + place * job.outputs + channel, count) * unit[t] : Vec{};
        const Vec bias = job.bias ? load_some(job.bias + channel, count) : Vec{};
        for (int i = 0; i < TILE_OUT; i++) {
            Vec line[TILE_OUT];
            transform_products(half + i * LINE, gain, line, 1);
#pragma GCC unroll 4
            for (int x = 0; x < TILE_OUT; x++) cells[i * TILE_OUT + x] = IN_INT16 ? line[x] * units + bias : line[x] + bias;
        }
        if (job.addend)
            for (int i = 0; i < CELLS; i++)
                if (targets[i] >= 0) cells[i] += load_stored(job.addend + targets[i] + channel, count);
    }

    // Applies the channel norm to the outputs of a tile.
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

    // Applies the activation to `count` vectors of output channels of a tile, from vector `first` on, and writes them.
    template <int ACTIVATION>
    void write(const Vec* cells, int first, int count, const int64_t* targets) const {
        for (int v = 0; v < count; v++, cells += CELLS) {
            const int channel = (first + v) * LANES, some = std::min(LANES, job.outputs - channel);
            Stored* out = job.out + channel;
            for (int i = 0; i < CELLS; i++) {
                const Vec value = ACTIVATION == ELU ? elu(cells[i]) : activated<ACTIVATION>(cells[i]);
                if (targets[i] >= 0) store_stored(out + targets[i], value, some);
            }
        }
    }

    // The offset in `out` of each output of a tile; -1: outside the grid.
    void find_targets(Position position, int place, int64_t* targets) const {
        for (int i = 0; i < CELLS; i++) {
            const int64_t y = position.y + i / TILE_OUT, x = position.x + i % TILE_OUT;
            targets[i] = y < job.height && x < job.width ? target_of(position.b, y, x, place) : -1;
        }
    }

    // The offset in `out` of the output at a cell of the source.
    int64_t target_of(int64_t b, int64_t y, int64_t x, int place) const {
        if (UPSCALE > 1) {  // the second of the cell's own places and the first of the next cell's; periodic
            y = (UPSCALE * y + 1 + place / UPSCALE) % (UPSCALE * job.height);
            x = (UPSCALE * x + 1 + place % UPSCALE) % (UPSCALE * job.width);
        }
        return ((b * UPSCALE * job.height + y) * UPSCALE * job.width + x) * job.outputs;
    }
};

}  // namespace

// Bytes of the packed weights.
extern "C" int64_t packed_size(int32_t first, int32_t second, int32_t outputs) {
    const int64_t inputs = vectors(first) + vectors(second), blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return PLACES * blocks * POINTS * inputs * LANES * OUTPUTS * LANES * sizeof(Factor);
}

// The number of their units.
extern "C" int64_t units(int32_t, int32_t, int32_t outputs) { return PLACES * int64_t(outputs); }

// Transforms weights (places, outputs, first + second, 3, 3) to [place][block][point][channels / PAIR][output of the block][PAIR],
// padded with zeros, in units (places, outputs).
extern "C" void pack(const float* weight, int32_t first, int32_t second, int32_t outputs, Factor* packed, float* unit) {
    const int channels = first + second, inputs = (vectors(first) + vectors(second)) * LANES, wide = OUTPUTS * LANES;
    const int blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    std::memset(packed, 0, packed_size(first, second, outputs));
    std::vector<double> points(size_t(channels) * POINTS);
    for (int row = 0; row < PLACES * outputs; row++) {
        const int place = row / outputs, o = row % outputs;
        double largest = 0, squares[POINTS] = {};
        for (int k = 0; k < channels; k++, weight += 9)
            for (int p = 0; p < POINTS; p++) {
                const double *down = WEIGHT_TRANSFORM[FIRST + p / LINE], *across = WEIGHT_TRANSFORM[FIRST + p % LINE];
                double value = 0;
                for (int i = 0; i < 9; i++) value += down[i / 3] * across[i % 3] * weight[i];
                value /= row_norm(WEIGHT_TRANSFORM[FIRST + p / LINE]) * row_norm(WEIGHT_TRANSFORM[FIRST + p % LINE]);
                points[k * POINTS + p] = value;
                squares[p] += value * value;
                largest = std::max(largest, std::abs(value));
            }
        const double norm = std::sqrt(*std::max_element(squares, squares + POINTS));
        unit[row] = weight_unit(norm, largest);
        const int block = o / wide, n = std::min(vectors(outputs) - block * OUTPUTS, OUTPUTS) * LANES;
        Factor* to = packed + int64_t(place * blocks + block) * POINTS * inputs * wide;
        for (int k = 0; k < channels; k++) {
            const int channel = k < first ? k : vectors(first) * LANES + k - first;
            for (int p = 0; p < POINTS; p++)
                to[((int64_t(p) * inputs + channel) / PAIR * n + o % wide) * PAIR + channel % PAIR] =
                    to_factor(points[k * POINTS + p] / unit[row]);
        }
    }
}

// Returns 0, or 1 if out of memory.
extern "C" int32_t conv3x3(const Job* job) try {
    const Convolution conv(*job);
    run_stages(job->threads, 1, (conv.total + conv.tiles - 1) / conv.tiles, [&] { return Worker(conv); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
