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
  explicit Reads(uint64_t wait_ns) : wait_ns_(wait_ns) {}

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
  // the client-visible index is `index`.
  std::vector<QueryItem> TakeReady(raft::Index applied, uint64_t index);

  // Queries that have waited too long, to be refused.
  std::vector<QueryItem> TakeExpired(uint64_t now_ns);

  // All of them, to be refused.
  std::vector<QueryItem> TakeAll();

 private:
  struct Pending {
    QueryItem item;
    uint64_t deadline_ns = 0;
  };
  struct Round {
    std::vector<Pending> queries;
    bool confirmed = false;
    raft::Index index;
  };

  const uint64_t wait_ns_;
  uint64_t next_context_ = 1;
  bool gathering_ = false;  // Round next_context_ has queries.
  std::map<uint64_t, Round> rounds_;
};

}  // namespace partition

#endif  // PARTITION_READS_H_
