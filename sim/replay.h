// Replay is the oracle that follows the log of one partition: every chosen
// entry is applied, at once and in order, to a state machine that is never
// stopped, checkpointed or restored. Everything that any replica says, writes
// into images and finds on its disk after a crash must agree with it.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_REPLAY_H_
#define SIM_REPLAY_H_

#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "raft/types.h"
#include "session/limits.h"
#include "session/registry.h"
#include "session/state_machine.h"
#include "session/types.h"
#include "sim/consensus.h"
#include "sim/judge.h"
#include "storage/image.h"
#include "storage/log_store.h"

namespace sim {

class Replay {
 public:
  // `registry`, `consensus` and `judge` must outlive it; entries that are
  // chosen are given to Append.
  Replay(base::PartitionId partition, const session::Registry& registry,
         const session::Limits& limits, const Consensus& consensus,
         Judge& judge);

  // The next chosen entry.
  void Append(const raft::Entry& entry);

  // An image is durable somewhere.
  void OnImage(const storage::ImagePointer& image);

  // `store`, of any replica, holds `stored`: its image, its log as far as that
  // is chosen, and the chosen entries that it lacks must make the state that
  // replay has.
  void Audit(storage::LogStore& store, const storage::StoredPartition& stored);

  // The partition answers a command: it must be durable, and this its result.
  void OnAnswer(session::CommandKey command, const session::Result& result);

  uint64_t image_count() const { return image_count_; }
  uint64_t audit_count() const { return audit_count_; }

 private:
  void Fail(absl::string_view what) const;
  absl::StatusOr<std::unique_ptr<session::StateMachine>> Restore(
      storage::LogStore& store, const storage::StoredPartition& stored) const;

  const base::PartitionId partition_;
  const session::Registry& registry_;
  const session::Limits limits_;
  const Consensus& consensus_;
  Judge& judge_;

  session::StateMachine state_machine_;
  uint64_t last_time_ns_ = 0;
  std::map<session::CommandKey, session::Result> results_;
  std::map<uint64_t, uint64_t> digests_;  // After each Checkpoint entry.
  uint64_t image_count_ = 0;
  uint64_t audit_count_ = 0;
};

}  // namespace sim

#endif  // SIM_REPLAY_H_
