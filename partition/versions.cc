#include "partition/versions.h"

#include <algorithm>
#include <utility>

namespace partition {

Versions::Versions(raft::ReplicaId self, uint32_t known_max, uint32_t ask_ticks,
                   uint32_t settle_rounds)
    : self_(self),
      known_max_(known_max),
      ask_ticks_(ask_ticks),
      settle_rounds_(settle_rounds) {}

std::optional<uint32_t> Versions::Tick(raft::Term term,
                                       const raft::Configuration& configuration,
                                       uint32_t present,
                                       std::vector<Note>& out) {
  if (present >= known_max_) {
    term_ = raft::Term{};
    return std::nullopt;
  }
  const bool begins = term != term_;
  if (begins) {
    term_ = term;
    ticks_ = 0;
    candidate_ = 0;
    rounds_ = 0;
  }
  if (ticks_++ % ask_ticks_ != 0) return std::nullopt;

  // A version counts as known from the first round in which everybody said so.
  const uint32_t all = begins ? 0 : KnownByAll(configuration);
  rounds_ = all != 0 && all == candidate_ ? rounds_ + 1 : 1;
  candidate_ = all;
  known_.clear();
  for (const raft::Member& member : configuration.members) {
    if (member.replica == self_) continue;
    out.push_back({.from = self_,
                   .to = member.replica,
                   .body = VersionAsked{.term = term}});
  }
  if (candidate_ <= present || rounds_ < settle_rounds_) return std::nullopt;
  return candidate_;
}

uint32_t Versions::KnownByAll(const raft::Configuration& configuration) const {
  uint32_t all = known_max_;
  for (const raft::Member& member : configuration.members) {
    if (member.replica == self_) continue;
    const auto known = known_.find(member.replica);
    if (known == known_.end()) return 0;
    all = std::min(all, known->second);
  }
  return all;
}

VersionKnown Versions::Answer(const VersionAsked& asked) const {
  return {.term = asked.term, .machine_version_max = known_max_};
}

void Versions::Handle(raft::ReplicaId from, const VersionKnown& known) {
  // Of an earlier term: it may be of a process that is gone.
  if (term_ == raft::Term{} || known.term != term_) return;
  // Of two answers in a round the lower one: a process may have been replaced
  // in between, and they may come in any order.
  const auto [found, is_new] =
      known_.try_emplace(from, known.machine_version_max);
  if (!is_new) {
    found->second = std::min(found->second, known.machine_version_max);
  }
}

}  // namespace partition
