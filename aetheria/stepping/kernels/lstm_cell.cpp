// An LSTM cell, from the values of its gates, in one pass.
//
// Values are (batch, height, width, channels); `gates` holds forget, input, output and candidate, `width` channels of each.
#include <algorithm>

#include "gemm.h"
#include "job.h"
#include "parallel_stages.h"

extern "C" struct Job {
    const Stored* gates;
    const float* memory;
    float *hidden, *next_memory;
    int64_t cells;  // of all universes
    int32_t width, threads;
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS = 64;  // in a chunk of work

// Both from exp(-|x|) - 1, which neither overflows nor loses digits of a small x.
inline Vec sigmoid(Vec x) {
    const Vec lower = expm1(x < 0.0f ? x : -x), whole = lower + 2.0f;
    return (x < 0.0f ? lower + 1.0f : Vec{} + 1.0f) / whole;
}
inline Vec tanh(Vec x) {
    const Vec lower = expm1(2.0f * (x < 0.0f ? x : -x)), size = lower / (lower + 2.0f);
    return x < 0.0f ? size : -size;
}

void step_cell(const Job& job, int64_t cell) {
    const Stored* gates = job.gates + cell * 4 * job.width;
    const float* memory = job.memory + cell * job.width;
    float *hidden = job.hidden + cell * job.width, *next_memory = job.next_memory + cell * job.width;
    for (int c = 0; c < job.width; c += LANES) {
        const int count = std::min(LANES, job.width - c);
        const auto of = [&](int number) { return load_stored(gates + number * job.width + c, count); };
        const Vec kept = sigmoid(of(0)) * load_some(memory + c, count) + sigmoid(of(1)) * tanh(of(3));
        store_some(next_memory + c, kept, count);
        store_some(hidden + c, sigmoid(of(2)) * tanh(kept), count);
    }
}

}  // namespace

extern "C" void lstm_cell(const Job* job) {
    const auto work = [job](int64_t, int64_t chunk) {
        for (int64_t cell = chunk * CELLS; cell < std::min((chunk + 1) * CELLS, job->cells); cell++) step_cell(*job, cell);
    };
    run_stages(job->threads, 1, (job->cells + CELLS - 1) / CELLS, [&] { return work; }, [](int64_t) {});
}
