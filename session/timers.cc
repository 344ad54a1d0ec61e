#include "session/timers.h"

#include <algorithm>

#include "base/check.h"

namespace session {
namespace {

// Cancelled timers freed at each entry.
constexpr size_t kFreedPerEntry = 64;

}  // namespace

void Timers::Set(PrimitiveId primitive, absl::string_view key,
                 uint64_t due_ns) {
  const Group group = GroupOf(primitive, key);
  std::unique_ptr<Queue>& slot = queues_[group];
  if (slot == nullptr) slot = std::make_unique<Queue>();
  Queue& queue = *slot;
  auto [it, added] = queue.by_key.try_emplace(std::string(key));
  Timer& timer = it->second;
  if (!added && !timer.fresh) {
    const uint64_t before = queue.head();
    queue.by_due.erase({timer.due_ns, it->first});
    HeadMoved(group, before, queue);
  }
  if (added || !timer.fresh) {
    queue.fresh.push_back(it->first);
    with_fresh_.insert(group);
  }
  timer = {.due_ns = due_ns, .fresh = true};
}

void Timers::Cancel(PrimitiveId primitive, absl::string_view key) {
  const Group group = GroupOf(primitive, key);
  auto found = queues_.find(group);
  if (found == queues_.end()) return;
  Queue& queue = *found->second;
  auto it = queue.by_key.find(std::string(key));
  if (it == queue.by_key.end()) return;
  if (!it->second.fresh) {
    const uint64_t before = queue.head();
    queue.by_due.erase({it->second.due_ns, it->first});
    HeadMoved(group, before, queue);
  }
  queue.by_key.erase(it);
}

void Timers::CancelAll(PrimitiveId primitive, char prefix) {
  const Group group{primitive, static_cast<uint8_t>(prefix)};
  auto found = queues_.find(group);
  if (found == queues_.end()) return;
  if (found->second->head() != kNever) {
    heads_.erase({found->second->head(), group});
  }
  with_fresh_.erase(group);
  cancelled_.push_back(std::move(found->second));
  queues_.erase(found);
}

void Timers::Settle() {
  for (const Group& group : with_fresh_) {
    Queue& queue = *queues_.at(group);
    const uint64_t before = queue.head();
    for (std::string& key : queue.fresh) {
      auto it = queue.by_key.find(key);
      if (it == queue.by_key.end() || !it->second.fresh) continue;
      it->second.fresh = false;
      queue.by_due.insert({it->second.due_ns, std::move(key)});
    }
    queue.fresh.clear();
    HeadMoved(group, before, queue);
  }
  with_fresh_.clear();

  for (size_t freed = 0; freed < kFreedPerEntry && !cancelled_.empty();
       ++freed) {
    Queue& queue = *cancelled_.front();
    if (!queue.by_due.empty()) {
      queue.by_due.erase(queue.by_due.begin());
    } else if (!queue.by_key.empty()) {
      queue.by_key.erase(queue.by_key.begin());
    } else {
      cancelled_.pop_front();
    }
  }
}

std::optional<Timers::Due> Timers::Next(uint64_t from_ns) const {
  const auto head = heads_.lower_bound({from_ns, Group()});
  if (head == heads_.end()) return std::nullopt;
  return Due{head->first, head->second.first};
}

std::string Timers::Take(uint64_t from_ns) {
  const auto head = heads_.lower_bound({from_ns, Group()});
  CHECK(head != heads_.end());
  const auto [due_ns, group] = *head;
  Queue& queue = *queues_.at(group);
  std::string key = queue.by_due.begin()->second;
  queue.by_due.erase(queue.by_due.begin());
  queue.by_key.erase(key);
  HeadMoved(group, due_ns, queue);
  return key;
}

uint64_t Timers::next_due_ns() const {
  uint64_t next = heads_.empty() ? kNever : heads_.begin()->first;
  for (const Group& group : with_fresh_) {
    const Queue& queue = *queues_.at(group);
    for (const auto& key : queue.fresh) {
      auto it = queue.by_key.find(key);
      if (it != queue.by_key.end()) {
        next = std::min(next, it->second.due_ns);
      }
    }
  }
  return next;
}

size_t Timers::size() const {
  size_t size = 0;
  for (const auto& [group, queue] : queues_) size += queue->by_key.size();
  return size;
}

void Timers::HeadMoved(Group group, uint64_t before, const Queue& queue) {
  const uint64_t now = queue.head();
  if (before == now) return;
  if (before != kNever) heads_.erase({before, group});
  if (now != kNever) heads_.insert({now, group});
}

}  // namespace session
