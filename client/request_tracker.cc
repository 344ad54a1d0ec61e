#include "client/request_tracker.h"

#include <algorithm>

#include "base/check.h"

namespace client {

uint64_t RequestTracker::Start() {
  open_.emplace(++last_sequence_, Outputs());
  return last_sequence_;
}

void RequestTracker::Received(uint64_t sequence, uint64_t output) {
  const auto it = open_.find(sequence);
  CHECK(it != open_.end()) << "output of finished request " << sequence;
  CHECK_GT(output, it->second.received);
  it->second.received = output;
}

void RequestTracker::Finish(uint64_t sequence) {
  CHECK_EQ(open_.erase(sequence), 1u) << "request " << sequence;
}

Progress RequestTracker::Now() const {
  Progress progress{.last_sequence = last_sequence_};
  progress.open.reserve(open_.size());
  for (const auto& [sequence, outputs] : open_) {
    progress.open.push_back(sequence);
    if (outputs.received > outputs.reported) {
      progress.received[sequence] = outputs.received;
    }
  }
  return progress;
}

void RequestTracker::Reported(const Progress& progress) {
  for (const auto& [sequence, output] : progress.received) {
    const auto it = open_.find(sequence);
    // It may have finished while the KeepAlive was under way.
    if (it == open_.end()) continue;
    it->second.reported = std::max(it->second.reported, output);
  }
}

}  // namespace client
