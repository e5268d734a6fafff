// Rules of whole states by a decision tree over the cells of the 3x3 block, on cells of one byte.
#include <algorithm>

#include "job.h"
#include "row_steps.h"

extern "C" struct Job {
    const uint8_t* cells;     // (batch, height, width), before the first step
    uint8_t *next, *spare;    // two more such grids; the result is in `next`
    const int32_t* children;  // (nodes, states): the node to go to, multiplied by `states`; for the last input the next state
    const int32_t* inputs;    // (y, x) of the cell asked first, second ..., each -1, 0 or 1
    const int64_t* around;    // the cells beyond the edge: as in block_rule.cpp
    int64_t batch, height, width, steps;
    int32_t input_count, threads;
};
EXPORT_SIZE(Job)

namespace {

constexpr int64_t CELLS_OF_CHUNK = 1 << 15;
constexpr int64_t BLOCK = 256;  // cells that go down the tree together

class Grid {
    const Job& job;
    const uint8_t* from = nullptr;
    std::vector<int32_t> rows[3];  // of states, with one more cell at either end
    int32_t nodes[BLOCK];

    int32_t state(int64_t source) const { return source < 0 ? 0 : from[source]; }
    std::vector<int32_t>& row(int64_t y) { return rows[(y + 3) % 3]; }

    void read(int64_t y) {
        const int64_t height = job.height, width = job.width;
        int32_t* __restrict out = row(y).data();
        if (y < 0 || y >= height) {
            const int64_t* sources = job.around + (y < 0 ? 0 : width + 2);
            for (int64_t x = 0; x < width + 2; x++) out[x] = state(sources[x]);
            return;
        }
        const int64_t* columns = job.around + 2 * (width + 2);
        const uint8_t* __restrict cells = from + y * width;
        out[0] = state(columns[y]);
        for (int64_t x = 0; x < width; x++) out[x + 1] = cells[x];
        out[width + 1] = state(columns[height + y]);
    }

  public:
    explicit Grid(const Job& job) : job(job) {
        for (auto& each : rows) each.resize(job.width + 2);
    }

    void step(StepAt, const uint8_t* before, uint8_t* after, int64_t first, int64_t last) {
        from = before;
        for (int64_t y = first - 1; y <= first; y++) read(y);
        for (int64_t y = first; y < last; y++) {
            read(y + 1);
            for (int64_t x0 = 0; x0 < job.width; x0 += BLOCK) {
                const int64_t size = std::min(BLOCK, job.width - x0);
                const int32_t* __restrict children = job.children;
                int32_t* __restrict node = nodes;
                std::fill_n(node, size, 0);
                for (int i = 0; i < job.input_count; i++) {
                    const int32_t* __restrict states = row(y + job.inputs[2 * i]).data() + x0 + 1 + job.inputs[2 * i + 1];
                    for (int64_t x = 0; x < size; x++) node[x] = children[node[x] + states[x]];
                }
                uint8_t* __restrict out = after + y * job.width + x0;
                for (int64_t x = 0; x < size; x++) out[x] = uint8_t(node[x]);
            }
        }
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t rule_tree(const Job* job) try {
    const int64_t rows = std::clamp<int64_t>(CELLS_OF_CHUNK / job->width, 1, job->height);
    step_rows(job->threads, job->steps, job->batch, job->height, rows, job->height * job->width, job->cells, job->next, job->spare,
              [&] { return Grid(*job); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
