// Replay is the oracle that follows the log of one partition: every entry that
// became durable is applied, at once and in order, to a state machine that is
// never stopped, checkpointed or restored. Everything the real partition says,
// writes into images and finds on its disk after a crash must agree with it.
//
// An entry counts when it is durable on a quorum; here, with one voter, when it
// is durable.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_REPLAY_H_
#define SIM_REPLAY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "raft/types.h"
#include "session/limits.h"
#include "session/registry.h"
#include "session/state_machine.h"
#include "session/types.h"
#include "sim/disk.h"
#include "sim/judge.h"
#include "storage/image.h"
#include "storage/log_store.h"

namespace sim {

class Replay {
 public:
  // `registry` and `judge` must outlive it.
  Replay(base::PartitionId partition, const session::Registry& registry,
         const session::Limits& limits, Judge& judge);

  // What the partition asks of its disk: hard state and log only grow, in
  // figure 2's terms, and the log is trimmed behind an image only.
  void OnQueued(const DiskWrite& write);
  void OnDurable(const DiskWrite& write);

  // Something became durable on the disk, and with it all that it had kept from
  // before the last start.
  void OnSync();

  // A new process found `store`: nothing durable may be missing, and image and
  // log must make the state that replay has.
  void AuditRestart(storage::LogStore& store);
  // The same at any other moment, when the page cache may be ahead.
  void AuditLive(storage::LogStore& store);

  // The partition answers a command: it must be durable, and this its result.
  void OnAnswer(session::CommandKey command, const session::Result& result);

  uint64_t entry_count() const { return chains_.size(); }
  uint64_t image_count() const { return image_count_; }
  uint64_t trim_count() const { return trim_count_; }
  uint64_t audit_count() const { return audit_count_; }

 private:
  void Fail(absl::string_view what) const;
  // Applies the next durable entry.
  void Append(const raft::Entry& entry);
  // Compares what is on the disk with what is known; then restores it up to
  // `last` and compares the states.
  void Audit(storage::LogStore& store, bool is_restart);
  absl::StatusOr<std::unique_ptr<session::StateMachine>> Restore(
      storage::LogStore& store, const storage::StoredPartition& stored,
      raft::Index last) const;

  const base::PartitionId partition_;
  const session::Registry& registry_;
  const session::Limits limits_;
  Judge& judge_;

  session::StateMachine state_machine_;
  std::vector<uint64_t> chains_;  // Of the entries 1, 2, ...
  uint64_t last_time_ns_ = 0;
  std::map<session::CommandKey, session::Result> results_;
  std::map<uint64_t, uint64_t> digests_;  // After each Checkpoint entry.

  // What the last start found beyond what is durable: in the page cache of a
  // machine whose process died, so that a power cut may still take it.
  struct Found {
    raft::HardState hard_state;
    storage::ImagePointer image;
    std::vector<raft::Entry> entries;
  };
  std::optional<Found> found_;

  raft::HardState queued_hard_state_;
  raft::HardState durable_hard_state_;
  raft::Index queued_last_;
  storage::ImagePointer image_;  // Durable.
  uint64_t image_count_ = 0;
  uint64_t trim_count_ = 0;
  uint64_t audit_count_ = 0;
};

}  // namespace sim

#endif  // SIM_REPLAY_H_
