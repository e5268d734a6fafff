// Matter that flows up the affinity and down its own concentration, as in FlowLenia: a band of rows at a time.
//
// Each row of cells is spread over the rows and columns around: what arrives in a row is added up in the order of the rows that it
// comes from, whatever the bands. Displacements that no cell of a segment has are skipped.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "grid.h"
#include "simd.h"

constexpr int SEGMENT = 32, VECTORS_OF_SEGMENT = SEGMENT / LANES;  // cells for which displacements are bounded together
constexpr int64_t BAND = 32;                                       // rows
constexpr float SLACK_OF_SHARE = 1e-4f;                            // more than rounding of a displacement
constexpr float NOTHING = 1e-30f;                                  // mass of a cell below which weights have no digits

struct Flow {
    int64_t height, width;
    int32_t channels, carried, boundary, furthest;  // PERIODIC or ZERO; furthest displacement, less than SEGMENT
    float sigma, exponent;

    int64_t bands() const { return (height + BAND - 1) / BAND; }
    int64_t segments() const { return (width + SEGMENT - 1) / SEGMENT; }
    int64_t row() const { return (segments() + 2) * SEGMENT; }  // a kept row: a segment beyond either end
};

// Displacements from `low` on up to `high`.
struct Reach {
    int low, high;

    bool holds(int by) const { return by >= low && by <= high; }
    Reach with(Reach other) const { return {std::min(low, other.low), std::max(high, other.high)}; }
};

class FlowBand {
  public:
    explicit FlowBand(const Flow& f)
        : flow(f), row(f.row()), shares_number(2 * f.furthest + 1), smooth(f.width + 2), steep(f.width + 2), crowded_y(row), crowded_x(row),
          total(3 * f.width), matter(f.channels * row), moved_y(f.channels * row), moved_x(f.channels * row), leaving(f.channels * row),
          shares(f.channels * shares_number * row), weights(f.carried * row), part(row),
          arrived((f.channels + f.carried) * BAND * f.segments() * SEGMENT), down(f.channels * (f.segments() + 2)), across(down.size()) {}

    // Writes the rows of a band after a step; `from` and `to` (channels + carried, height, width), affinity (channels, height, width).
    void advance(const float* from, const float* affinity, float* to, int64_t band, float dt, float per_theta) {
        const int64_t first = band * BAND, last = std::min(flow.height, first + BAND);
        std::fill(arrived.begin(), arrived.end(), 0.0f);
        for (int64_t y = first - flow.furthest; y < last + flow.furthest; y++) {
            const int64_t source = source_index(y, flow.height, flow.boundary);
            if (source < 0) continue;
            displace(from, affinity, source, dt, per_theta);
            for (int64_t target = std::max(first, y - flow.furthest); target <= std::min(last - 1, y + flow.furthest); target++)
                spread(int(target - y), target - first);
        }
        finish(from, to, first, last);
    }

  private:
    const Flow flow;
    const int64_t row;
    const int shares_number;
    std::vector<float> smooth, steep;          // (width + 2): of three rows, weighted 1 2 1 and -1 0 1
    std::vector<float> crowded_y, crowded_x;   // (row): gradient of the matter of all channels
    std::vector<float> total;                  // (3, width): matter of all channels in three rows
    std::vector<float> matter, moved_y, moved_x;  // (channels, row), with the cells beyond either end
    std::vector<float> leaving;                // (channels, row): matter for one row
    std::vector<float> shares;                 // (channels, 2 furthest + 1, row): of a row's matter, by displacement along it
    std::vector<float> weights;                // (carried, row)
    std::vector<float> part;                   // (row)
    std::vector<float> arrived;                // (channels + carried, BAND, segments)
    std::vector<Reach> down, across;           // (channels, segments + 2)

    int64_t plane() const { return flow.height * flow.width; }
    float* arrivals(int64_t channel, int64_t y) { return &arrived[(channel * BAND + y) * flow.segments() * SEGMENT]; }

    // Fills the segment beyond either end of a kept row.
    void close(float* cells) const {
        for (int64_t i = 0; i < SEGMENT; i++) {
            const int64_t before = source_index(i - SEGMENT, flow.width, flow.boundary);
            const int64_t after = source_index(flow.width + i, flow.width, flow.boundary);
            cells[i] = before < 0 ? 0 : cells[SEGMENT + before];
            cells[SEGMENT + flow.width + i] = after < 0 ? 0 : cells[SEGMENT + after];
        }
    }

    // Sobel gradients of a field along both axes; rows of null are zeros.
    void gradients(const float* above, const float* at, const float* below, float* along_y, float* along_x) {
        const int64_t width = flow.width;
        float *__restrict s = smooth.data() + 1, *__restrict d = steep.data() + 1;
        for (int64_t x = 0; x < width; x++) s[x] = 2.0f * at[x], d[x] = 0;
        if (above) for (int64_t x = 0; x < width; x++) s[x] += above[x], d[x] -= above[x];
        if (below) for (int64_t x = 0; x < width; x++) s[x] += below[x], d[x] += below[x];
        const bool torus = flow.boundary == PERIODIC;
        s[-1] = torus ? s[width - 1] : 0, s[width] = torus ? s[0] : 0;
        d[-1] = torus ? d[width - 1] : 0, d[width] = torus ? d[0] : 0;
        float *__restrict gy = along_y, *__restrict gx = along_x;
        for (int64_t x = 0; x < width; x++) gx[x] = s[x + 1] - s[x - 1], gy[x] = d[x - 1] + 2.0f * d[x] + d[x + 1];
    }

    // Where the matter of row y goes: fills `matter`, `moved_y`, `moved_x`, `shares`, `weights` and the bounds of displacements.
    void displace(const float* from, const float* affinity, int64_t y, float dt, float per_theta) {
        const int64_t width = flow.width, rows[3] = {source_index(y - 1, flow.height, flow.boundary), y, source_index(y + 1, flow.height, flow.boundary)};
        const float* sums[3];
        for (int i = 0; i < 3; i++) {
            float* __restrict sum = &total[i * width];
            sums[i] = rows[i] < 0 ? nullptr : sum;
            if (rows[i] < 0) continue;
            std::copy_n(from + rows[i] * width, width, sum);
            for (int c = 1; c < flow.channels; c++) {
                const float* __restrict cells = from + c * plane() + rows[i] * width;
                for (int64_t x = 0; x < width; x++) sum[x] += cells[x];
            }
        }
        gradients(sums[0], sums[1], sums[2], &crowded_y[SEGMENT], &crowded_x[SEGMENT]);
        for (int c = 0; c < flow.channels; c++) {
            const float* up[3];
            for (int i = 0; i < 3; i++) up[i] = rows[i] < 0 ? nullptr : affinity + c * plane() + rows[i] * width;
            float *m = &matter[c * row], *my = &moved_y[c * row], *mx = &moved_x[c * row];
            gradients(up[0], up[1], up[2], my + SEGMENT, mx + SEGMENT);
            std::copy_n(from + c * plane() + y * width, width, m + SEGMENT);
            move(m + SEGMENT, my + SEGMENT, mx + SEGMENT, dt, per_theta);
            for (float* cells : {m, my, mx}) close(cells);
            bound(my, &down[c * (flow.segments() + 2)]);
            share(mx, bound(mx, &across[c * (flow.segments() + 2)]), &shares[c * shares_number * row]);
        }
        for (int k = 0; k < flow.carried; k++) {
            std::copy_n(from + (flow.channels + k) * plane() + y * width, width, &weights[k * row + SEGMENT]);
            close(&weights[k * row]);
        }
    }

    // Displacements of the matter of a row, from the gradients of the affinity.
    void move(const float* __restrict m, float* __restrict my, float* __restrict mx, float dt, float per_theta) {
        const float most = flow.furthest - flow.sigma;
        const float *__restrict cy = &crowded_y[SEGMENT], *__restrict cx = &crowded_x[SEGMENT];
        float* __restrict alpha = part.data();
        for (int64_t x = 0; x < flow.width; x++) alpha[x] = m[x] * per_theta;
        if (flow.exponent == 2) for (int64_t x = 0; x < flow.width; x++) alpha[x] *= alpha[x];
        else if (flow.exponent != 1) for (int64_t x = 0; x < flow.width; x++) alpha[x] = std::pow(alpha[x], flow.exponent);
        for (int64_t x = 0; x < flow.width; x++) {
            const float a = alpha[x] < 0 ? 0 : alpha[x] > 1 ? 1 : alpha[x];
            const float y_way = ((1 - a) * my[x] - a * cy[x]) * dt, x_way = ((1 - a) * mx[x] - a * cx[x]) * dt;
            my[x] = y_way < -most ? -most : y_way > most ? most : y_way;
            mx[x] = x_way < -most ? -most : x_way > most ? most : x_way;
        }
    }

    // For each segment of a kept row the displacements at which its cells leave anything. Returns those of the whole row.
    Reach bound(const float* moved, Reach* found) const {
        Reach all{flow.furthest, -flow.furthest};
        for (int64_t g = 0; g < flow.segments() + 2; g++) {
            Vec least = load(moved + g * SEGMENT), most = least;
            Ints wrong = least != least;
            for (int i = 1; i < VECTORS_OF_SEGMENT; i++) {
                const Vec some = load(moved + g * SEGMENT + i * LANES);
                least = some < least ? some : least, most = some > most ? some : most, wrong |= some != some;
            }
            float low = least[0], high = most[0];
            int32_t nans = wrong[0];
            for (int i = 1; i < LANES; i++) low = std::min(low, least[i]), high = std::max(high, most[i]), nans |= wrong[i];
            const float beyond = 0.5f + flow.sigma + SLACK_OF_SHARE;
            found[g] = nans ? Reach{-flow.furthest, flow.furthest}
                            : Reach{std::max(-flow.furthest, int(std::ceil(low - beyond))), std::min(flow.furthest, int(std::floor(high + beyond)))};
            all = all.with(found[g]);
        }
        return all;
    }

    // The share of the matter that moves `steps` cells, of cells that are displaced by `moved`.
    Vec share_of(Vec moved, int steps) const {
        const Vec off = float(steps) - moved, cover = (0.5f + flow.sigma) - (off < 0.0f ? -off : off);
        const float most = std::min(1.0f, 2 * flow.sigma);
        const Vec low = cover < 0.0f ? Vec{} : cover;
        return (low > most ? Vec{} + most : low) * (0.5f / flow.sigma);
    }

    void share(const float* moved, Reach reach, float* to) const {
        for (int i = reach.low; i <= reach.high; i++)
            for (int64_t x = 0; x < row; x += LANES) store(to + (i + flow.furthest) * row + x, share_of(load(moved + x), i));
    }

    // The displacements along an axis of the cells that can reach segment g of channel c.
    Reach near(const std::vector<Reach>& bounds, int c, int64_t g) const {
        const Reach* before = &bounds[c * (flow.segments() + 2) + g];
        return before[0].with(before[1]).with(before[2]);
    }

    // Adds what the present row leaves in the row `by` further on, row y of the band.
    void spread(int by, int64_t y) {
        for (int c = 0; c < flow.channels; c++) leave(c, by);
        for (int64_t g = 0; g < flow.segments(); g++) {
            for (int c = 0; c < flow.channels; c++)
                if (near(down, c, g).holds(by)) add(c, g, near(across, c, g), arrivals(c, y) + g * SEGMENT);
            if (flow.carried) add_weights(by, g, y);
        }
    }

    // The matter of channel c that goes to the row `by` further on.
    void leave(int c, int by) {
        for (int64_t g = 0; g < flow.segments() + 2; g++) {
            float* to = &leaving[c * row + g * SEGMENT];
            if (!down[c * (flow.segments() + 2) + g].holds(by)) std::fill_n(to, SEGMENT, 0.0f);
            else
                for (int64_t x = c * row + g * SEGMENT, i = 0; i < SEGMENT; i += LANES)
                    store(to + i, load(&matter[x + i]) * share_of(load(&moved_y[x + i]), by));
        }
    }

    // The products of what leaves and of its shares `by` cells along a row, in segment g.
    void parts(int c, int64_t g, int by, Vec* sum) const {
        const int64_t at = (g + 1) * SEGMENT - by;
        const float *left = &leaving[c * row + at], *share = &shares[(c * shares_number + by + flow.furthest) * row + at];
        for (int i = 0; i < VECTORS_OF_SEGMENT; i++) sum[i] += load(left + i * LANES) * load(share + i * LANES);
    }

    void add(int c, int64_t g, Reach columns, float* to) const {
        Vec sum[VECTORS_OF_SEGMENT];
        for (int i = 0; i < VECTORS_OF_SEGMENT; i++) sum[i] = load(to + i * LANES);
        for (int by = columns.low; by <= columns.high; by++) parts(c, g, by, sum);
        for (int i = 0; i < VECTORS_OF_SEGMENT; i++) store(to + i * LANES, sum[i]);
    }

    // Adds the carried weights, times the matter that brings them.
    void add_weights(int rows, int64_t g, int64_t y) {
        for (int by = -flow.furthest; by <= flow.furthest; by++) {
            Vec sum[VECTORS_OF_SEGMENT] = {};
            bool some = false;
            for (int c = 0; c < flow.channels; c++)
                if (near(down, c, g).holds(rows) && near(across, c, g).holds(by)) parts(c, g, by, sum), some = true;
            if (!some) continue;
            for (int k = 0; k < flow.carried; k++) {
                const float* weight = &weights[k * row + (g + 1) * SEGMENT - by];
                float* to = arrivals(flow.channels + k, y) + g * SEGMENT;
                for (int i = 0; i < VECTORS_OF_SEGMENT; i++)
                    store(to + i * LANES, load(to + i * LANES) + sum[i] * load(weight + i * LANES));
            }
        }
    }

    void finish(const float* from, float* to, int64_t first, int64_t last) {
        for (int64_t y = first; y < last; y++) {
            for (int64_t c = 0; c < flow.channels; c++) std::copy_n(arrivals(c, y - first), flow.width, to + c * plane() + y * flow.width);
            if (!flow.carried) continue;
            float* __restrict mass = part.data();
            std::fill_n(mass, flow.width, 0.0f);
            for (int c = 0; c < flow.channels; c++)
                for (int64_t x = 0; x < flow.width; x++) mass[x] += arrivals(c, y - first)[x];
            for (int64_t k = 0; k < flow.carried; k++) {
                const float* brought = arrivals(flow.channels + k, y - first);
                const int64_t at = (flow.channels + k) * plane() + y * flow.width;
                for (int64_t x = 0; x < flow.width; x++) to[at + x] = mass[x] > NOTHING ? brought[x] / mass[x] : from[at + x];
            }
        }
    }
};
