// Dense layers at each cell on the CPU: 1x1 convolutions; or 2x2 ones that are transposed, where each cell makes SPREAD x SPREAD.
//
// Cells are (batch, height, width, channels). A chunk of work is CELLS of them, kept as [channels / LANES][CELLS][LANES].
#include <cmath>
#include <memory>

#include "products.h"
#include "stages.h"

extern "C" struct Job {
    const Stored* source;
    const Number* weight;  // as `pack` leaves them
    const float *unit, *bias;  // (outputs) at each place, as `pack` leaves them; (outputs) or null
    float* next;
    int64_t cells, width;  // of all universes; of a row
    int32_t channels, outputs, spread, threads;
};

namespace {

constexpr int64_t CELLS = 4 * ROWS;

struct Worker {
    const Job& job;
    const int inputs, blocks;
    std::unique_ptr<Number[]> seen;
    float unit[CELLS], many[CELLS];  // of each cell; 1 / unit

    explicit Worker(const Job& j)
        : job(j), inputs(vectors(j.channels)), blocks((vectors(j.outputs) + OUTPUTS - 1) / OUTPUTS),
          seen(new Number[inputs * CELLS * LANES]) {}

    void operator()(int64_t, int64_t chunk) {
        const int64_t first = chunk * CELLS, count = std::min(CELLS, job.cells - first);
        if (SHORTENED) scale(first, count);
        for (int64_t t = 0; t < count; t++) read(first + t, t);
        for (int place = 0; place < job.spread * job.spread; place++)
            for (int block = 0; block < blocks; block++)
                if (vectors(job.outputs) - block * OUTPUTS >= OUTPUTS) finish<OUTPUTS>(place, block, first, count);
                else finish<1>(place, block, first, count);
    }

    // The unit of each cell, in which all its channels are short.
    void scale(int64_t first, int64_t count) {
        Vec squares[CELLS] = {};
        for (int64_t t = 0; t < count; t++) squares[t] = with_squares(squares[t], job.source + (first + t) * job.channels, job.channels);
        for (int64_t t = 0; t < CELLS; t += LANES) store(unit + t, sums_of(squares + t));
        for (float& one : unit) one = unit_of(one);
        for (int64_t t = 0; t < CELLS; t++) many[t] = 1 / unit[t];
    }

    void read(int64_t cell, int64_t t) {
        const Stored* from = job.source + cell * job.channels;
        for (int c = 0; c < job.channels; c += LANES) {
            const Vec values = load_stored(from + c, std::min(LANES, job.channels - c));
            keep(&seen[(c / LANES * CELLS + t) * LANES], SHORTENED ? values * many[t] : values);
        }
    }

    template <int N>
    void finish(int place, int block, int64_t first, int64_t count) {
        const int64_t wide = job.width * job.spread;
        const Number* weight = job.weight + int64_t(place * blocks + block) * inputs * LANES * OUTPUTS * LANES;
        for (int64_t t = 0; t < count; t += ROWS) {
            Sum sums[ROWS * OUTPUTS];
            multiply<N>(&seen[t * LANES], CELLS, inputs, weight, count - t, sums);
            for (int64_t r = 0; r < std::min<int64_t>(ROWS, count - t); r++) {
                const int64_t y = (first + t + r) / job.width * job.spread + place / job.spread;
                const int64_t x = (first + t + r) % job.width * job.spread + place % job.spread;
                for (int n = 0; n < N; n++) {
                    const int channel = (block * OUTPUTS + n) * LANES, some = std::min(LANES, job.outputs - channel);
                    Vec value = as_values(sums[r * OUTPUTS + n]);
                    if (SHORTENED) value *= load_some(job.unit + place * job.outputs + channel, some) * unit[t + r];
                    if (job.bias) value += load_some(job.bias + channel, some);
                    store_some(job.next + (y * wide + x) * job.outputs + channel, value, some);
                }
            }
        }
    }
};

}  // namespace

// Bytes that packed weights take.
extern "C" int64_t packed_size(int32_t places, int32_t channels, int32_t outputs) {
    const int64_t blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    return places * blocks * vectors(channels) * LANES * OUTPUTS * LANES * sizeof(Number);
}

// Their units.
extern "C" int64_t units(int32_t places, int32_t, int32_t outputs) { return int64_t(places) * outputs; }

// Weights (places, outputs, channels): to [place][block][channels / PAIR][output of the block][PAIR], zero where there is none.
extern "C" void pack(const float* weight, int32_t places, int32_t channels, int32_t outputs, Number* packed, float* unit) {
    const int inputs = vectors(channels) * LANES, wide = OUTPUTS * LANES, blocks = (vectors(outputs) + OUTPUTS - 1) / OUTPUTS;
    std::memset(packed, 0, packed_size(places, channels, outputs));
    for (int place = 0; place < places; place++)
        for (int o = 0; o < outputs; o++, weight += channels, unit++) {
            double squares = 0, most = 0;
            for (int k = 0; k < channels; k++) {
                squares += double(weight[k]) * weight[k];
                most = std::max(most, double(std::abs(weight[k])));
            }
            *unit = unit_of_weights(std::sqrt(squares), most);
            const int block = o / wide, n = std::min(vectors(outputs) - block * OUTPUTS, OUTPUTS) * LANES;
            Number* to = packed + int64_t(place * blocks + block) * inputs * wide;
            for (int k = 0; k < channels; k++)
                to[(int64_t(k / PAIR) * n + o % wide) * PAIR + k % PAIR] = number_of(weight[k] / *unit);
        }
}

// 0, or 1 when memory for it cannot be had.
extern "C" int32_t mixing(const Job* job) try {
    run_stages(job->threads, 1, (job->cells + CELLS - 1) / CELLS, [&] { return Worker(*job); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
