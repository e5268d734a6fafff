// Reaction and diffusion: the next value of each species is a formula of the species and their Laplacians.
//
// `generated.h`, made from the formulas, has the numbers SPECIES and PARAMETERS, and step_row(), which computes cells of a row.
#include "job.h"
#include "reaction_terms.h"
#include "row_pipeline.h"
#include "generated.h"

extern "C" struct Job {
    const float* cells;       // (batch, SPECIES, height, width), before the first step
    float *next, *spare;      // two more such grids; the result is in `next`
    const float* parameters;  // (batch, PARAMETERS)
    int64_t batch, height, width, steps;
    int32_t boundary, threads;
};
EXPORT_SIZE(Job)

// Returns 0, or 1 if out of memory.
extern "C" int32_t reaction(const Job* job) try {
    const GridShape grid{job->batch, job->height, job->width, job->boundary};
    step_in_passes<SPECIES>(grid, job->threads, job->steps, job->cells, job->next, job->spare, [&](int64_t universe) {
        return [parameters = job->parameters + universe * PARAMETERS](const RowPointers<SPECIES>& rows, int64_t count) {
            step_row(rows, parameters, count);
        };
    });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
