// Mutants: defects that a run must find, one at a time. They stand for bugs of
// the code under test, and show that the oracles can fail.

#ifndef SIM_MUTANTS_H_
#define SIM_MUTANTS_H_

#include <string>
#include <vector>

#include "sim/world.h"

namespace sim {

struct Mutant {
  std::string name;
  Defect defect;
};

// What `defect` says outlives the process.
std::vector<Mutant> AllMutants();

}  // namespace sim

#endif  // SIM_MUTANTS_H_
