#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"

namespace raft {

bool Progress::can_send() const {
  switch (state_) {
    case ProgressState::kProbe:
      return !probing_;
    case ProgressState::kReplicate:
      return !window_.full();
    case ProgressState::kSnapshot:
      return false;
  }
  LOG(FATAL) << "progress state " << static_cast<int>(state_);
}

void Progress::Sent(Index last, uint64_t bytes) {
  CHECK_GE(last + 1, next_);
  switch (state_) {
    case ProgressState::kProbe:
      probing_ = true;
      return;
    case ProgressState::kReplicate:
      if (last < next_) return;
      window_.Add(last, bytes);
      next_ = last + 1;
      return;
    case ProgressState::kSnapshot:
      LOG(FATAL) << "append to a follower that waits for the image at "
                 << pending_image_;
  }
}

bool Progress::Accepted(Index index) {
  const bool news = index > match_;
  match_ = std::max(match_, index);
  next_ = std::max(next_, match_ + 1);
  window_.FreeUpTo(match_);
  if (state_ == ProgressState::kProbe ||
      (state_ == ProgressState::kSnapshot && match_ >= pending_image_)) {
    // What it answered is where the logs agree.
    next_ = match_ + 1;
    state_ = ProgressState::kReplicate;
    window_.Clear();
    probing_ = false;
    pending_image_ = Index{0};
  }
  return news;
}

bool Progress::Refused(Index prev_index, Index hint_index) {
  switch (state_) {
    case ProgressState::kReplicate:
      if (prev_index <= match_) return false;
      BecomeProbe(match_ + 1);
      return true;
    case ProgressState::kProbe:
      // A follower that lost what it acknowledged is asked again only when it
      // gives a sign of life.
      if (prev_index + 1 != next_ || prev_index <= match_) return false;
      BecomeProbe(std::min(prev_index, hint_index + 1));
      return true;
    case ProgressState::kSnapshot:
      return false;
  }
  LOG(FATAL) << "progress state " << static_cast<int>(state_);
}

void Progress::BecomeSnapshot(Index image) {
  CHECK_GT(image, match_);
  state_ = ProgressState::kSnapshot;
  pending_image_ = offered_image_ = image;
  window_.Clear();
}

void Progress::SnapshotEnded(bool delivered) {
  if (state_ != ProgressState::kSnapshot) return;
  BecomeProbe(delivered ? pending_image_ + 1 : match_ + 1);
  // Wait for a sign of life: no storm of images to a follower in trouble.
  probing_ = true;
}

void Progress::Pause() {
  BecomeProbe(match_ + 1);
  probing_ = true;
}

bool Progress::Heard() {
  probing_ = false;
  const bool stuck = state_ == ProgressState::kReplicate &&
                     match_ + 1 < next_ && match_ == match_when_heard_;
  match_when_heard_ = match_;
  return stuck;
}

void Progress::BecomeProbe(Index next) {
  state_ = ProgressState::kProbe;
  next_ = std::max(next, match_ + 1);
  probing_ = false;
  pending_image_ = Index{0};
  window_.Clear();
}

}  // namespace raft
