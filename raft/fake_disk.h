// FakeDisk is what one replica of a test group finds when it starts again: its
// hard state, image and log. What is queued but not written is lost by a crash;
// that queue is the group's.

#ifndef RAFT_FAKE_DISK_H_
#define RAFT_FAKE_DISK_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "raft/configuration.h"
#include "raft/raft.h"
#include "raft/types.h"

namespace raft {

class FakeDisk {
 public:
  explicit FakeDisk(Configuration configuration)
      : configuration_(std::move(configuration)) {}

  // One atomic batch of a Ready.
  void Write(const HardState& hard_state, const std::vector<Entry>& entries);

  // An image made here; the log goes up to `first_index`.
  // REQUIRES: image.index is in the log.
  void Compact(const Position& image, const Configuration& configuration,
               Index first_index);

  // An image from elsewhere: the whole log goes.
  void Install(const Position& image, const Configuration& configuration);

  InitialState Load() const;

  // Entries from `from` on, at least one; OutOfRange as storage has it.
  absl::StatusOr<std::vector<Entry>> Read(Index from, uint64_t bytes_max) const;

  const HardState& hard_state() const { return hard_state_; }
  const Position& image() const { return image_; }
  Index first_index() const { return first_index_; }
  Index last_index() const { return first_index_ + log_.size() - 1; }
  // None if the disk has nothing at `index`.
  std::optional<Position> PositionAt(Index index) const;

 private:
  HardState hard_state_;
  Position image_;
  Configuration configuration_;  // At image_.
  Index first_index_{1};
  std::deque<Entry> log_;
};

}  // namespace raft

#endif  // RAFT_FAKE_DISK_H_
