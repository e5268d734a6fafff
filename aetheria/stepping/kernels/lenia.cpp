// Steps Lenia on the CPU: the ring around a cell added up directly, growth and clip; each cell read once and written once.
//
// The ring is its own mirror image in both axes. So the cells dx to the left and dx to the right of each cell are added once,
// and kept in a column LANES cells wide; then ROWS rows of the column add those dy above and dy below before they weigh them.
// As dy falls by one, two rows are loaded for ROWS products: the others are in registers already.
#include <algorithm>
#include <cstring>
#include <memory>

#include "grid.h"
#include "lanes.h"
#include "stages.h"

constexpr int ROWS = LANES >= 16 ? 8 : 4;  // added up together: 3 * ROWS vectors fit the registers
constexpr int64_t SLACK = 128;             // rows that a column has room for besides those in use, so that it moves seldom
constexpr int64_t MOST = 512, LEAST = 64;  // rows in a strip: the next tile finds their edges in cache
constexpr int64_t CELLS = 4096;            // in a chunk of work, if it has more than one tile
constexpr int64_t CHUNKS = 16;             // for each thread at least, before tiles share one

enum Growth { POLYNOMIAL, EXPONENTIAL };

extern "C" struct Job {
    const float* weight;  // (reach + 1, reach + 1): of a cell at [dx][dy]; [0] counts twice
    const float* cells;   // (batch, height, width), where to start
    float *next, *spare;  // two more grids; the result is in `next`
    int64_t batch, height, width, steps;
    int32_t reach, boundary, growth, threads;
    float centre, narrowness, dt;  // growth is a function of narrowness * (u - centre)^2
};

namespace {

struct Run { int64_t to, from, count; };  // cells that lie side by side in a row; from -1: zeros

struct Ring {
    const Job& job;
    int64_t tiles, strips, rows;         // a universe is cut into tiles of LANES columns and strips of so many rows
    int64_t together, pieces;            // a chunk of work is so many tiles side by side; a strip has so many chunks
    std::vector<int32_t> last;           // for each dx the largest dy that weighs something; -1: none does
    std::vector<std::vector<Run>> runs;  // of each tile that reaches beyond an edge: what its rows are put together from

    explicit Ring(const Job& j) : job(j), tiles((j.width + LANES - 1) / LANES), last(j.reach + 1, -1) {
        const int64_t wanted = (2 * j.threads + tiles * j.batch - 1) / (tiles * j.batch);
        strips = std::max((j.height + MOST - 1) / MOST, std::min(wanted, (j.height + LEAST - 1) / LEAST));
        rows = (j.height + strips - 1) / strips;
        strips = (j.height + rows - 1) / rows;
        together = std::max<int64_t>(1, std::min(CELLS / rows / LANES, j.batch * strips * tiles / (CHUNKS * j.threads)));
        pieces = (tiles + together - 1) / together;
        for (int dx = 0; dx <= j.reach; dx++)
            for (int dy = 0; dy <= j.reach; dy++)
                if (j.weight[dx * (j.reach + 1) + dy] != 0) last[dx] = dy;
        for (int64_t tile = 0; tile < tiles; tile++) runs.push_back(runs_from(tile * LANES - j.reach));
    }

    // The runs of a tile's rows and of `reach` cells beyond either end, the first of which is cell `left`; none needed inside.
    std::vector<Run> runs_from(int64_t left) const {
        std::vector<Run> found;
        const int64_t wide = LANES + 2 * job.reach;
        if (left >= 0 && left + wide <= job.width) return found;
        for (int64_t i = 0; i < wide; i++) {
            const int64_t x = left + i, from = x < job.width + job.reach ? beyond(x, job.width, job.boundary) : -1;
            Run* run = found.empty() ? nullptr : &found.back();
            if (run && from == (run->from < 0 ? -1 : run->from + run->count)) run->count++;
            else found.push_back({i, from, 1});
        }
        return found;
    }

    const float* source(int64_t step) const { return step == 0 ? job.cells : target(step - 1); }
    float* target(int64_t step) const { return (job.steps - step) % 2 ? job.next : job.spare; }

    Vec grown(Vec cells, Vec potential) const {
        const Vec off = potential - job.centre, x = job.narrowness * off * off;
        const Vec bump = x > 1.0f ? Vec{} : 1.0f - x;
        const Vec growth =
            job.growth == POLYNOMIAL ? 2.0f * (bump * bump) * (bump * bump) - 1.0f : 2.0f * expm1_below(-x) + 1.0f;
        const Vec next = cells + growth * job.dt;
        const Vec low = next < 0.0f ? Vec{} : next;  // NaN stays NaN
        return low > 1.0f ? Vec{} + 1.0f : low;
    }
};

// One thread's share: its buffers, and how it steps a tile of a strip.
struct Worker {
    const Ring& ring;
    const Job& job;
    const int64_t reach, room, wide;    // room: rows of a column; wide: cells that a row of a tile is made from
    std::unique_ptr<Vec[]> columns;     // (reach + 1, room): at [dx] the cells dx to the left and to the right, added
    std::vector<float> padded, nothing;  // (ROWS, wide), (wide): rows at an edge; zeros

    explicit Worker(const Ring& r)
        : ring(r), job(r.job), reach(job.reach), room(2 * reach + ROWS + SLACK), wide(LANES + 2 * reach),
          columns(new Vec[(reach + 1) * room]), padded(ROWS * wide), nothing(wide) {}

    Vec* column(int64_t dx) const { return &columns[dx * room]; }

    void operator()(int64_t step, int64_t chunk) {
        const int64_t piece = chunk % ring.pieces, strip = chunk / ring.pieces % ring.strips, b = chunk / ring.pieces / ring.strips;
        const int64_t last = std::min(ring.tiles, (piece + 1) * ring.together);
        for (int64_t tile = piece * ring.together; tile < last; tile++) advance(step, b, strip, tile);
    }

    void advance(int64_t step, int64_t b, int64_t strip, int64_t tile) {
        const int64_t first = strip * ring.rows, last = std::min(job.height, first + ring.rows);
        const int64_t left = tile * LANES, count = std::min<int64_t>(LANES, job.width - left);
        const float* from = ring.source(step) + b * job.height * job.width;
        float* to = ring.target(step) + b * job.height * job.width + left;
        int64_t at = 0;  // where row y - reach lies in the columns
        for (int64_t r = 0; r < 2 * reach; r += ROWS) fold(from, first - reach + r, left, r);
        for (int64_t y = first; y < last; y += ROWS, at += ROWS) {
            const int64_t rows = std::min<int64_t>(ROWS, last - y);
            if (at + 2 * reach + ROWS > room) {
                for (int64_t dx = 0; dx <= reach; dx++) std::copy_n(column(dx) + at, 2 * reach, column(dx));
                at = 0;
            }
            fold(from, y + reach, left, at + 2 * reach);
            Vec sum[ROWS];
            add_up(at + reach, sum);
            for (int i = 0; i < ROWS; i++) sum[i] = ring.grown(0.5f * column(0)[at + reach + i], sum[i]);
            for (int64_t i = 0; i < rows; i++) {
                if (count == LANES) store(to + (y + i) * job.width, sum[i]);
                else std::memcpy(to + (y + i) * job.width, &sum[i], count * sizeof(float));
            }
        }
    }

    // Adds what is left and right in rows y and below, ROWS of them.
    void fold(const float* from, int64_t y, int64_t left, int64_t at) {
        const float* rows[ROWS];
        for (int i = 0; i < ROWS; i++) rows[i] = row(from, y + i, left, &padded[i * wide]);
        for (int64_t dx = 0; dx <= reach; dx++)
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) column(dx)[at + i] = load(rows[i] - dx) + load(rows[i] + dx);
    }

    // Where row y of a tile can be read, `reach` cells beyond either end too; put together in `buffer` at the grid's edge.
    const float* row(const float* from, int64_t y, int64_t left, float* buffer) const {
        const int64_t source = y < job.height + reach ? beyond(y, job.height, job.boundary) : -1;
        if (source < 0) return nothing.data() + reach;
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

    // The potential of ROWS rows, the first of which lies at `at` in the columns.
    void add_up(int64_t at, Vec* potential) const {
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

// 0, or 1 when memory for it cannot be had.
extern "C" int32_t lenia(const Job* job) try {
    const Ring ring(*job);
    run_stages(job->threads, job->steps, job->batch * ring.strips * ring.pieces, [&] { return Worker(ring); }, [](int64_t) {});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
