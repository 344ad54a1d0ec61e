// Configuration is who takes part in a partition: voters, learners and, in
// joint consensus (thesis 4.3), the voters of the outgoing half.
//
// A configuration takes effect when its entry is appended (thesis 4.1) and is
// rolled back when that entry is truncated; its homes are the image pointer
// and the log behind it.

#ifndef RAFT_CONFIGURATION_H_
#define RAFT_CONFIGURATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "raft/types.h"

namespace raft {

// One replica and where it lives. A message that names another incarnation is
// for somebody who is gone, and dropped (P45).
struct Member {
  ReplicaId replica;
  base::NodeId node;
  uint64_t incarnation = 0;  // Drawn with the node's data directory.
  std::string peer_address;  // "host:port" of the node-to-node API.
  std::string api_address;   // "host:port" of the client API.
  // 0: campaigns only if nobody else leads for long (WITNESS).
  uint32_t priority = 1;

  bool operator==(const Member&) const = default;
};

struct Configuration {
  // Each sorted and free of duplicates. voters_outgoing is non-empty only
  // while joint; learners_next are voters of the outgoing half that become
  // learners when the joint configuration is left.
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> voters_outgoing;
  std::vector<ReplicaId> learners;
  std::vector<ReplicaId> learners_next;

  // Exactly the replicas named above, sorted by replica.
  std::vector<Member> members;

  bool is_joint() const { return !voters_outgoing.empty(); }
  bool IsVoter(ReplicaId replica) const;  // In either half.
  const Member* FindMember(ReplicaId replica) const;

  bool operator==(const Configuration&) const = default;
};

// The bytes of a kConfChange entry and of the image pointer's configuration.
// Do not change: on disk.
std::string EncodeConfiguration(const Configuration& configuration);

// DataLoss if `bytes` is not what EncodeConfiguration makes.
absl::StatusOr<Configuration> DecodeConfiguration(absl::string_view bytes);

}  // namespace raft

#endif  // RAFT_CONFIGURATION_H_
