// Laws by formulas: the next value of each channel is a formula of the 3x3 cells around; on three axes, of 3x3x3.
//
// `generated.h`, made from the formulas, has the type T of values, and the struct Rule, which computes rows.
#include "formula_terms.h"
#include "job.h"
#include "plane_pipeline.h"
#include "row_pipeline.h"

// Rows of numbers that differ by cell; on three axes a row is a plane, as it is kept. They go on beyond the edges of a torus; beyond
// a wall are the numbers of the cells at it, to which a value that moves into the wall comes back.
struct CellNumbers {
    const double* numbers;
    int64_t rows, columns, pad;
    bool torus;

    const double* row(int number, int64_t y, int64_t x) const {
        const int64_t inside = torus ? (y % rows + rows) % rows : std::clamp<int64_t>(y, 0, rows - 1);
        return numbers + (number * rows + inside) * columns + pad + x;
    }
};

// Libraries of other formulas have a Rule, too: without a namespace of its own a loaded one would share the constants of this one.
namespace {
#include "generated.h"
}

extern "C" struct Job {
    const float* cells;        // (batch, CHANNELS, depth, height, width), before the first step; height 1 for a row
    float *next, *spare;       // two more such grids; the result is in `next`
    const double* parameters;  // (batch, PARAMETERS)
    const double* by_cell;     // (batch or 1, numbers, height or depth, columns), see `CellNumbers`
    const int32_t* beyond;     // CHANNELS, as in `GridShape`
    int64_t batch, depth, height, width, steps;
    int64_t columns, pad;      // of the numbers by cell: in a row, and those before its first cell
    int64_t apart;             // from those of a universe to the next one's, 0 if they are the same
    int32_t boundary, inside, threads;
};
EXPORT_SIZE(Job)

template <class OneRule, class MakeRule>
void step_all(const GridShape& grid, const Job& job, MakeRule make_rule) {
    if constexpr (OneRule::RANK == 3)
        step_planes_in_passes<OneRule>(grid, job.threads, job.steps, job.cells, job.next, job.spare, make_rule);
    else
        step_in_passes<OneRule>(grid, job.threads, job.steps, job.cells, job.next, job.spare, make_rule);
}

// Returns 0, or 1 if out of memory.
extern "C" int32_t formulas(const Job* job) try {
    const int32_t ends = Rule::RANK > 1 ? job->boundary : ZERO;  // of a row: there are no cells above and below
    const GridShape grid{job->batch, job->depth, job->height, job->width, ends, job->boundary, job->inside, job->beyond};
    auto make_rule = [&](int64_t universe) {
        const CellNumbers numbers{job->by_cell + universe * job->apart, Rule::RANK == 3 ? job->depth : job->height, job->columns,
                                  job->pad, job->boundary == PERIODIC};
        return Rule{job->parameters + universe * Rule::PARAMETERS, numbers};
    };
    step_all<Rule>(grid, *job, make_rule);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
