// Inflights is the window of append messages sent to one follower and not yet
// acknowledged; when it is full, in messages or in bytes, the leader stops
// sending to that follower.
//
// Not thread-safe: owned by one Progress.

#ifndef RAFT_INFLIGHTS_H_
#define RAFT_INFLIGHTS_H_

#include <cstdint>
#include <deque>

#include "base/check.h"
#include "raft/types.h"

namespace raft {

class Inflights {
 public:
  // REQUIRES: both are positive. The message that passes `bytes_max` is still
  // sent, so any message can be.
  Inflights(uint64_t messages_max, uint64_t bytes_max)
      : messages_max_(messages_max), bytes_max_(bytes_max) {
    CHECK(messages_max > 0 && bytes_max > 0);
  }

  // Records a message whose last entry is at `last`.
  // REQUIRES: !full(), and `last` is above every index in the window.
  void Add(Index last, uint64_t bytes) {
    CHECK(!full());
    CHECK(window_.empty() || window_.back().last < last);
    window_.push_back({last, bytes});
    bytes_ += bytes;
  }

  // Forgets every message whose last entry is at or below `acked`.
  void FreeUpTo(Index acked) {
    while (!window_.empty() && window_.front().last <= acked) {
      bytes_ -= window_.front().bytes;
      window_.pop_front();
    }
  }

  void Clear() {
    window_.clear();
    bytes_ = 0;
  }

  bool full() const {
    return window_.size() >= messages_max_ || bytes_ >= bytes_max_;
  }
  bool empty() const { return window_.empty(); }
  uint64_t size() const { return window_.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Sent {
    Index last;
    uint64_t bytes;
  };

  const uint64_t messages_max_;
  const uint64_t bytes_max_;
  std::deque<Sent> window_;  // Strictly increasing.
  uint64_t bytes_ = 0;
};

}  // namespace raft

#endif  // RAFT_INFLIGHTS_H_
