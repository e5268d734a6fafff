// Steps Lenia with a direct sum over the ring-shaped kernel, growth and clip in one pass.
//
// The kernel is symmetric in both axes. So the cells dx to the left and dx to the right of each cell are added once, in a column
// LANES cells wide; the rows dy above and dy below in that column are added before they are weighted. When dy decreases by one,
// only two rows are loaded for ROWS products: the others are in registers already.
#include <algorithm>
#include <cstring>
#include <memory>

#include "grid.h"
#include "job.h"
#include "parallel_stages.h"
#include "simd.h"

constexpr int ROWS = LANES >= 16 ? 8 : 4;         // summed together: 3 * ROWS vectors fit in the registers
constexpr int64_t SLACK = 128;                    // spare rows of a column, so that its rows are moved to the front rarely
constexpr int64_t MAX_ROWS = 512, MIN_ROWS = 64;  // rows in a strip: the next tile finds shared cells in the cache
constexpr int64_t CELLS = 4096;                   // in a chunk of several tiles
constexpr int64_t MIN_CHUNKS = 16;                // per thread, before several tiles are put in a chunk

extern "C" struct Job {
    const float* weight;  // (reach + 1, reach + 1): of the cells at [dx][dy]; halved at dx 0, where cells are added twice
    const float* cells;   // (batch, height, width), before the first step
    float *next, *spare;  // two more grids; the result is in `next`
    int64_t batch, height, width, steps;
    int32_t reach, boundary, growth, threads;
    float centre, narrowness, dt;  // growth is a function of narrowness * (u - centre)^2
};
EXPORT_SIZE(Job)

namespace {

struct Run { int64_t to, from, count; };  // consecutive cells of a row; from -1: zeros

struct Ring {
    const Job& job;
    int64_t tiles, strips, rows;         // of LANES columns, in a row; strips in a universe; rows in a strip
    int64_t chunk_tiles, strip_chunks;   // adjacent tiles in a chunk of work; chunks in a strip
    std::vector<int32_t> last;           // for each dx the largest dy with a weight; -1: none
    std::vector<std::vector<Run>> runs;  // of each tile that reads beyond an edge: the parts of its rows

    explicit Ring(const Job& j) : job(j), tiles((j.width + LANES - 1) / LANES), last(j.reach + 1, -1) {
        const int64_t wanted = (2 * j.threads + tiles * j.batch - 1) / (tiles * j.batch);
        strips = std::max((j.height + MAX_ROWS - 1) / MAX_ROWS, std::min(wanted, (j.height + MIN_ROWS - 1) / MIN_ROWS));
        rows = (j.height + strips - 1) / strips;
        strips = (j.height + rows - 1) / rows;
        chunk_tiles = std::max<int64_t>(1, std::min(CELLS / rows / LANES, j.batch * strips * tiles / (MIN_CHUNKS * j.threads)));
        strip_chunks = (tiles + chunk_tiles - 1) / chunk_tiles;
        for (int dx = 0; dx <= j.reach; dx++)
            for (int dy = 0; dy <= j.reach; dy++)
                if (j.weight[dx * (j.reach + 1) + dy] != 0) last[dx] = dy;
        for (int64_t tile = 0; tile < tiles; tile++) runs.push_back(runs_from(tile * LANES - j.reach));
    }

    // The runs of a tile's rows, including `reach` cells beyond either end, from cell `left` on; none within the grid.
    std::vector<Run> runs_from(int64_t left) const {
        std::vector<Run> found;
        const int64_t row_width = LANES + 2 * job.reach;
        if (left >= 0 && left + row_width <= job.width) return found;
        for (int64_t i = 0; i < row_width; i++) {
            const int64_t x = left + i, from = x < job.width + job.reach ? source_index(x, job.width, job.boundary) : -1;
            Run* run = found.empty() ? nullptr : &found.back();
            if (run && from == (run->from < 0 ? -1 : run->from + run->count)) run->count++;
            else found.push_back({i, from, 1});
        }
        return found;
    }

    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }

    Vec grow(Vec cells, Vec potential) const {
        const Vec off = potential - job.centre, x = job.narrowness * off * off;
        const Vec bump = x > 1.0f ? Vec{} : 1.0f - x;
        const Vec growth =
            job.growth == POLYNOMIAL ? 2.0f * (bump * bump) * (bump * bump) - 1.0f : 2.0f * expm1_below(-x) + 1.0f;
        const Vec next = cells + growth * job.dt;
        const Vec low = next < 0.0f ? Vec{} : next;  // false for NaN, which stays
        return low > 1.0f ? Vec{} + 1.0f : low;
    }
};

// Steps the tiles of one thread, in buffers of its own.
struct Worker {
    const Ring& ring;
    const Job& job;
    const int64_t reach, column_rows, row_width;  // rows of a column; cells that a tile reads of a row
    std::unique_ptr<Vec[]> columns;               // (reach + 1, column_rows): at [dx] the sum of the cells dx left and dx right
    std::vector<float> padded, zeros;             // (ROWS, row_width): rows at an edge; (row_width): zeros

    explicit Worker(const Ring& r)
        : ring(r), job(r.job), reach(job.reach), column_rows(2 * reach + ROWS + SLACK), row_width(LANES + 2 * reach),
          columns(new Vec[(reach + 1) * column_rows]), padded(ROWS * row_width), zeros(row_width) {}

    Vec* column(int64_t dx) const { return &columns[dx * column_rows]; }

    void operator()(int64_t step, int64_t chunk) {
        const int64_t part = chunk % ring.strip_chunks, strips = chunk / ring.strip_chunks;
        const int64_t strip = strips % ring.strips, b = strips / ring.strips;
        const int64_t last = std::min(ring.tiles, (part + 1) * ring.chunk_tiles);
        for (int64_t tile = part * ring.chunk_tiles; tile < last; tile++) advance(step, b, strip, tile);
    }

    void advance(int64_t step, int64_t b, int64_t strip, int64_t tile) {
        const int64_t first = strip * ring.rows, last = std::min(job.height, first + ring.rows);
        const int64_t left = tile * LANES, count = std::min<int64_t>(LANES, job.width - left);
        const float* from = ring.source(step) + b * job.height * job.width;
        float* to = ring.target(step) + b * job.height * job.width + left;
        int64_t at = 0;  // the index of row y - reach in the columns
        for (int64_t r = 0; r < 2 * reach; r += ROWS) add_sides(from, first - reach + r, left, r);
        for (int64_t y = first; y < last; y += ROWS, at += ROWS) {
            const int64_t rows = std::min<int64_t>(ROWS, last - y);
            if (at + 2 * reach + ROWS > column_rows) {
                for (int64_t dx = 0; dx <= reach; dx++) std::copy_n(column(dx) + at, 2 * reach, column(dx));
                at = 0;
            }
            add_sides(from, y + reach, left, at + 2 * reach);
            Vec sum[ROWS];
            sum_kernel(at + reach, sum);
            for (int i = 0; i < ROWS; i++) sum[i] = ring.grow(0.5f * column(0)[at + reach + i], sum[i]);
            for (int64_t i = 0; i < rows; i++) {
                if (count == LANES) store(to + (y + i) * job.width, sum[i]);
                else std::memcpy(to + (y + i) * job.width, &sum[i], count * sizeof(float));
            }
        }
    }

    // Adds the cells to the left and to the right in ROWS rows, from row y down.
    void add_sides(const float* from, int64_t y, int64_t left, int64_t at) {
        const float* rows[ROWS];
        for (int i = 0; i < ROWS; i++) rows[i] = row(from, y + i, left, &padded[i * row_width]);
        for (int64_t dx = 0; dx <= reach; dx++)
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) column(dx)[at + i] = load(rows[i] - dx) + load(rows[i] + dx);
    }

    // Row y of a tile, readable `reach` cells beyond either end; at the grid's edges it is assembled in `buffer`.
    const float* row(const float* from, int64_t y, int64_t left, float* buffer) const {
        const int64_t source = y < job.height + reach ? source_index(y, job.height, job.boundary) : -1;
        if (source < 0) return zeros.data() + reach;
        const float* cells = from + source * job.width;
        const auto& runs = ring.runs[left / LANES];
        if (runs.empty()) return cells + left;
        for (const Run& run : runs)
            for (int64_t x = 0; x < run.count; x += LANES) {
                const int some = std::min<int64_t>(LANES, run.count - x);
                store_some(buffer + run.to + x, run.from < 0 ? Vec{} : load_some(cells + run.from + x, some), some);
            }
        return buffer + reach;
    }

    // The potential of ROWS rows, from index `at` in the columns on.
    void sum_kernel(int64_t at, Vec* potential) const {
        Vec sum[ROWS] = {};
        for (int64_t dx = 0; dx <= reach; dx++) {
            int64_t dy = ring.last[dx];
            if (dy < 0) continue;
            const float* weight = job.weight + dx * (reach + 1);
            const Vec* rows = column(dx) + at;
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
    const Ring ring(*job);
    run_stages(job->threads, job->steps, job->batch * ring.strips * ring.strip_chunks, [&] { return Worker(ring); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
