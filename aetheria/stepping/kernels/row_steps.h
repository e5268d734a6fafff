// Steps of grids whose rows are stepped one after the other, shared by threads.
#pragma once
#include <algorithm>

#include "parallel_stages.h"

struct StepAt {
    int64_t step, universe;  // numbers, from 0 on
};

// Takes `steps` steps of `batch` grids of `height` rows. make_stepper() makes a thread's own stepper, whose step(at, before, after,
// first, last) takes one step of one grid, and writes rows `first` to `last`; `grid` is the distance between two grids, `rows` the number of rows in a chunk.
// The result is in `next`; `spare` is for the steps in between.
template <class Word, class MakeStepper>
void step_rows(int threads, int64_t steps, int64_t batch, int64_t height, int64_t rows, int64_t grid, const Word* cells, Word* next,
               Word* spare, MakeStepper make_stepper) {
    const int64_t chunks = (height + rows - 1) / rows;
    auto target = [&](int64_t pass) { return (steps - pass) % 2 ? next : spare; };
    auto worker = [&] {
        return [&, stepper = make_stepper()](int64_t pass, int64_t chunk) mutable {
            const int64_t at = chunk / chunks * grid, first = chunk % chunks * rows;
            stepper.step({pass, chunk / chunks}, (pass ? target(pass - 1) : cells) + at, target(pass) + at, first, std::min(height, first + rows));
        };
    };
    run_stages(threads, steps, batch * chunks, worker, [](int64_t) {});
}
