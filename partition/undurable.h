// Undurable is how much a partition has committed that is not on its own disk
// yet: a leader whose disk is slow, or hangs, goes on as long as its followers
// acknowledge, and all of that is in its memory (D1). At the bound it takes no
// proposals and hands leadership over; below half of it, it goes on.
//
// The partitions of a node share its disk and its memory, so there is a bound
// for all of them too, NodeUndurable.
//
// Undurable is not thread-safe: used on its partition's executor, and destroyed
// when that does not use it any more. NodeUndurable is thread-safe.

#ifndef PARTITION_UNDURABLE_H_
#define PARTITION_UNDURABLE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "raft/types.h"

namespace partition {

// A number of bytes that is full at `bytes_max`, and until it is down to half.
class FullUntilHalf {
 public:
  explicit FullUntilHalf(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void Add(uint64_t bytes);
  // REQUIRES: bytes <= bytes().
  void Remove(uint64_t bytes);

  uint64_t bytes() const { return bytes_; }
  bool is_full() const { return full_; }

 private:
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  bool full_ = false;
};

class NodeUndurable {
 public:
  explicit NodeUndurable(uint64_t bytes_max) : sum_(bytes_max) {}

  uint64_t bytes() const;
  // Lock-free: asked in every turn of every partition.
  bool is_full() const { return full_.load(std::memory_order_acquire); }

 private:
  friend class Undurable;
  void Add(uint64_t bytes);
  void Remove(uint64_t bytes);

  std::atomic<bool> full_{false};  // What sum_ says, for who does not lock.
  mutable base::Mutex mu_;
  FullUntilHalf sum_ ABSL_GUARDED_BY(mu_);
};

class Undurable {
 public:
  // `node` may be null.
  Undurable(uint64_t bytes_max, std::shared_ptr<NodeUndurable> node);
  // As Clear.
  ~Undurable();
  Undurable(const Undurable&) = delete;
  Undurable& operator=(const Undurable&) = delete;

  // `entries` are committed, in order; what is up to `durable` is on this disk.
  void Committed(const std::vector<raft::Entry>& entries, raft::Index durable);
  // What is up to `durable` is on this disk now, or part of a durable image.
  void Durable(raft::Index durable);
  // The partition does not go on.
  void Clear();

  uint64_t bytes() const { return sum_.bytes(); }
  // This partition's or the node's bound is reached.
  bool is_full() const {
    return sum_.is_full() || (node_ != nullptr && node_->is_full());
  }

 private:
  // Entries committed together: they count until the last is durable.
  struct Batch {
    raft::Index last;
    uint64_t bytes = 0;
  };

  const std::shared_ptr<NodeUndurable> node_;
  FullUntilHalf sum_;
  std::deque<Batch> batches_;  // By index; not durable.
};

}  // namespace partition

#endif  // PARTITION_UNDURABLE_H_
