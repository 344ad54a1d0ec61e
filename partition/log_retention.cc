#include "partition/log_retention.h"

#include <algorithm>

namespace partition {
namespace {

// The log is trimmed in pieces: a sixteenth of what is kept, within these.
constexpr uint64_t kPieceBytesMin = 512;
constexpr uint64_t kPieceBytesMax = 1 << 20;

uint64_t PieceBytes(const Options& options) {
  return std::clamp(options.log_keep_bytes / 16, kPieceBytesMin,
                    kPieceBytesMax);
}

}  // namespace

LogNeeds NeedsOf(const std::vector<raft::FollowerStatus>& followers,
                 std::optional<raft::Index> oldest_transfer,
                 uint64_t silent_ticks_max) {
  LogNeeds needs{.transfer = oldest_transfer};
  for (const raft::FollowerStatus& follower : followers) {
    // Whoever gets an image needs what is behind the image.
    if (follower.state == raft::ProgressState::kSnapshot ||
        follower.silent_ticks > silent_ticks_max) {
      continue;
    }
    // A match that is not known yet is 0, and keeps all there is.
    needs.member = std::min(needs.member.value_or(follower.match_index),
                            follower.match_index);
  }
  return needs;
}

void ShareDisk(uint64_t disk_bytes, uint64_t partitions, Options& options) {
  const uint64_t share = std::max(
      disk_bytes / 5 / std::max<uint64_t>(partitions, 1), kLogShareMin);
  options.log_behind_bytes_max = std::min(options.log_behind_bytes_max, share);
  options.log_keep_bytes = std::min(options.log_keep_bytes, share);
}

LogRetention::LogRetention(const Options& options, raft::Index image,
                           raft::Index first_index)
    : options_(options), first_index_(first_index) {
  if (first_index <= image) {
    pieces_.push_back({.last = image, .of_former_process = true});
  }
}

void LogRetention::Add(raft::Index index, uint64_t bytes) {
  if (pieces_.empty() || pieces_.back().of_former_process ||
      pieces_.back().bytes >= PieceBytes(options_)) {
    pieces_.push_back({});
  }
  pieces_.back().last = index;
  pieces_.back().bytes += bytes;
  bytes_ += bytes;
}

raft::Index LogRetention::Target(raft::Index image,
                                 const LogNeeds& needs) const {
  uint64_t kept = 0;
  for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
    if (piece->last <= image && MayGo(*piece, kept, needs)) {
      return piece->last + 1;
    }
    kept += piece->bytes;
  }
  return first_index_;
}

bool LogRetention::MayGo(const Piece& piece, uint64_t kept,
                         const LogNeeds& needs) const {
  if (needs.transfer.has_value() && piece.last >= *needs.transfer) return false;
  if (needs.member.has_value() && piece.last >= *needs.member &&
      kept + piece.bytes <= options_.log_behind_bytes_max) {
    return false;
  }
  return kept >= options_.log_keep_bytes || piece.of_former_process;
}

uint64_t LogRetention::bytes_behind(raft::Index index) const {
  uint64_t bytes = 0;
  for (auto piece = pieces_.rbegin();
       piece != pieces_.rend() && piece->last > index; ++piece) {
    bytes += piece->bytes;
  }
  return bytes;
}

void LogRetention::Trimmed(raft::Index first) {
  first_index_ = first;
  while (!pieces_.empty() && pieces_.front().last < first) {
    bytes_ -= pieces_.front().bytes;
    pieces_.pop_front();
  }
}

void LogRetention::Reset(raft::Index first) {
  first_index_ = first;
  pieces_.clear();
  bytes_ = 0;
}

}  // namespace partition
