// Which mutant of the core is planted in this process. The sources that
// mutants.txt changes, and nothing else, ask.

#ifndef RAFT_MUTANTS_PLANTED_H_
#define RAFT_MUTANTS_PLANTED_H_

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "raft/configuration.h"

namespace raft {

// Its name; empty: none, and the core is as it should be. Set before there is a
// core.
inline std::string planted_mutant;

inline bool IsPlanted(const char* mutant) {
  return !planted_mutant.empty() && planted_mutant == mutant;
}

// Of every mutant, in the order of mutants.txt.
struct Mutant {
  std::string name;
  std::string rule;  // "P17": what it breaks.
};
inline void PrintTo(const Mutant& mutant, std::ostream* out) {
  *out << mutant.name;
}
const std::vector<Mutant>& CoreMutants();

// A configuration in which learners vote.
inline Configuration WithLearners(Configuration configuration) {
  std::vector<ReplicaId>& voters = configuration.voters;
  voters.insert(voters.end(), configuration.learners.begin(),
                configuration.learners.end());
  std::sort(voters.begin(), voters.end());
  return configuration;
}

}  // namespace raft

#endif  // RAFT_MUTANTS_PLANTED_H_
