// Transfers is the requests to hand leadership over that wait for their end,
// and who may take it.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_TRANSFERS_H_
#define PARTITION_TRANSFERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "partition/partition.h"
#include "raft/raft.h"
#include "raft/types.h"

namespace partition {

class Transfers {
 public:
  // A transfer is over after `ticks_max` at the latest.
  explicit Transfers(uint32_t ticks_max) : ticks_max_(ticks_max) {}

  // Asks `core` to hand leadership to `target`; 0: to whom BestTarget names.
  void Begin(raft::Raft& core, raft::ReplicaId target, TransferDone done);

  // This replica does not lead any more: they have what they wanted.
  void LeadershipEnded() { EndAll(absl::OkStatus()); }
  // One tick passed; those that have waited too long are told so.
  void Tick();
  void EndAll(const absl::Status& status);

  // The voter that may lead and has most of the log; among equals the one that
  // was heard from last. 0: there is none that was heard from.
  static raft::ReplicaId BestTarget(const raft::Raft& core);

 private:
  struct Waiting {
    uint32_t ticks = 0;
    TransferDone done;
  };

  const uint32_t ticks_max_;
  std::vector<Waiting> waiting_;
};

}  // namespace partition

#endif  // PARTITION_TRANSFERS_H_
