// Laws by formulas: the next value of each channel is a formula of the 3x3 cells around.
//
// `generated.h`, made from the formulas, has the numbers CHANNELS and PARAMETERS, the types T, of values, and Kept, and the struct
// Rule, which computes rows.
#include "formula_terms.h"
#include "job.h"
#include "row_pipeline.h"

// Rows of numbers that differ by cell: those of a torus go on beyond its edges.
struct CellNumbers {
    const double* numbers;
    int64_t height, width, pad;

    const double* row(int number, int64_t y, int64_t x) const {
        return numbers + (number * height + (y % height + height) % height) * (width + 2 * pad) + pad + x;
    }
};

#include "generated.h"

extern "C" struct Job {
    const float* cells;        // (batch, CHANNELS, height, width), before the first step; height 1 for a row
    float *next, *spare;       // two more such grids; the result is in `next`
    const double* parameters;  // (batch, PARAMETERS)
    const double* by_cell;     // (batch or 1, numbers, height, pad + width + pad)
    const int32_t* beyond;     // CHANNELS, as in `GridShape`
    int64_t batch, height, width, steps;
    int64_t pad, apart;        // apart: from the numbers by cell of a universe to the next one's, 0 if they are the same
    int32_t boundary, inside, row, threads;  // row: there are no cells above and below
};
EXPORT_SIZE(Job)

// Returns 0, or 1 if out of memory.
extern "C" int32_t formulas(const Job* job) try {
    const GridShape grid{job->batch, job->height, job->width, job->row ? ZERO : job->boundary, job->boundary,
                         job->inside, job->beyond};
    auto make_rule = [&](int64_t universe) {
        const CellNumbers numbers{job->by_cell + universe * job->apart, job->height, job->width, job->pad};
        return Rule{job->parameters + universe * PARAMETERS, numbers};
    };
    step_in_passes<CHANNELS, Kept>(grid, job->threads, job->steps, job->cells, job->next, job->spare, make_rule);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
