#include "partition/reads.h"

#include <utility>

namespace partition {
namespace {

// What a waiting query costs beside its input.
constexpr uint64_t kQueryOverheadBytes = 512;

}  // namespace

QueryItem Reads::Take(Pending& pending) {
  bytes_ -= pending.bytes;
  return std::move(pending.item);
}

void Reads::Add(QueryItem item, uint64_t now_ns) {
  const uint64_t bytes = kQueryOverheadBytes + item.request.query.input.size();
  bytes_ += bytes;
  gathering_.push_back({.item = std::move(item),
                        .deadline_ns = now_ns + wait_ns_,
                        .bytes = bytes});
}

uint64_t Reads::TakeContext() {
  if (gathering_.empty()) return 0;
  const uint64_t context = next_context_++;
  asked_[context].swap(gathering_);
  return context;
}

void Reads::Confirm(uint64_t context, raft::Index index) {
  auto node = asked_.extract(context);
  if (node.empty()) return;
  confirmed_.emplace(index, std::move(node.mapped()));
}

std::vector<QueryItem> Reads::Drop(uint64_t context) {
  std::vector<QueryItem> dropped;
  auto node = asked_.extract(context);
  if (node.empty()) return dropped;
  for (Pending& pending : node.mapped()) dropped.push_back(Take(pending));
  return dropped;
}

std::vector<QueryItem> Reads::TakeReady(raft::Index applied, uint64_t index) {
  std::vector<QueryItem> ready;
  while (!confirmed_.empty() && confirmed_.begin()->first <= applied) {
    auto node = confirmed_.extract(confirmed_.begin());
    for (Pending& pending : node.mapped()) {
      const uint64_t wanted = pending.item.request.max_received_index;
      if (wanted <= index) {
        ready.push_back(Take(pending));
      } else {
        waiting_.emplace(wanted, std::move(pending));
      }
    }
  }
  while (!waiting_.empty() && waiting_.begin()->first <= index) {
    ready.push_back(Take(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
  }
  return ready;
}

void Reads::TakeExpiredOf(Queries& queries, uint64_t now_ns,
                          std::vector<QueryItem>& expired) {
  Queries later;
  for (Pending& pending : queries) {
    if (pending.deadline_ns <= now_ns) {
      expired.push_back(Take(pending));
    } else {
      later.push_back(std::move(pending));
    }
  }
  queries = std::move(later);
}

std::vector<QueryItem> Reads::TakeExpired(uint64_t now_ns) {
  std::vector<QueryItem> expired;
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    if (one->second.deadline_ns <= now_ns) {
      expired.push_back(Take(one->second));
      one = waiting_.erase(one);
    } else {
      ++one;
    }
  }
  for (auto& [index, queries] : confirmed_) {
    TakeExpiredOf(queries, now_ns, expired);
  }
  for (auto& [context, queries] : asked_) {
    TakeExpiredOf(queries, now_ns, expired);
  }
  TakeExpiredOf(gathering_, now_ns, expired);
  return expired;
}

std::vector<QueryItem> Reads::TakeAll() {
  std::vector<QueryItem> all = TakeExpired(UINT64_MAX);
  asked_.clear();
  confirmed_.clear();
  return all;
}

}  // namespace partition
