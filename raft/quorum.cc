#include "raft/quorum.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/check.h"

namespace raft {
namespace {

uint64_t MajorityValue(const std::vector<ReplicaId>& voters,
                       absl::FunctionRef<uint64_t(ReplicaId)> value_of) {
  CHECK(!voters.empty());
  if (voters.size() == 1) return value_of(voters[0]);
  absl::InlinedVector<uint64_t, 8> values;
  for (const ReplicaId voter : voters) values.push_back(value_of(voter));
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end(), std::greater<>());
  return *middle;
}

VoteResult MajorityVote(
    const std::vector<ReplicaId>& voters,
    absl::FunctionRef<std::optional<bool>(ReplicaId)> vote_of) {
  size_t granted = 0;
  size_t missing = 0;
  for (const ReplicaId voter : voters) {
    const std::optional<bool> vote = vote_of(voter);
    if (!vote.has_value()) {
      ++missing;
    } else if (*vote) {
      ++granted;
    }
  }
  const size_t majority = voters.size() / 2 + 1;
  if (granted >= majority) return VoteResult::kWon;
  return granted + missing >= majority ? VoteResult::kPending
                                       : VoteResult::kLost;
}

}  // namespace

uint64_t QuorumValue(const Configuration& configuration,
                     absl::FunctionRef<uint64_t(ReplicaId)> value_of) {
  const uint64_t incoming = MajorityValue(configuration.voters, value_of);
  if (!configuration.is_joint()) return incoming;
  return std::min(incoming,
                  MajorityValue(configuration.voters_outgoing, value_of));
}

VoteResult TallyVotes(
    const Configuration& configuration,
    absl::FunctionRef<std::optional<bool>(ReplicaId)> vote_of) {
  const VoteResult incoming = MajorityVote(configuration.voters, vote_of);
  if (!configuration.is_joint()) return incoming;
  const VoteResult outgoing =
      MajorityVote(configuration.voters_outgoing, vote_of);
  if (incoming == outgoing) return incoming;
  return incoming == VoteResult::kLost || outgoing == VoteResult::kLost
             ? VoteResult::kLost
             : VoteResult::kPending;
}

}  // namespace raft
