// Ready is what the core wants done, taken by its owner after any input.

#ifndef RAFT_READY_H_
#define RAFT_READY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"

namespace raft {

// Names one write to disk. `term` is the core's term when the write was asked
// for, `last_index` its last entry (0: only hard state). Pass it back
// unchanged.
struct PersistToken {
  Term term;
  Index last_index;
};

// The answer to ReadIndex: reads at or behind `index` are linearizable. No
// index: leadership was lost or nobody answered; the caller may ask again.
struct ReadState {
  uint64_t context = 0;
  std::optional<Index> index;
};

// Entries [from, ...) that a follower needs and memory no longer has, at most
// `bytes_max` of them but at least one.
struct FetchRequest {
  ReplicaId follower;
  Index from;
  uint64_t bytes_max = 0;
};

// The image at `position` is to be sent to `follower`, pinned until
// SnapshotSent (P40). It is the one the last Compacted named, or the one the
// replica started from.
struct SnapshotSend {
  ReplicaId follower;
  Position position;
};

// A leader offers its image, with which this log has nothing in common; the
// owner receives and installs it, drops the whole log on disk in the same
// write, and calls SnapshotInstalled. It must call it with `installed` false
// when the transfer is over without success (the leader is gone, say): until
// then this replica takes no entries and does not campaign (P16). A later one
// replaces it: the owner reports them in order, and refuses an image that is
// not ahead of what it has applied.
struct SnapshotInstall {
  ReplicaId leader;
  Position position;
  Configuration configuration;
};

struct Ready {
  // Persist these in one atomic batch: the hard state, and the entries, which
  // replace everything from entries.front().index on. Then Persisted(token).
  // Token and hard state are present together or not at all; without entries
  // it is the hard state that changed.
  std::optional<PersistToken> persist;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;

  // May leave now, at the same time as the write (thesis 10.2.1).
  std::vector<Message> messages;
  // Leave when this Ready's write, and all before it, are durable (P1, P25).
  // If `persist` is empty: when all earlier writes are.
  std::vector<Message> messages_after_persist;

  // Apply in order. Committed, but perhaps not durable here yet.
  std::vector<Entry> committed;

  // This replica is no member any more, for good: its id is never used again
  // (P45). It never stands again; its owner drops it. Said once.
  bool removed = false;

  std::vector<ReadState> reads;
  std::vector<FetchRequest> fetches;
  std::vector<SnapshotSend> snapshot_sends;
  std::optional<SnapshotInstall> snapshot_install;

  // Set when it changed.
  std::optional<SoftState> soft_state;
  std::optional<Configuration> configuration;
};

}  // namespace raft

#endif  // RAFT_READY_H_
