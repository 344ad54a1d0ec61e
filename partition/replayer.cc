#include "partition/replayer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace partition {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

}  // namespace

Replayer::Replayer(const Options& options, storage::LogStore& store,
                   Hooks hooks)
    : options_(options), store_(store), hooks_(std::move(hooks)) {}

void Replayer::Begin(raft::Index from, raft::Index to) {
  CHECK(!active_);
  active_ = true;
  ++number_;
  next_ = from;
  last_ = to;
  hooks_.post([this, number = number_] {
    if (number == number_) Apply();
  });
}

void Replayer::Tick() {
  if (active_ && !reading_ && entries_.empty()) Apply();
}

void Replayer::Stop() {
  active_ = false;
  ++number_;
  reading_ = false;
  entries_.clear();
}

// Committed and durable, so it is never replaced any more. What is behind that
// is read at a later tick.
void Replayer::Read() {
  readable_ = std::min(last_, hooks_.durable());
  if (next_ > readable_) return;
  reading_ = true;
  store_.ReadEntries(
      options_.id, next_, kReadBytes,
      [this, number = number_, post = hooks_.post,
       hold = hooks_.hold()](absl::StatusOr<std::vector<raft::Entry>> entries) {
        post([this, number, entries = std::move(entries)]() mutable {
          if (number == number_) Arrived(std::move(entries));
        });
      });
}

void Replayer::Arrived(absl::StatusOr<std::vector<raft::Entry>> entries) {
  reading_ = false;
  if (!entries.ok()) {
    Stop();
    return hooks_.failed(std::move(entries).status());
  }
  for (raft::Entry& entry : *entries) {
    if (entry.index > readable_) break;
    if (entry.index != next_ + entries_.size()) {
      Stop();
      return hooks_.failed(absl::DataLossError(
          absl::StrCat("entry ", entry.index.value(), " where ",
                       (next_ + entries_.size()).value(), " should be")));
    }
    entries_.push_back(std::move(entry));
  }
  if (entries_.empty()) {
    Stop();
    return hooks_.failed(absl::DataLossError(
        absl::StrCat("entry ", next_.value(), " is not on the disk")));
  }
  Apply();
}

// A slice of them, so that other things run in between.
void Replayer::Apply() {
  for (uint64_t count = 0;
       count < options_.turn_entries_max && !entries_.empty(); ++count) {
    const raft::Entry entry = std::move(entries_.front());
    entries_.pop_front();
    ++next_;
    const uint64_t number = number_;
    const bool applied = hooks_.apply(entry);
    if (number != number_) return;  // It was stopped meanwhile.
    if (!applied) return Stop();
  }
  if (!entries_.empty()) {
    hooks_.post([this, number = number_] {
      if (number == number_) Apply();
    });
  } else if (next_ > last_) {
    Stop();
    hooks_.done();
  } else {
    Read();
  }
}

}  // namespace partition
