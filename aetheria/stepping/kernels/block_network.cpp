// Two-state rules on the 3x3 block as a network of logic operations, on packed cells.
//
// `generated.h`, made from the rule's table of 512 next states, has the struct Rule; see packed_strips.h.
#include "packed_strips.h"

#include "generated.h"

extern "C" int32_t step(const Job* job) { return step_strips<Rule>(*job); }
