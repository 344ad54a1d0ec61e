#include "partition/reads.h"

#include <utility>

namespace partition {

void Reads::Add(QueryItem item, uint64_t now_ns) {
  gathering_ = true;
  rounds_[next_context_].queries.push_back(
      {.item = std::move(item), .deadline_ns = now_ns + wait_ns_});
}

uint64_t Reads::TakeContext() {
  if (!gathering_) return 0;
  gathering_ = false;
  return next_context_++;
}

void Reads::Confirm(uint64_t context, raft::Index index) {
  auto found = rounds_.find(context);
  if (found == rounds_.end()) return;
  found->second.confirmed = true;
  found->second.index = index;
}

std::vector<QueryItem> Reads::Drop(uint64_t context) {
  std::vector<QueryItem> dropped;
  auto node = rounds_.extract(context);
  if (node.empty()) return dropped;
  for (Pending& pending : node.mapped().queries) {
    dropped.push_back(std::move(pending.item));
  }
  return dropped;
}

std::vector<QueryItem> Reads::TakeReady(raft::Index applied, uint64_t index) {
  std::vector<QueryItem> ready;
  for (auto round = rounds_.begin(); round != rounds_.end();) {
    if (!round->second.confirmed || round->second.index > applied) {
      ++round;
      continue;
    }
    std::vector<Pending> later;
    for (Pending& pending : round->second.queries) {
      if (pending.item.request.max_received_index <= index) {
        ready.push_back(std::move(pending.item));
      } else {
        later.push_back(std::move(pending));
      }
    }
    round->second.queries = std::move(later);
    round =
        round->second.queries.empty() ? rounds_.erase(round) : std::next(round);
  }
  return ready;
}

std::vector<QueryItem> Reads::TakeExpired(uint64_t now_ns) {
  std::vector<QueryItem> expired;
  for (auto round = rounds_.begin(); round != rounds_.end();) {
    std::vector<Pending> later;
    for (Pending& pending : round->second.queries) {
      if (pending.deadline_ns <= now_ns) {
        expired.push_back(std::move(pending.item));
      } else {
        later.push_back(std::move(pending));
      }
    }
    round->second.queries = std::move(later);
    const bool current = gathering_ && round->first == next_context_;
    round = round->second.queries.empty() && !current ? rounds_.erase(round)
                                                      : std::next(round);
  }
  return expired;
}

std::vector<QueryItem> Reads::TakeAll() {
  std::vector<QueryItem> all;
  for (auto& [context, round] : rounds_) {
    for (Pending& pending : round.queries) {
      all.push_back(std::move(pending.item));
    }
  }
  rounds_.clear();
  gathering_ = false;
  return all;
}

}  // namespace partition
