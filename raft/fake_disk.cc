#include "raft/fake_disk.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"

namespace raft {

void FakeDisk::Write(const HardState& hard_state,
                     const std::vector<Entry>& entries) {
  hard_state_ = hard_state;
  if (entries.empty()) return;
  const Index from = entries.front().index;
  CHECK_GE(from, first_index_);
  CHECK_LE(from, last_index() + 1) << "a hole in the log on disk";
  log_.resize(from - first_index_);
  log_.insert(log_.end(), entries.begin(), entries.end());
}

void FakeDisk::Compact(const Position& image,
                       const Configuration& configuration, Index first_index) {
  CHECK(PositionAt(image.index) == image);
  CHECK_LE(first_index, image.index + 1);
  image_ = image;
  configuration_ = configuration;
  while (first_index_ < first_index) {
    log_.pop_front();
    ++first_index_;
  }
}

void FakeDisk::Install(const Position& image,
                       const Configuration& configuration) {
  CHECK_GT(image.index, image_.index);
  image_ = image;
  configuration_ = configuration;
  first_index_ = image.index + 1;
  log_.clear();
}

InitialState FakeDisk::Load() const {
  InitialState state{.hard_state = hard_state_,
                     .snapshot = image_,
                     .configuration = configuration_,
                     .first_index = first_index_};
  const auto behind_image = log_.begin() + (image_.index + 1 - first_index_);
  state.entries.assign(behind_image, log_.end());
  return state;
}

absl::StatusOr<std::vector<Entry>> FakeDisk::Read(Index from,
                                                  uint64_t bytes_max) const {
  if (from < first_index_ || from > last_index()) {
    return absl::OutOfRangeError("trimmed or beyond the end");
  }
  std::vector<Entry> entries;
  uint64_t bytes = 0;
  for (Index i = from; i <= last_index(); ++i) {
    const Entry& entry = log_[i - first_index_];
    bytes += sizeof(Entry) + entry.bytes().size();
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(entry);
  }
  return entries;
}

std::optional<Position> FakeDisk::PositionAt(Index index) const {
  if (index == image_.index) return image_;
  if (index < first_index_ || index > last_index()) return std::nullopt;
  return PositionOf(log_[index - first_index_]);
}

}  // namespace raft
