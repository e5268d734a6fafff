// 1x1 convolutions, and transposed 2x2 convolutions of stride 2, in which each input gives 2 x 2 outputs.
//
// Cells are (batch, height, width, channels). A chunk of work is CELLS of them, held as [channels / LANES][CELLS][LANES].
#include <cmath>
#include <memory>

#include "gemm.h"
#include "job.h"
#include "parallel_stages.h"

extern "C" struct Job {
    const Stored* source;
    const Factor* weight;      // from `pack`
    const float *unit, *bias;  // (places, outputs), from `pack`; (outputs) or null
    float* out;
    int64_t cells, width;  // of all universes; of a row
    int32_t channels, outputs, upscale, threads;  // upscale: outputs per input along each axis, 1 or 2
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS = 4 * ROWS;

struct Worker {
    const Job& job;
    const int inputs, blocks;
    std::unique_ptr<Factor[]> factors;
    float unit[CELLS], inverse[CELLS];  // of each cell; 1 / unit

    explicit Worker(const Job& j)
        : job(j), inputs(vectors(j.channels)), blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS),
          factors(new Factor[inputs * CELLS * LANES]) {}

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * CELLS, count = std::min(CELLS, job.cells - first);
        if (IN_INT16) choose_units(first, count);
        for (int64_t t = 0; t < count; t++) load_cell(first + t, t);
        for (int place = 0; place < job.upscale * job.upscale; place++)
            for (int block = 0; block < blocks; block++)
                if (vectors(job.outputs) - block * OUTPUTS >= OUTPUTS) multiply_block<OUTPUTS>(place, block, first, count);
                else multiply_block<1>(place, block, first, count);
    }

    // Sets the unit of each cell, in which all its channels fit 16 bits.
    void choose_units(int64_t first, int64_t count) {
        Vec squares[CELLS] = {};
        for (int64_t t = 0; t < count; t++)
            squares[t] = add_squares(squares[t], job.source + (first + t) * job.channels, job.channels);
        for (int64_t t = 0; t < CELLS; t += LANES) store(unit + t, sums_of(squares + t));
        for (float& value : unit) value = input_unit(value);
        for (int64_t t = 0; t < CELLS; t++) inverse[t] = 1 / unit[t];
    }

    void load_cell(int64_t cell, int64_t t) {
        const Stored* from = job.source + cell * job.channels;
        for (int c = 0; c < job.channels; c += LANES) {
            const Vec values = load_stored(from + c, std::min(LANES, job.channels - c));
            store_factors(&factors[(c / LANES * CELLS + t) * LANES], IN_INT16 ? values * inverse[t] : values);
        }
    }

    template <int N>
    void multiply_block(int place, int block, int64_t first, int64_t count) {
        const int64_t wide = job.width * job.upscale;
        const Factor* weight = job.weight + int64_t(place * blocks + block) * inputs * LANES * OUTPUTS * LANES;
        for (int64_t t = 0; t < count; t += ROWS) {
            Sum sums[ROWS * OUTPUTS];
            multiply<N>(&factors[t * LANES], CELLS, inputs, weight, count - t, sums);
            for (int64_t r = 0; r < std::min<int64_t>(ROWS, count - t); r++) {
                const int64_t y = (first + t + r) / job.width * job.upscale + place / job.upscale;
                const int64_t x = (first + t + r) % job.width * job.upscale + place % job.upscale;
                for (int n = 0; n < N; n++) {
                    const int channel = (block * OUTPUTS + n) * LANES, some = std::min(LANES, job.outputs - channel);
                    Vec value = to_float(sums[r * OUTPUTS + n]);
                    if (IN_INT16) value *= load_some(job.unit + place * job.outputs + channel, some) * unit[t + r];
                    if (job.bias) value += load_some(job.bias + channel, some);
                    store_some(job.out + (y * wide + x) * job.outputs + channel, value, some);
                }
            }
        }
    }
};

}  // namespace

// Bytes of the packed weights.
extern "C" int64_t packed_size(int32_t places, int32_t channels, int32_t outputs) {
    const int64_t blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return places * blocks * vectors(channels) * LANES * OUTPUTS * LANES * sizeof(Factor);
}

// The number of their units.
extern "C" int64_t units(int32_t places, int32_t, int32_t outputs) { return int64_t(places) * outputs; }

// Arranges weights (places, outputs, channels) as [place][block][channels / PAIR][output of the block][PAIR], padded with zeros.
extern "C" void pack(const float* weight, int32_t places, int32_t channels, int32_t outputs, Factor* packed, float* unit) {
    const int inputs = vectors(channels) * LANES, wide = OUTPUTS * LANES, blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    std::memset(packed, 0, packed_size(places, channels, outputs));
    for (int place = 0; place < places; place++)
        for (int o = 0; o < outputs; o++, weight += channels, unit++) {
            double squares = 0, largest = 0;
            for (int k = 0; k < channels; k++) {
                squares += double(weight[k]) * weight[k];
                largest = std::max(largest, double(std::abs(weight[k])));
            }
            *unit = weight_unit(std::sqrt(squares), largest);
            const int block = o / wide, n = std::min(vectors(outputs) - block * OUTPUTS, OUTPUTS) * LANES;
            Factor* to = packed + int64_t(place * blocks + block) * inputs * wide;
            for (int k = 0; k < channels; k++)
                to[(int64_t(k / PAIR) * n + o % wide) * PAIR + k % PAIR] = to_factor(weight[k] / *unit);
        }
}

// Returns 0, or 1 if out of memory.
extern "C" int32_t conv1x1(const Job* job) try {
    run_stages(job->threads, 1, (job->cells + CELLS - 1) / CELLS, [&] { return Worker(*job); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
