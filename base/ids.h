// Names that several folders share. What belongs to one folder's protocol is
// declared there (raft/types.h, session/types.h).

#ifndef BASE_IDS_H_
#define BASE_IDS_H_

#include <cstdint>

#include "base/strong_int.h"

namespace base {

// A partition is one Raft group. Partition 0 is reserved and never serves.
using PartitionId = StrongInt<struct PartitionIdTag, uint32_t>;

// A node is one process with one data directory. 0 means none.
using NodeId = StrongInt<struct NodeIdTag, uint32_t>;

}  // namespace base

#endif  // BASE_IDS_H_
