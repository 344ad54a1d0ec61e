// Transfers is the requests to hand leadership over that wait for their end,
// and who may take it.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_TRANSFERS_H_
#define PARTITION_TRANSFERS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "partition/partition.h"
#include "raft/raft.h"
#include "raft/types.h"

namespace partition {

class Transfers {
 public:
  // A transfer is over after `ticks_max` at the latest.
  // Suggest waits `pause_ticks` between two of its own.
  Transfers(uint32_t ticks_max, uint32_t pause_ticks)
      : ticks_max_(ticks_max), pause_ticks_(pause_ticks) {}

  // Asks `core` to hand leadership to `target`; 0: to the first of Targets that
  // is not spared.
  void Begin(raft::Raft& core, raft::ReplicaId target, TransferDone done);

  // This replica does not lead any more: they have what they wanted.
  void LeadershipEnded() {
    paused_ticks_ = 0;
    EndAll(absl::OkStatus());
  }
  // One tick passed; those that have waited too long are told so.
  void Tick();
  void EndAll(const absl::Status& status);

  // `replica` would not lead; for so many ticks it is not asked to.
  void Spare(raft::ReplicaId replica, uint32_t ticks) {
    spared_[replica] = ticks;
  }

  // Another tick in which this replica leads and had better not: asks one
  // follower after the other, each for as long as a transfer may take, since
  // the best may have the same reason.
  void GiveUp(raft::Raft& core);

  // This replica leads and serves, and another one had better: asks one that is
  // willing, and after that nobody for `pause_ticks`, since no command is taken
  // while one is asked.
  void Suggest(raft::Raft& core);

  // The voters that may lead and were heard from, who has most of the log
  // first; among equals the one that was heard from last.
  static std::vector<raft::ReplicaId> Targets(const raft::Raft& core);

 private:
  struct Waiting {
    uint32_t ticks = 0;
    TransferDone done;
  };

  // Targets, without those that are spared.
  std::vector<raft::ReplicaId> Willing(const raft::Raft& core) const;

  const uint32_t ticks_max_;
  const uint32_t pause_ticks_;
  std::vector<Waiting> waiting_;
  std::map<raft::ReplicaId, uint32_t> spared_;  // For so many ticks more.
  uint32_t give_up_ticks_ = 0;  // In which it gave up, since the start.
  uint32_t paused_ticks_ = 0;   // Until Suggest may ask again.
};

}  // namespace partition

#endif  // PARTITION_TRANSFERS_H_
