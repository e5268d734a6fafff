// Grids in tiles LANES cells wide, and the sums of cells on either side of each of their columns.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "grid.h"
#include "simd.h"

constexpr int ROWS = LANES >= 16 ? 8 : 4;         // summed together: 3 * ROWS vectors fit in the registers
constexpr int64_t SLACK = 128;                    // spare rows of a column, so that its rows are moved to the front rarely
constexpr int64_t MAX_ROWS = 512, MIN_ROWS = 64;  // rows in a strip: the next tile finds shared cells in the cache
constexpr int64_t CELLS = 4096;                   // in a chunk of several tiles
constexpr int64_t MIN_CHUNKS = 16;                // per thread, before several tiles are put in a chunk

struct Run { int64_t to, from, count; };  // consecutive cells of a row; from -1: zeros

struct RingTiles {
    const int64_t height, width, reach;
    const int32_t boundary;
    int64_t tiles, strips, rows;         // of LANES columns, in a row; strips in a universe; rows in a strip
    int64_t chunk_tiles, strip_chunks;   // adjacent tiles in a chunk of work; chunks in a strip
    std::vector<std::vector<Run>> runs;  // of each tile that reads beyond an edge: the parts of its rows

    RingTiles(int64_t batch, int64_t h, int64_t w, int64_t r, int32_t edge, int32_t threads)
        : height(h), width(w), reach(r), boundary(edge), tiles((w + LANES - 1) / LANES) {
        const int64_t wanted = (2 * threads + tiles * batch - 1) / (tiles * batch);
        strips = std::max((height + MAX_ROWS - 1) / MAX_ROWS, std::min(wanted, (height + MIN_ROWS - 1) / MIN_ROWS));
        rows = (height + strips - 1) / strips;
        strips = (height + rows - 1) / rows;
        chunk_tiles = std::max<int64_t>(1, std::min(CELLS / rows / LANES, batch * strips * tiles / (MIN_CHUNKS * threads)));
        strip_chunks = (tiles + chunk_tiles - 1) / chunk_tiles;
        for (int64_t tile = 0; tile < tiles; tile++) runs.push_back(runs_from(tile * LANES - reach));
    }

    // The runs of a tile's rows, including `reach` cells beyond either end, from cell `left` on; none within the grid.
    std::vector<Run> runs_from(int64_t left) const {
        std::vector<Run> found;
        const int64_t row_width = LANES + 2 * reach;
        if (left >= 0 && left + row_width <= width) return found;
        for (int64_t i = 0; i < row_width; i++) {
            const int64_t x = left + i, from = x < width + reach ? source_index(x, width, boundary) : -1;
            Run* run = found.empty() ? nullptr : &found.back();
            if (run && from == (run->from < 0 ? -1 : run->from + run->count)) run->count++;
            else found.push_back({i, from, 1});
        }
        return found;
    }
};

// The columns of one tile of one channel, of one thread.
class RingColumns {
  public:
    explicit RingColumns(const RingTiles& t)
        : tiles(t), reach(t.reach), column_rows(2 * t.reach + ROWS + SLACK), row_width(LANES + 2 * t.reach),
          columns(new Vec[(t.reach + 1) * column_rows]), padded(ROWS * row_width), zeros(row_width) {}

    // At [y] the sum of the cells dx left and dx right in row y of the present ROWS rows, from -reach on.
    const Vec* column(int64_t dx) const { return &columns[dx * column_rows] + at + reach; }

    // Begins with the tile's rows before row `first`, of cells (height, width).
    void begin(const float* cells, int64_t first, int64_t tile) {
        from = cells, left = tile * LANES, next = first, at = -ROWS;
        for (int64_t r = 0; r < 2 * reach; r += ROWS) add_sides(first - reach + r, r);
    }

    // Goes on to the next ROWS rows.
    void advance() {
        at += ROWS;
        if (at + 2 * reach + ROWS > column_rows) {
            for (int64_t dx = 0; dx <= reach; dx++) std::copy_n(&columns[dx * column_rows] + at, 2 * reach, &columns[dx * column_rows]);
            at = 0;
        }
        add_sides(next + reach, at + 2 * reach);
        next += ROWS;
    }

  private:
    const RingTiles& tiles;
    const int64_t reach, column_rows, row_width;  // rows of a column; cells that a tile reads of a row
    std::unique_ptr<Vec[]> columns;               // (reach + 1, column_rows)
    std::vector<float> padded, zeros;             // (ROWS, row_width): rows at an edge; (row_width): zeros
    const float* from = nullptr;
    int64_t left = 0, next = 0, at = 0;           // first cell of the tile; next row; index of row y - reach in the columns

    // Adds the cells to the left and to the right in ROWS rows, from row y down.
    void add_sides(int64_t y, int64_t to) {
        const float* rows[ROWS];
        for (int i = 0; i < ROWS; i++) rows[i] = row(y + i, &padded[i * row_width]);
        for (int64_t dx = 0; dx <= reach; dx++)
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) columns[dx * column_rows + to + i] = load(rows[i] - dx) + load(rows[i] + dx);
    }

    // Row y of the tile, readable `reach` cells beyond either end; at the grid's edges it is assembled in `buffer`.
    const float* row(int64_t y, float* buffer) const {
        const int64_t source = y < tiles.height + reach ? source_index(y, tiles.height, tiles.boundary) : -1;
        if (source < 0) return zeros.data() + reach;
        const float* cells = from + source * tiles.width;
        const auto& runs = tiles.runs[left / LANES];
        if (runs.empty()) return cells + left;
        for (const Run& run : runs)
            for (int64_t x = 0; x < run.count; x += LANES) {
                const int some = std::min<int64_t>(LANES, run.count - x);
                store_some(buffer + run.to + x, run.from < 0 ? Vec{} : load_some(cells + run.from + x, some), some);
            }
        return buffer + reach;
    }
};
