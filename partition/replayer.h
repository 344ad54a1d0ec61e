// Replayer applies again what is in the log: entries that the core has handed
// out already, to a state that stands further back, because it was replaced or
// because nothing was applied for a while. It reads them from the disk, piece
// by piece.
//
// Not thread-safe: used on its partition's executor; completions of the store
// come back through `post`.

#ifndef PARTITION_REPLAYER_H_
#define PARTITION_REPLAYER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "partition/partition.h"
#include "raft/types.h"
#include "storage/log_store.h"

namespace partition {

class Replayer {
 public:
  struct Hooks {
    // Runs a task in a later turn of the partition. Thread-safe.
    std::function<void(absl::AnyInvocable<void()>)> post;
    // What a completion that the store gets keeps: all that it refers to.
    std::function<std::shared_ptr<const void>()> hold;
    // Up to here the disk has the log as it is now. Behind it may be none, or
    // what another leader has replaced and the disk still shows (P26).
    std::function<raft::Index()> durable;
    // The next entry. False: it cannot be applied, and the replay ends.
    std::function<bool(const raft::Entry& entry)> apply;
    // All are applied.
    std::function<void()> done;
    // The log on this disk does not have what it must have.
    std::function<void(absl::Status)> failed;
  };

  // The references outlive this.
  Replayer(const Options& options, storage::LogStore& store, Hooks hooks);

  // Applies [from, to], each when it is durable here; all of them are
  // committed, and none is trimmed before it was applied. REQUIRES: !active().
  // With from > to it is done in a later turn.
  void Begin(raft::Index from, raft::Index to);

  // Looks again for what was not on the disk yet.
  void Tick();

  // Ends it, undone.
  void Stop();

  bool active() const { return active_; }

 private:
  void Read();
  void Arrived(absl::StatusOr<std::vector<raft::Entry>> entries);
  void Apply();

  const Options& options_;
  storage::LogStore& store_;
  const Hooks hooks_;

  bool active_ = false;
  uint64_t number_ = 0;  // Of the replay, for what was posted for it.
  raft::Index next_;
  raft::Index last_;
  bool reading_ = false;
  raft::Index readable_;  // If reading_: up to here it is what it will be.
  std::deque<raft::Entry> entries_;  // Read, from next_ on.
};

}  // namespace partition

#endif  // PARTITION_REPLAYER_H_
