// ReplicaEvent is something that happened to a replica on this node, for those
// who watch the node. Nothing depends on it: it is told, and forgotten.

#ifndef PARTITION_REPLICA_EVENT_H_
#define PARTITION_REPLICA_EVENT_H_

#include <cstdint>
#include <functional>

#include "base/ids.h"
#include "raft/types.h"

namespace partition {

struct ReplicaEvent {
  enum class Kind : uint8_t {
    kReady,           // It has replayed its log, and leads or follows: once.
    kMembersChanged,  // A configuration is applied, also the one it starts
                      // with.
    // As a leader, with `peer`:
    kImageSendStarted,
    kImageSendCompleted,
    kImageSendAborted,
    kImageReceived,   // From `peer`.
    kImageRecovered,  // The state was loaded from it: at start, or as it came.
    kImageWritten,    // A checkpoint is on disk.
    kImageReplaced,   // What a newer one replaces of it is removed.
    kLogTrimmed,      // The log begins at `index` now.
  };
  Kind kind = Kind::kReady;
  base::PartitionId partition;
  // Of the image, or where the log begins; 0: it is about neither.
  raft::Index index;
  // The other end of an image's way; 0: there is none, or it is not known.
  base::NodeId peer;

  bool operator==(const ReplicaEvent&) const = default;
};

// Called from executors; must not block.
using OnReplicaEvent = std::function<void(const ReplicaEvent&)>;

}  // namespace partition

#endif  // PARTITION_REPLICA_EVENT_H_
