// Versions is how a partition's machine version is raised: the leader asks
// every member of the newest configuration, learners too, which versions it
// knows, and proposes the highest that all know when all have said so, in its
// present term and lately, for a while.
//
//   leader  -- VersionAsked{term}  -->  member
//   leader  <-- VersionKnown{term, max} --  member
//
// Nothing is asked as long as the partition is at the highest version that the
// leader knows: that is, but for rolling upgrades, never.
//
// Pure; used on its partition's executor.

#ifndef PARTITION_VERSIONS_H_
#define PARTITION_VERSIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "partition/note.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace partition {

class Versions {
 public:
  // `known_max` is what this replica knows. A leader asks every `ask_ticks`,
  // and proposes when all have known a version at `settle_rounds` rounds in a
  // row.
  Versions(raft::ReplicaId self, uint32_t known_max, uint32_t ask_ticks,
           uint32_t settle_rounds);

  // A leader's tick. `present` is the partition's version. Adds to `out` what
  // is to be sent. Returns the version to propose now, if there is one.
  std::optional<uint32_t> Tick(raft::Term term,
                               const raft::Configuration& configuration,
                               uint32_t present, std::vector<Note>& out);

  // Whoever does not lead forgets what it has heard.
  void NotLeading() { term_ = raft::Term{}; }

  VersionKnown Answer(const VersionAsked& asked) const;
  void Handle(raft::ReplicaId from, const VersionKnown& known);

  // What this replica knows.
  uint32_t known_max() const { return known_max_; }

 private:
  // The highest version that all have said to know in the round that ends; 0:
  // somebody was silent.
  uint32_t KnownByAll(const raft::Configuration& configuration) const;

  const raft::ReplicaId self_;
  const uint32_t known_max_;
  const uint32_t ask_ticks_;
  const uint32_t settle_rounds_;

  raft::Term term_;  // 0: not leading.
  uint32_t ticks_ = 0;
  // In this round. Not older: whoever is silent may be on its way back to an
  // older version.
  std::map<raft::ReplicaId, uint32_t> known_;
  uint32_t candidate_ = 0;  // What all knew at the last rounds ...
  uint32_t rounds_ = 0;     // ... of which there were so many.
};

}  // namespace partition

#endif  // PARTITION_VERSIONS_H_
