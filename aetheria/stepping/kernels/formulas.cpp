// Laws by formulas: the next value of each channel is a formula of the 3x3 cells around; on three axes, of 3x3x3.
//
// `generated.h`, made from the formulas, has the numbers RANK, CHANNELS and PARAMETERS, the types T, of values, and Kept, and the
// struct Rule, which computes rows.
#include "formula_terms.h"
#include "job.h"
#include "plane_pipeline.h"

// Rows of numbers that differ by cell, which go on beyond the edges of a torus; on three axes a row is a plane, as it is kept.
struct CellNumbers {
    const double* numbers;
    int64_t rows, columns, pad;

    const double* row(int number, int64_t y, int64_t x) const {
        return numbers + (number * rows + (y % rows + rows) % rows) * columns + pad + x;
    }
};

#include "generated.h"

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

template <int AXES, class MakeRule>
void step_all(const GridShape& grid, const Job& job, MakeRule make_rule) {
    if constexpr (AXES == 3)
        step_planes_in_passes<CHANNELS, Kept>(grid, job.threads, job.steps, job.cells, job.next, job.spare, make_rule);
    else
        step_in_passes<CHANNELS, Kept>(grid, job.threads, job.steps, job.cells, job.next, job.spare, make_rule);
}

// Returns 0, or 1 if out of memory.
extern "C" int32_t formulas(const Job* job) try {
    const int32_t ends = RANK > 1 ? job->boundary : ZERO;  // of a row: there are no cells above and below
    const GridShape grid{job->batch, job->depth, job->height, job->width, ends, job->boundary, job->inside, job->beyond};
    auto make_rule = [&](int64_t universe) {
        const CellNumbers numbers{job->by_cell + universe * job->apart, RANK == 3 ? job->depth : job->height, job->columns,
                                  job->pad};
        return Rule{job->parameters + universe * PARAMETERS, numbers};
    };
    step_all<RANK>(grid, *job, make_rule);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
