// WriteQueue is the writes the disk was asked for and has not confirmed, in
// order. A write whose entries were truncated meanwhile confirms only what is
// left of them: without that, the disk's answer about an entry of an old term
// would make the entry that replaced it count as durable (P26).
//
// Not thread-safe: owned by one Raft.

#ifndef RAFT_WRITE_QUEUE_H_
#define RAFT_WRITE_QUEUE_H_

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace raft {

class WriteQueue {
 public:
  struct Write {
    PersistToken token;
    HardState hard_state;
    Index persisted;  // The log is durable up to here once it completes.
  };

  void Push(const PersistToken& token, const HardState& hard_state) {
    writes_.push_back({token, hard_state, token.last_index});
  }

  // The log lost everything from `index` on.
  void Truncate(Index index) {
    for (Write& write : writes_) {
      write.persisted = std::min(write.persisted, index - 1);
    }
  }

  // The oldest write is durable. REQUIRES: it is the one `token` names.
  Write Complete(const PersistToken& token) {
    CHECK(!writes_.empty()) << "no write is under way";
    const Write write = writes_.front();
    CHECK(write.token.term == token.term &&
          write.token.last_index == token.last_index)
        << "write of term " << token.term << " up to index " << token.last_index
        << " completed before the one of term " << write.token.term
        << " up to index " << write.token.last_index;
    writes_.pop_front();
    return write;
  }

  bool empty() const { return writes_.empty(); }

 private:
  std::deque<Write> writes_;
};

}  // namespace raft

#endif  // RAFT_WRITE_QUEUE_H_
