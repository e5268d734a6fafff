// Lines of a grid, its rows or on three axes its planes, after each of several steps that one pass over the grid takes.
//
// Line y of the cells that a pass begins with is read, then line y - 1 after one step is computed, line y - 2 after two, and so on:
// each from three lines of the step before. A rule keeps as many lines of a channel as it reads: SLOTS, two or three.
#pragma once
#include <algorithm>
#include <array>

#include "enums.h"
#include "parallel_stages.h"

constexpr int MOST_STEPS = 8;  // in a pass

template <int CHANNELS>
struct RowPointers {
    const float* above[CHANNELS];
    const float* at[CHANNELS];
    const float* below[CHANNELS];
    float* next[CHANNELS];
    int64_t y, x;   // place of the first cell; on a torus it may lie beyond the edges
    int64_t pitch;  // of planes that are stepped as rows (plane_pipeline.h): from a cell to the one below

    // Goes on to cells that lie `by` after these, and in `next` `by_next`.
    void forward(int64_t by, int64_t by_next) {
        for (auto* row : {above, at, below})
            for (int c = 0; c < CHANNELS; c++) row[c] += by;
        for (float*& row : next) row += by_next;
        x += by;
    }
};

struct Span {
    int64_t first, last;

    bool holds(int64_t i) const { return i >= first && i < last; }
};

// Part `number` of `of` equal ones.
inline Span share(int64_t size, int64_t number, int64_t of) { return {size * number / of, size * (number + 1) / of}; }

struct GridShape {
    int64_t batch, depth, height, width;
    int32_t ends;   // boundary above the first and below the last row; of a grid of three axes, plane
    int32_t sides;  // boundary to the left and right of the rows
    // With REFLECT, the cell beyond an edge has the values of the one `inside` cells from the edge, channel c those of beyond[c].
    int64_t inside;
    const int32_t* beyond;

    // Lines, of which there are `size`, with `more` on either side, but not beyond walls.
    Span with_halo(Span lines, int64_t more, int64_t size) const {
        if (ends == PERIODIC) return {lines.first - more, lines.last + more};
        return {std::max<int64_t>(0, lines.first - more), std::min(size, lines.last + more)};
    }
};

// The slots before those of each channel; last, of all channels.
template <class Rule>
constexpr std::array<int, Rule::CHANNELS + 1> slots_before() {
    std::array<int, Rule::CHANNELS + 1> before{};
    for (int c = 0; c < Rule::CHANNELS; c++) before[c + 1] = before[c] + Rule::SLOTS[c];
    return before;
}

// The kept lines of one thread.
template <class Rule>
class KeptLines {
  public:
    static constexpr int CHANNELS = Rule::CHANNELS;
    static constexpr std::array<int, CHANNELS + 1> BEFORE = slots_before<Rule>();

    // Of a grid of `count` lines, each with room for `stride` cells.
    KeptLines(const GridShape& g, int64_t lines, int64_t room, int64_t steps)
        : grid(g), count(lines), stride(room), kept(steps * bytes(room) / sizeof(float) + 16), zeros(room) {
        first = kept.data() + (64 - reinterpret_cast<uintptr_t>(kept.data()) % 64) / sizeof(float);
    }

    // Of lines of a step.
    static constexpr int64_t bytes(int64_t room) { return BEFORE[CHANNELS] * room * sizeof(float); }

    float* line(int64_t done, int64_t y, int channel) {
        const auto number = unsigned(y + 6 * MOST_STEPS);
        const unsigned slot = Rule::SLOTS[channel] == 2 ? number % 2 : number % 3;
        return first + (done * BEFORE[CHANNELS] + BEFORE[channel] + slot) * stride;
    }

    // The lines before a step from which line y is computed, from cell x on.
    RowPointers<CHANNELS> around(int64_t done, int64_t y, int64_t x) {
        RowPointers<CHANNELS> found{};
        for (int c = 0; c < CHANNELS; c++) {
            found.above[c] = source(done - 1, y - 1, c) + x;
            found.at[c] = source(done - 1, y, c) + x;
            found.below[c] = source(done - 1, y + 1, c) + x;
        }
        return found;
    }

    // Takes `steps` steps of some lines, by functions that read a line, step one and write one.
    template <class Read, class Step, class Write>
    void advance(Span lines, int steps, Read read, Step step, Write write) {
        auto lines_after = [&](int done) { return grid.with_halo(lines, steps - done, count); };
        for (int64_t y = lines_after(0).first; y < lines.last + steps; y++) {
            if (lines_after(0).holds(y)) read(y);
            for (int done = 1; done < steps; done++)
                if (lines_after(done).holds(y - done)) step(done, y - done);
            if (lines.holds(y - steps)) write(y - steps);
        }
    }

  private:
    const GridShape& grid;
    const int64_t count, stride;
    std::vector<float> kept, zeros;
    float* first;

    // A line before a step; beyond a wall the one that it mirrors, or zeros.
    const float* source(int64_t done, int64_t y, int channel) {
        if (grid.ends != PERIODIC && (y < 0 || y >= count)) {
            if (grid.ends == ZERO) return zeros.data();
            y = y < 0 ? grid.inside : count - 1 - grid.inside;
            channel = grid.beyond[channel];
        }
        return line(done, y, channel);
    }
};

// Makes what is kept of `count` cells, whose channels lie `volume` cells apart.
template <class Rule>
void read_row(const float* from, int64_t volume, RowPointers<Rule::CHANNELS> to, int64_t count, const Rule& rule) {
    for (int c = 0; c < Rule::CHANNELS; c++) {
        to.at[c] = from + c * volume;
        if (!Rule::MOVES) std::copy_n(from + c * volume, count, to.next[c]);
    }
    if constexpr (Rule::MOVES) rule.first(to, count);
}

// Takes `steps` steps in passes of up to `most`, each of `chunks` parts that the threads share; make_part() makes the function of
// a thread that takes some steps of a part, part(from, to, steps, chunk). The result is in `next`.
template <class MakePart>
void run_passes(int threads, int64_t steps, int64_t most, int64_t chunks, const float* cells, float* next, float* spare,
                MakePart make_part) {
    const int64_t passes = (steps + most - 1) / most;
    auto target = [&](int64_t pass) { return (passes - pass) % 2 ? next : spare; };
    auto worker = [&] {
        return [&, part = make_part()](int64_t pass, int64_t chunk) mutable {
            const Span some = share(steps, pass, passes);
            part(pass ? target(pass - 1) : cells, target(pass), int(some.last - some.first), chunk);
        };
    };
    run_stages(threads, passes, chunks, worker, [](int64_t) {});
}
