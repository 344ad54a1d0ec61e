// LogRetention knows how much log one replica has on disk, and how much of it
// may go when there is an image of what it led to (D3):
//
//  - never what is behind the image of a live transfer: the follower will need
//    it as soon as it has the image (U18);
//  - what a member that was heard from lately still lacks stays, up to
//    log_behind_bytes_max;
//  - log_keep_bytes stay in any case, for those nobody has heard of.
//
// To send what is behind an entry, the leader must know the position of that
// entry itself, which says where the rest fits. Once it is neither in memory
// nor the image's, only the log has it: so that entry stays, too.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_LOG_RETENTION_H_
#define PARTITION_LOG_RETENTION_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "partition/partition.h"
#include "raft/raft.h"
#include "raft/types.h"

namespace partition {

// What others need of the log: these entries and what is behind them.
struct LogNeeds {
  std::optional<raft::Index> transfer;  // Of the images under way, the oldest.
  std::optional<raft::Index> member;    // Of the members, the furthest behind.
};

// What `followers` need, as the leader knows them; those that have been silent
// for longer than `silent_ticks_max` need nothing.
LogNeeds NeedsOf(const std::vector<raft::FollowerStatus>& followers,
                 std::optional<raft::Index> oldest_transfer,
                 uint64_t silent_ticks_max);

// Bounds the logs that `options` let a partition keep so that those of all
// `partitions` of a node stay within 20 % of its disk of `disk_bytes` (D3).
// Each keeps kLogShareMin in any case: less would be an image for every
// follower that blinks.
inline constexpr uint64_t kLogShareMin = 8 << 20;
void ShareDisk(uint64_t disk_bytes, uint64_t partitions, Options& options);

class LogRetention {
 public:
  // On disk there is an image at `image` and a log from `first_index` on. Of
  // what a former process left behind the image the size is not known: it goes
  // as soon as nobody needs it, or it would add up over restarts.
  LogRetention(const Options& options, raft::Index image,
               raft::Index first_index);

  // The log has an entry at `index`, which costs so much.
  void Add(raft::Index index, uint64_t bytes);

  // The first index to keep when the image is at `image`: not above
  // image + 1, nor below first_index().
  raft::Index Target(raft::Index image, const LogNeeds& needs) const;

  // The log on disk begins at `first`.
  void Trimmed(raft::Index first);

  // The log is gone; the next one begins at `first`.
  void Reset(raft::Index first);

  raft::Index first_index() const { return first_index_; }
  // What is known to be on disk.
  uint64_t bytes() const { return bytes_; }
  // How much of it is behind `index`, within a piece.
  uint64_t bytes_behind(raft::Index index) const;

 private:
  // Entries up to `last`; the log is trimmed in whole pieces.
  struct Piece {
    raft::Index last;
    uint64_t bytes = 0;
    bool of_former_process = false;
  };

  // Whether `piece` may go, with `kept` bytes behind it.
  bool MayGo(const Piece& piece, uint64_t kept, const LogNeeds& needs) const;

  const Options& options_;
  raft::Index first_index_;
  std::deque<Piece> pieces_;  // Oldest first.
  uint64_t bytes_ = 0;        // Of pieces_.
};

}  // namespace partition

#endif  // PARTITION_LOG_RETENTION_H_
