#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace raft {

Log::Log(base::PartitionId partition, const Position& image, Index first_index,
         uint64_t memory_bytes)
    : partition_(partition),
      memory_bytes_max_(memory_bytes),
      image_(image),
      disk_first_index_(first_index),
      before_(image),
      last_(image),
      next_write_(image.index + 1),
      persisted_(image.index),
      commit_(image.index),
      applying_(image.index),
      applied_(image.index),
      settled_(image.index) {
  CHECK_GT(first_index, Index{0});
  CHECK_LE(first_index, image.index + 1);
}

absl::Status Log::Load(std::vector<Entry> entries) {
  for (Entry& entry : entries) {
    const auto lost = [&](absl::string_view what) {
      return absl::DataLossError(absl::StrCat(
          "partition ", partition_.value(), ": ", what, " at index ",
          entry.index.value(), " behind index ", last_.index.value()));
    };
    if (entry.index != last_.index + 1) return lost("hole in the log");
    if (entry.term < last_.term) return lost("term goes back");
    if (entry.time_ns < last_.time_ns) return lost("log time goes back");
    PushBack(std::move(entry));
  }
  next_write_ = last_.index + 1;
  persisted_ = last_.index;
  return absl::OkStatus();
}

Index Log::first_index() const {
  return std::min(disk_first_index_, memory_first_index());
}

std::optional<Position> Log::PositionAt(Index index) const {
  if (index > before_.index && index <= last_.index) {
    return PositionOf(At(index));
  }
  if (index == before_.index) return before_;
  if (index == image_.index) return image_;
  // What precedes the first entry of all is known to everybody.
  if (index == Index{0}) return Position{};
  return std::nullopt;
}

std::vector<Entry> Log::Slice(Index from, uint64_t bytes_max) const {
  CHECK_GE(from, memory_first_index());
  CHECK_LE(from, last_.index);
  Index end = from;
  uint64_t bytes = 0;
  do {
    bytes += EntryBytes(At(end));
    ++end;
  } while (end <= last_.index && bytes + EntryBytes(At(end)) <= bytes_max);
  const auto first = entries_.begin() + (from - memory_first_index());
  return std::vector<Entry>(first, first + (end - from));
}

const Entry& Log::Append(Entry entry) {
  CHECK_GE(entry.term, last_.term);
  CHECK_GE(entry.time_ns, last_.time_ns);
  entry.index = last_.index + 1;
  entry.chain = ChainOf(last_.chain, partition_, entry);
  PushBack(std::move(entry));
  return entries_.back();
}

bool Log::Fits(const Position& previous, std::span<const Entry> entries) const {
  Position last = previous;
  for (const Entry& entry : entries) {
    if (entry.index != last.index + 1 || entry.term < last.term ||
        entry.time_ns < last.time_ns ||
        entry.chain != ChainOf(last.chain, partition_, entry)) {
      return false;
    }
    last = PositionOf(entry);
  }
  return true;
}

std::optional<Index> Log::Merge(std::span<const Entry> entries) {
  std::optional<Index> truncated;
  for (const Entry& entry : entries) {
    if (entry.index <= last_.index) {
      const std::optional<Position> mine = PositionAt(entry.index);
      // What memory has let go is committed.
      if (!mine.has_value() || mine->chain == entry.chain) continue;
      CHECK_GT(entry.index, commit_)
          << "partition " << partition_ << ": committed entry " << entry.index
          << " of term " << mine->term << " would be replaced by one of term "
          << entry.term;
      TruncateFrom(entry.index);
      truncated = entry.index;
    }
    CHECK_EQ(entry.index, last_.index + 1);
    PushBack(entry);
  }
  return truncated;
}

void Log::Reset(const Position& image) {
  CHECK_GT(image.index, commit_);
  entries_.clear();
  memory_bytes_ = applying_bytes_ = pending_bytes_ = 0;
  image_ = before_ = last_ = image;
  disk_first_index_ = next_write_ = image.index + 1;
  persisted_ = commit_ = applying_ = applied_ = settled_ = image.index;
}

std::vector<Entry> Log::TakeUnwritten() {
  const auto first = entries_.begin() + (next_write_ - memory_first_index());
  next_write_ = last_.index + 1;
  return std::vector<Entry>(first, entries_.end());
}

void Log::PersistTo(Index index) {
  CHECK_LT(index, next_write_);
  if (index <= persisted_) return;
  persisted_ = index;
  Settle();
  ReleaseMemory();
}

void Log::CommitTo(Index index) {
  CHECK_LE(index, last_.index);
  if (index <= commit_) return;
  commit_ = index;
  Settle();
}

std::vector<Entry> Log::TakeCommitted(uint64_t bytes_max) {
  const Index from = applying_ + 1;
  while (has_unapplied(bytes_max)) {
    ++applying_;
    applying_bytes_ += EntryBytes(At(applying_));
  }
  const auto first = entries_.begin() + (from - memory_first_index());
  return std::vector<Entry>(first, first + (applying_ + 1 - from));
}

void Log::ApplyTo(Index index) {
  CHECK_LE(index, applying_);
  while (applied_ < index) {
    ++applied_;
    applying_bytes_ -= EntryBytes(At(applied_));
  }
  ReleaseMemory();
}

void Log::Compact(const Position& image, Index first_index) {
  CHECK_LE(image.index, applied_);
  CHECK_LE(first_index, image.index + 1);
  if (image.index > image_.index) image_ = image;
  disk_first_index_ = std::max(disk_first_index_, first_index);
}

void Log::PushBack(Entry entry) {
  last_ = PositionOf(entry);
  memory_bytes_ += EntryBytes(entry);
  pending_bytes_ += EntryBytes(entry);
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index index) {
  CHECK_GT(index, commit_);
  while (last_.index >= index) {
    const uint64_t bytes = EntryBytes(entries_.back());
    memory_bytes_ -= bytes;
    pending_bytes_ -= bytes;
    entries_.pop_back();
    last_ = entries_.empty() ? before_ : PositionOf(entries_.back());
  }
  // What the disk holds there will be replaced (P26).
  persisted_ = std::min(persisted_, index - 1);
  next_write_ = std::min(next_write_, index);
}

void Log::Settle() {
  const Index target = std::min(commit_, persisted_);
  while (settled_ < target) {
    ++settled_;
    pending_bytes_ -= EntryBytes(At(settled_));
  }
}

void Log::ReleaseMemory() {
  const Index target = std::min(applied_, persisted_);
  while (memory_bytes_ > memory_bytes_max_ && before_.index < target) {
    before_ = PositionOf(entries_.front());
    memory_bytes_ -= EntryBytes(entries_.front());
    entries_.pop_front();
  }
}

}  // namespace raft
