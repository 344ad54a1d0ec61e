// How one configuration becomes another (thesis chapter 4): what a legal
// configuration is, and the way through joint consensus.

#ifndef RAFT_CONF_CHANGE_H_
#define RAFT_CONF_CHANGE_H_

#include <vector>

#include "absl/status/status.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace raft {

// InvalidArgument, saying what is wrong: no voters, a list that is not sorted
// or repeats a replica, a replica with two parts to play, a member list that
// is not exactly the replicas named.
absl::Status ValidateConfiguration(const Configuration& configuration);

// What to append to go from `current` to `target`: `target` itself if at most
// one voter comes or goes, since then any two majorities overlap (thesis 4.1);
// else the joint configuration of both (thesis 4.3).
// REQUIRES: both are valid and neither is joint.
Configuration StepTowards(const Configuration& current,
                          const Configuration& target);

// The configuration that ends `joint`. REQUIRES: joint.is_joint().
Configuration LeaveJoint(const Configuration& joint);

// Everybody whose vote counts: voters of both halves. Sorted.
std::vector<ReplicaId> VotersOf(const Configuration& configuration);

// Everybody the log goes to: voters of both halves and learners. Sorted.
std::vector<ReplicaId> ReplicasOf(const Configuration& configuration);

}  // namespace raft

#endif  // RAFT_CONF_CHANGE_H_
