// Log is one replica's log as the core sees it: the entries in memory, what
// precedes them, and how far it is written, durable, committed and applied.
//
//   image  before     applied    applying    commit    last
//     |      | [ entries in memory ...                  ]
//     first_index ... on disk only   ... persisted ... next_write
//
// applied <= applying <= commit <= last, persisted < next_write <= last + 1.
// Entries leave memory only when they are both applied and persisted, so one
// that a queued write will replace is never freed (P26).
//
// Not thread-safe: owned by one Raft.

#ifndef RAFT_LOG_H_
#define RAFT_LOG_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "raft/types.h"

namespace raft {

// What an entry costs in memory: every limit in bytes counts this, so empty
// entries are bounded too.
inline uint64_t EntryBytes(const Entry& entry) {
  return sizeof(Entry) + entry.bytes().size();
}

class Log {
 public:
  // A log that is durable and applied up to `image`. On disk it begins at
  // `first_index`. Applied entries beyond `memory_bytes` are let go.
  // REQUIRES: 0 < first_index <= image.index + 1.
  Log(base::PartitionId partition, const Position& image, Index first_index,
      uint64_t memory_bytes);

  // Adds what was found on disk behind the image.
  // DataLoss: a hole, or a term or time that goes back. REQUIRES: the chain is
  // right: who reads a disk checks that, and can name the damage.
  absl::Status Load(std::vector<Entry> entries);

  // --- Where it stands ------------------------------------------------------

  Index first_index() const;  // Of what is on disk or in memory.
  Index disk_first_index() const { return disk_first_index_; }
  Index memory_first_index() const { return before_.index + 1; }
  Index last_index() const { return last_.index; }
  Index commit_index() const { return commit_; }
  Index applied_index() const { return applied_; }
  Index applying_index() const { return applying_; }  // Handed out to apply.
  Index persisted_index() const { return persisted_; }
  const Position& last() const { return last_; }
  const Position& image() const { return image_; }

  // None if the entry is not in memory and is not one of the two positions
  // remembered, `image` and the one before memory.
  std::optional<Position> PositionAt(Index index) const;

  // REQUIRES: memory_first_index() <= index <= last_index().
  const Entry& At(Index index) const {
    return entries_[index - memory_first_index()];
  }

  // The entries from `from` on, about `bytes_max` bytes of them but at least
  // one. REQUIRES: as At.
  std::vector<Entry> Slice(Index from, uint64_t bytes_max) const;

  // Bytes of the entries that are not yet both committed and persisted.
  uint64_t pending_bytes() const { return pending_bytes_; }

  // --- Growing --------------------------------------------------------------

  // Appends the leader's own entry: index and chain are filled in here.
  // REQUIRES: term and time do not go back.
  const Entry& Append(Entry entry);

  // Whether `entries` are contiguous behind `previous` and their chains are
  // right: what a message must show before it is believed.
  bool Fits(const Position& previous, std::span<const Entry> entries) const;

  // Makes the log hold `entries`, which Fit behind a position of this log:
  // skips those it has, drops its own suffix only at a real conflict (P20),
  // and appends the rest. Returns the first index that was dropped, if any.
  // REQUIRES: no conflict at or below commit_index() (P29).
  std::optional<Index> Merge(std::span<const Entry> entries);

  // Drops everything; the log now is what `image` says, durable and applied.
  // REQUIRES: image.index is above commit_index().
  void Reset(const Position& image);

  // --- Progress -------------------------------------------------------------

  bool has_unwritten() const { return next_write_ <= last_.index; }
  // Takes the entries that no write has asked for yet.
  std::vector<Entry> TakeUnwritten();

  // Everything up to `index` is durable; never goes back.
  void PersistTo(Index index);
  // Never goes back. REQUIRES: index <= last_index().
  void CommitTo(Index index);

  bool has_unapplied(uint64_t bytes_max) const {
    return applying_ < commit_ && applying_bytes_ < bytes_max;
  }
  // Takes the next committed entries, as long as less than `bytes_max` of them
  // are taken and not applied yet.
  std::vector<Entry> TakeCommitted(uint64_t bytes_max);
  // Never goes back. REQUIRES: index <= applying_index().
  void ApplyTo(Index index);

  // A newer image is durable; the log on disk now begins at `first_index`.
  // REQUIRES: image.index <= applied_index().
  void Compact(const Position& image, Index first_index);

 private:
  void PushBack(Entry entry);
  void TruncateFrom(Index index);
  void Settle();
  void ReleaseMemory();

  const base::PartitionId partition_;
  const uint64_t memory_bytes_max_;

  Position image_;
  Index disk_first_index_;

  Position before_;  // Precedes entries_.front().
  std::deque<Entry> entries_;
  Position last_;  // Of the last entry, or before_.
  uint64_t memory_bytes_ = 0;

  Index next_write_;
  Index persisted_;
  Index commit_;
  Index applying_;
  Index applied_;
  uint64_t applying_bytes_ = 0;  // Of (applied_, applying_].

  Index settled_;               // min(commit_, persisted_), never truncated.
  uint64_t pending_bytes_ = 0;  // Of (settled_, last].
};

}  // namespace raft

#endif  // RAFT_LOG_H_
