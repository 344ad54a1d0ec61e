#include "raft/read_index.h"

#include <algorithm>
#include <utility>

namespace raft {

void LeaderReads::StartRound(Index index) {
  rounds_.push_back({++round_, index, std::exchange(waiting_, {})});
}

std::vector<LeaderReads::Confirmed> LeaderReads::TakeConfirmed(uint64_t round) {
  std::vector<Confirmed> confirmed;
  while (!rounds_.empty() && rounds_.front().number <= round) {
    for (const PendingRead& read : rounds_.front().reads) {
      confirmed.push_back({read, rounds_.front().index});
    }
    rounds_.pop_front();
  }
  return confirmed;
}

std::vector<PendingRead> LeaderReads::TakeAll() {
  std::vector<PendingRead> all;
  for (const Round& round : rounds_) {
    all.insert(all.end(), round.reads.begin(), round.reads.end());
  }
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  rounds_.clear();
  waiting_.clear();
  return all;
}

uint64_t FollowerReads::StartRequest() {
  requests_.push_back({++next_id_, 0, std::exchange(waiting_, {})});
  return next_id_;
}

std::vector<uint64_t> FollowerReads::TakeAnswered(uint64_t id) {
  const auto it =
      std::find_if(requests_.begin(), requests_.end(),
                   [&](const Request& request) { return request.id == id; });
  if (it == requests_.end()) return {};
  std::vector<uint64_t> contexts = std::move(it->contexts);
  requests_.erase(it);
  return contexts;
}

std::vector<uint64_t> FollowerReads::TakeExpired(uint32_t ticks_max) {
  for (Request& request : requests_) ++request.age_ticks;
  std::vector<uint64_t> expired;
  while (!requests_.empty() && requests_.front().age_ticks > ticks_max) {
    const std::vector<uint64_t>& contexts = requests_.front().contexts;
    expired.insert(expired.end(), contexts.begin(), contexts.end());
    requests_.pop_front();
  }
  return expired;
}

std::vector<uint64_t> FollowerReads::TakeAll() {
  std::vector<uint64_t> all;
  for (const Request& request : requests_) {
    all.insert(all.end(), request.contexts.begin(), request.contexts.end());
  }
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  requests_.clear();
  waiting_.clear();
  return all;
}

}  // namespace raft
