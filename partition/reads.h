// Reads are the queries of one partition on their way: those of one turn share
// a read index (one quorum round), then each waits until the state has caught
// up with it and with what its client has seen.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_READS_H_
#define PARTITION_READS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "partition/mailbox.h"
#include "raft/types.h"

namespace partition {

class Reads {
 public:
  // Queries wait for `wait_ns` and take up to about `bytes_max`.
  Reads(uint64_t wait_ns, uint64_t bytes_max)
      : wait_ns_(wait_ns), bytes_max_(bytes_max) {}

  // Another query has to be refused.
  bool IsFull() const { return bytes_ >= bytes_max_; }

  // A query of this turn.
  void Add(QueryItem item, uint64_t now_ns);

  // The context to ask the core for a read index with, if queries were added
  // since the last call; 0 otherwise.
  uint64_t TakeContext();

  // The core confirmed `context` at `index`.
  void Confirm(uint64_t context, raft::Index index);

  // The core could not: the queries of `context`, to be refused.
  std::vector<QueryItem> Drop(uint64_t context);

  // Queries that may run now that everything up to `applied` is applied and
  // the client-visible index is `index`. Costs what it returns.
  std::vector<QueryItem> TakeReady(raft::Index applied, uint64_t index);

  // Queries that have waited too long, to be refused.
  std::vector<QueryItem> TakeExpired(uint64_t now_ns);

  // All of them, to be refused.
  std::vector<QueryItem> TakeAll();

 private:
  struct Pending {
    QueryItem item;
    uint64_t deadline_ns = 0;
    uint64_t bytes = 0;
  };
  using Queries = std::vector<Pending>;

  QueryItem Take(Pending& pending);
  void TakeExpiredOf(Queries& queries, uint64_t now_ns,
                     std::vector<QueryItem>& expired);

  const uint64_t wait_ns_;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  uint64_t next_context_ = 1;

  Queries gathering_;                              // Of this turn.
  std::map<uint64_t, Queries> asked_;              // By context.
  std::multimap<raft::Index, Queries> confirmed_;  // By read index.
  std::multimap<uint64_t, Pending> waiting_;       // By max_received_index.
};

}  // namespace partition

#endif  // PARTITION_READS_H_
