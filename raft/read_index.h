// The two sides of ReadIndex (thesis 6.4): a leader that confirms rounds of
// reads, and a follower that asks it.
//
// Not thread-safe: owned by one Raft.

#ifndef RAFT_READ_INDEX_H_
#define RAFT_READ_INDEX_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "raft/types.h"

namespace raft {

// A read somebody waits for.
struct PendingRead {
  ReplicaId from;  // Who asked the leader; itself for its own.
  uint64_t context = 0;
};

// LeaderReads groups reads into rounds. A round has a number of its own, which
// every heartbeat from its start on carries: an answer to round r was given
// after all rounds up to r began, so it counts for them, and for no later one
// (P47).
class LeaderReads {
 public:
  struct Confirmed {
    PendingRead read;
    Index index;
  };

  void Add(const PendingRead& read) { waiting_.push_back(read); }
  bool has_waiting() const { return !waiting_.empty(); }

  // Makes a round of everything that waits, to be answered with `index`, the
  // commit index now.
  void StartRound(Index index);

  // The newest round; 1 before the first.
  uint64_t round() const { return round_; }

  // Takes the reads of every round up to `round`.
  std::vector<Confirmed> TakeConfirmed(uint64_t round);

  // Takes everything: leadership is lost.
  std::vector<PendingRead> TakeAll();

 private:
  struct Round {
    uint64_t number;
    Index index;
    std::vector<PendingRead> reads;
  };

  std::vector<PendingRead> waiting_;
  std::deque<Round> rounds_;
  uint64_t round_ = 1;  // Never repeated, not even in a later term.
};

// FollowerReads sends one request for all reads that wait.
class FollowerReads {
 public:
  // Request ids begin at `seed`, so that a restart does not repeat them.
  explicit FollowerReads(uint64_t seed) : next_id_(seed) {}

  void Add(uint64_t context) { waiting_.push_back(context); }
  bool has_waiting() const { return !waiting_.empty(); }

  // Makes a request of everything that waits and returns its id.
  uint64_t StartRequest();

  // Takes the contexts of request `id`; none if it is unknown or given up.
  std::vector<uint64_t> TakeAnswered(uint64_t id);

  // One tick passed: takes the contexts of requests older than `ticks_max`.
  std::vector<uint64_t> TakeExpired(uint32_t ticks_max);

  // Takes everything: the leader is another or none.
  std::vector<uint64_t> TakeAll();

 private:
  struct Request {
    uint64_t id;
    uint32_t age_ticks;
    std::vector<uint64_t> contexts;
  };

  std::vector<uint64_t> waiting_;
  std::deque<Request> requests_;  // Oldest first.
  uint64_t next_id_;
};

}  // namespace raft

#endif  // RAFT_READ_INDEX_H_
