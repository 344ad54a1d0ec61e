#include "partition/undurable.h"

#include <utility>

#include "base/check.h"

namespace partition {
namespace {

// As the core counts what it keeps in memory.
uint64_t BytesOf(const raft::Entry& entry) {
  return sizeof(raft::Entry) + entry.bytes().size();
}

}  // namespace

void FullUntilHalf::Add(uint64_t bytes) {
  bytes_ += bytes;
  if (bytes_ >= bytes_max_) full_ = true;
}

void FullUntilHalf::Remove(uint64_t bytes) {
  CHECK_LE(bytes, bytes_);
  bytes_ -= bytes;
  if (bytes_ <= bytes_max_ / 2) full_ = false;
}

uint64_t NodeUndurable::bytes() const {
  base::MutexLock lock(mu_);
  return sum_.bytes();
}

void NodeUndurable::Add(uint64_t bytes) {
  base::MutexLock lock(mu_);
  sum_.Add(bytes);
  full_.store(sum_.is_full(), std::memory_order_release);
}

void NodeUndurable::Remove(uint64_t bytes) {
  base::MutexLock lock(mu_);
  sum_.Remove(bytes);
  full_.store(sum_.is_full(), std::memory_order_release);
}

Undurable::Undurable(uint64_t bytes_max, std::shared_ptr<NodeUndurable> node)
    : node_(std::move(node)), sum_(bytes_max) {}

Undurable::~Undurable() { Clear(); }

void Undurable::Committed(const std::vector<raft::Entry>& entries,
                          raft::Index durable) {
  if (entries.empty() || entries.back().index <= durable) return;
  Batch batch{.last = entries.back().index};
  for (const raft::Entry& entry : entries) {
    if (entry.index > durable) batch.bytes += BytesOf(entry);
  }
  batches_.push_back(batch);
  sum_.Add(batch.bytes);
  if (node_ != nullptr) node_->Add(batch.bytes);
}

void Undurable::Durable(raft::Index durable) {
  uint64_t bytes = 0;
  while (!batches_.empty() && batches_.front().last <= durable) {
    bytes += batches_.front().bytes;
    batches_.pop_front();
  }
  if (bytes == 0) return;
  sum_.Remove(bytes);
  if (node_ != nullptr) node_->Remove(bytes);
}

void Undurable::Clear() {
  if (batches_.empty()) return;
  Durable(batches_.back().last);
}

}  // namespace partition
