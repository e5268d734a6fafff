// Steps Lenia, of one or several channels and kernels, with direct sums over the ring-shaped kernels; and Flow Lenia.
//
// A kernel is symmetric in both axes. So the cells dx to the left and dx to the right of each cell are added once, for all kernels
// that read the channel, in a column LANES cells wide; the rows dy above and dy below in that column are added before they are
// weighted. When dy decreases by one, only two rows are loaded for ROWS products: the others are in registers already.
#include "job.h"
#include "matter_flow.h"
#include "parallel_stages.h"
#include "ring_tiles.h"

extern "C" struct Job {
    const float* weight;    // (kernels, reach + 1, reach + 1): of the cells at [dx][dy]; halved at dx 0, where cells are added twice
    const float* growths;   // (batch, kernels, 3): centre, narrowness, weight; growth is a function of narrowness * (u - centre)^2
    const float* rates;     // (batch, 2 + channels): dt, 1 / theta_A, a number that is added to the growths of each channel
    const int32_t *sources, *targets;  // (kernels): channel that a kernel reads, that it adds to
    const float* cells;     // (batch, channels + carried, height, width), before the first step
    float *next, *spare;    // two more such grids; the result is in `next`
    float* affinity;        // (batch, channels, height, width); for FLOW
    int64_t batch, height, width, steps;
    int32_t channels, kernels, carried, reach, boundary, growth, update, furthest, threads;
    float decay, sigma, exponent;  // cells <- cells + dt (growths - decay cells); the others for FLOW
};
EXPORT_SIZE(Job)

namespace {

struct Rings {
    const Job& job;
    const RingTiles tiles;
    const Flow flow;
    std::vector<int32_t> last;  // for each kernel and dx the largest dy with a weight; -1: none

    explicit Rings(const Job& j)
        : job(j), tiles(j.batch, j.height, j.width, j.reach, j.boundary, j.threads),
          flow{j.height, j.width, j.channels, j.carried, j.boundary, j.furthest, j.sigma, j.exponent},
          last(j.kernels * (j.reach + 1), -1) {
        for (int64_t i = 0; i < int64_t(last.size()); i++)
            for (int dy = 0; dy <= j.reach; dy++)
                if (j.weight[i * (j.reach + 1) + dy] != 0) last[i] = dy;
    }

    int64_t plane() const { return job.height * job.width; }
    int64_t universe() const { return (job.channels + job.carried) * plane(); }
    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }
    const float* rates(int64_t b) const { return job.rates + b * (2 + job.channels); }
    int64_t chunks() const { return job.batch * tiles.strips * tiles.strip_chunks; }

    Vec growth(Vec potential, const float* curve) const {
        const Vec off = potential - curve[0], x = curve[1] * off * off;
        const Vec bump = x > 1.0f ? Vec{} : 1.0f - x;
        return job.growth == POLYNOMIAL ? 2.0f * (bump * bump) * (bump * bump) - 1.0f : 2.0f * expm1(-x) + 1.0f;
    }

    Vec updated(Vec cells, Vec growths, float dt) const {
        if (job.update == FLOW) return growths;
        const Vec next = cells + (growths - job.decay * cells) * dt;
        if (job.update == FREE) return next;
        if (job.update == SIGMOID) {
            const Vec x = 4.0f * (next - 0.5f), size = x < 0.0f ? x : -x;
            const Vec power = 1.0f + expm1(size), above = 1.0f / (1.0f + power);
            return x < 0.0f ? power * above : above;
        }
        const Vec low = next < 0.0f ? Vec{} : next;  // false for NaN, which stays
        return low > 1.0f ? Vec{} + 1.0f : low;
    }
};

// Steps the tiles of one thread, in buffers of its own.
struct Worker {
    const Rings& rings;
    const Job& job;
    const RingTiles& tiles;
    RingColumns columns;
    std::unique_ptr<Vec[]> totals;  // (channels, rows + ROWS)
    FlowBand band;

    explicit Worker(const Rings& r)
        : rings(r), job(r.job), tiles(r.tiles), columns(r.tiles), totals(new Vec[r.job.channels * (r.tiles.rows + ROWS)]),
          band(r.flow) {}

    void operator()(int64_t stage, int64_t chunk) {
        if (job.update != FLOW) return add_growths(stage, chunk);
        if (stage % 2 == 0) return chunk < rings.chunks() ? add_growths(stage / 2, chunk) : void();
        const int64_t step = stage / 2, bands = rings.flow.bands(), b = chunk / bands;
        if (b >= job.batch) return;
        band.advance(rings.source(step) + b * rings.universe(), job.affinity + b * job.channels * rings.plane(),
                     rings.target(step) + b * rings.universe(), chunk % bands, rings.rates(b)[0], rings.rates(b)[1]);
    }

    void add_growths(int64_t step, int64_t chunk) {
        const int64_t part = chunk % tiles.strip_chunks, strips = chunk / tiles.strip_chunks;
        const int64_t strip = strips % tiles.strips, b = strips / tiles.strips;
        const int64_t last = std::min(tiles.tiles, (part + 1) * tiles.chunk_tiles);
        for (int64_t tile = part * tiles.chunk_tiles; tile < last; tile++) step_tile(step, b, strip, tile);
    }

    void step_tile(int64_t step, int64_t b, int64_t strip, int64_t tile) {
        const int64_t first = strip * tiles.rows, last = std::min(job.height, first + tiles.rows);
        const int64_t left = tile * LANES, stride = tiles.rows + ROWS;
        const int count = std::min<int64_t>(LANES, job.width - left);
        const float *from = rings.source(step) + b * rings.universe(), *rates = rings.rates(b);
        for (int c = 0; c < job.channels; c++) std::fill_n(&totals[c * stride], stride, Vec{} + rates[2 + c]);
        for (int c = 0; c < job.channels; c++) {
            if (std::find(job.sources, job.sources + job.kernels, c) == job.sources + job.kernels) continue;
            columns.begin(from + c * rings.plane(), first, tile);
            for (int64_t y = first; y < last; y += ROWS) {
                columns.advance();
                for (int k = 0; k < job.kernels; k++)
                    if (job.sources[k] == c) add_growth(k, b, from, y, last, left, count, &totals[job.targets[k] * stride + y - first]);
            }
        }
        float* to = job.update == FLOW ? job.affinity + b * job.channels * rings.plane() : rings.target(step) + b * rings.universe();
        for (int c = 0; c < job.channels; c++)
            for (int64_t y = first; y < last; y++) {
                const int64_t at = c * rings.plane() + y * job.width + left;
                store_some(to + at, rings.updated(load_some(from + at, count), totals[c * stride + y - first], rates[0]), count);
            }
    }

    // Adds the growth of kernel k in ROWS rows, from row y on.
    void add_growth(int k, int64_t b, const float* from, int64_t y, int64_t last, int64_t left, int count, Vec* total) const {
        const float* curve = job.growths + 3 * (b * job.kernels + k);
        Vec sum[ROWS];
        sum_kernel(k, sum);
        for (int i = 0; i < ROWS; i++) sum[i] = rings.growth(sum[i], curve);
        if (job.carried) {  // the cells have weights of their own
            const float* weights = from + (job.channels + k) * rings.plane() + left;
            for (int i = 0; i < std::min<int64_t>(ROWS, last - y); i++) total[i] += load_some(weights + (y + i) * job.width, count) * sum[i];
        } else {
            for (int i = 0; i < ROWS; i++) total[i] += curve[2] * sum[i];
        }
    }

    // The potential of ROWS rows. Inlined it would have to share its registers with the growth: a fifth slower.
    __attribute__((noinline)) void sum_kernel(int k, Vec* potential) const {
        Vec sum[ROWS] = {};
        for (int64_t dx = 0; dx <= job.reach; dx++) {
            int64_t dy = rings.last[k * (job.reach + 1) + dx];
            if (dy < 0) continue;
            const float* weight = job.weight + (k * (job.reach + 1) + dx) * (job.reach + 1);
            const Vec* rows = columns.column(dx);
            Vec above[ROWS], below[ROWS];
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) above[i] = rows[i - dy], below[i] = rows[i + dy];
            for (; dy > 0; dy--) {
                const float w = weight[dy];
#pragma GCC unroll 8
                for (int i = 0; i < ROWS; i++) sum[i] += w * (above[i] + below[i]);
#pragma GCC unroll 8
                for (int i = 0; i < ROWS - 1; i++) above[i] = above[i + 1], below[ROWS - 1 - i] = below[ROWS - 2 - i];
                above[ROWS - 1] = rows[ROWS - dy];
                below[0] = rows[dy - 1];
            }
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) sum[i] += weight[0] * above[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++) potential[i] = sum[i];
    }
};

}  // namespace

// Returns 0, or 1 if out of memory.
extern "C" int32_t lenia(const Job* job) try {
    const Rings rings(*job);
    const bool flows = job->update == FLOW;
    const int64_t chunks = flows ? std::max(rings.chunks(), job->batch * rings.flow.bands()) : rings.chunks();
    run_stages(job->threads, flows ? 2 * job->steps : job->steps, chunks, [&] { return Worker(rings); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
