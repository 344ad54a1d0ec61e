// How a run is told to people: above all, how to run it again.

#ifndef SIM_REPORT_H_
#define SIM_REPORT_H_

#include <cstdint>
#include <string>

#include "sim/world.h"

namespace sim {

// One line of figures, or what failed and the command that replays it.
std::string Report(uint64_t seed, const RunResult& result);

// A failed CHECK in the code under test, from now on, says the seed too.
void AnnounceSeed(uint64_t seed);

}  // namespace sim

#endif  // SIM_REPORT_H_
