// Laws by formulas: the next value of each channel is a formula of the 3x3 cells around.
//
// `generated.h`, made from the formulas, has the numbers CHANNELS and PARAMETERS, and the struct Rule, which computes rows.
#include "formula_terms.h"
#include "job.h"
#include "row_pipeline.h"
#include "generated.h"

extern "C" struct Job {
    const float* cells;        // (batch, CHANNELS, height, width), before the first step; height 1 for a row
    float *next, *spare;       // two more such grids; the result is in `next`
    const double* parameters;  // (batch, PARAMETERS)
    int64_t batch, height, width, steps;
    int32_t boundary, row, threads;  // row: there are no cells above and below
};
EXPORT_SIZE(Job)

// Returns 0, or 1 if out of memory.
extern "C" int32_t formulas(const Job* job) try {
    const GridShape grid{job->batch, job->height, job->width, job->row ? ZERO : job->boundary, job->boundary};
    step_in_passes<CHANNELS>(grid, job->threads, job->steps, job->cells, job->next, job->spare,
                             [&](int64_t universe) { return Rule{job->parameters + universe * PARAMETERS}; });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
