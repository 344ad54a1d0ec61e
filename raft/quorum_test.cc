#include "raft/quorum.h"

#include <algorithm>
#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace raft {
namespace {

Configuration Of(std::vector<uint64_t> voters,
                 std::vector<uint64_t> outgoing = {}) {
  Configuration configuration;
  for (const uint64_t v : voters) configuration.voters.emplace_back(v);
  for (const uint64_t v : outgoing) {
    configuration.voters_outgoing.emplace_back(v);
  }
  return configuration;
}

// Every set of replicas 1 to `n`.
std::vector<std::vector<uint64_t>> Subsets(uint64_t n) {
  std::vector<std::vector<uint64_t>> subsets;
  for (uint64_t bits = 0; bits < (1u << n); ++bits) {
    std::vector<uint64_t> subset;
    for (uint64_t id = 1; id <= n; ++id) {
      if (bits & (1u << (id - 1))) subset.push_back(id);
    }
    subsets.push_back(subset);
  }
  return subsets;
}

using Values = std::vector<uint64_t>;  // By replica - 1.

// The definition: more than half of each half is there.
bool NaiveReached(const Configuration& configuration, const Values& values,
                  uint64_t value) {
  const auto majority = [&](const std::vector<ReplicaId>& voters) {
    const auto count = std::count_if(
        voters.begin(), voters.end(),
        [&](ReplicaId voter) { return values[voter.value() - 1] >= value; });
    return 2 * static_cast<size_t>(count) > voters.size();
  };
  return majority(configuration.voters) &&
         (!configuration.is_joint() || majority(configuration.voters_outgoing));
}

// Calls `check` with every way to give each of `n` replicas a value below
// `values`.
template <class Check>
void ForAllValues(uint64_t n, uint64_t values, Check check) {
  Values assignment(n, 0);
  while (true) {
    check(assignment);
    size_t i = 0;
    while (i < n && ++assignment[i] == values) assignment[i++] = 0;
    if (i == n) return;
  }
}

TEST(QuorumTest, ValueIsTheLargestThatMajoritiesReached) {  // P44
  for (const auto& voters : Subsets(4)) {
    if (voters.empty()) continue;
    for (const auto& outgoing : Subsets(4)) {
      const Configuration configuration = Of(voters, outgoing);
      ForAllValues(4, 3, [&](const Values& values) {
        const uint64_t value = QuorumValue(
            configuration,
            [&](ReplicaId replica) { return values[replica.value() - 1]; });
        ASSERT_TRUE(NaiveReached(configuration, values, value));
        ASSERT_FALSE(NaiveReached(configuration, values, value + 1));
      });
    }
  }
}

TEST(QuorumTest, VotesAreWonLostOrOpenAsTheMissingOnesDecide) {  // P44
  for (const auto& voters : Subsets(4)) {
    if (voters.empty()) continue;
    for (const auto& outgoing : Subsets(4)) {
      const Configuration configuration = Of(voters, outgoing);
      // 0: refused, 1: not answered, 2: granted.
      ForAllValues(4, 3, [&](const Values& votes) {
        const VoteResult result = TallyVotes(
            configuration, [&](ReplicaId replica) -> std::optional<bool> {
              const uint64_t vote = votes[replica.value() - 1];
              if (vote == 1) return std::nullopt;
              return vote == 2;
            });
        // Won if the missing ones cannot change it, lost if they cannot help.
        const VoteResult naive =
            NaiveReached(configuration, votes, 2)   ? VoteResult::kWon
            : NaiveReached(configuration, votes, 1) ? VoteResult::kPending
                                                    : VoteResult::kLost;
        ASSERT_EQ(result, naive);
      });
    }
  }
}

TEST(QuorumTest, AnyTwoQuorumsOfAConfigurationOverlap) {
  for (const auto& voters : Subsets(4)) {
    if (voters.empty()) continue;
    const Configuration configuration = Of(voters);
    for (const auto& a : Subsets(4)) {
      for (const auto& b : Subsets(4)) {
        const auto is_quorum = [&](const std::vector<uint64_t>& set) {
          return QuorumValue(configuration, [&](ReplicaId replica) -> uint64_t {
            return std::count(set.begin(), set.end(), replica.value());
          });
        };
        if (!is_quorum(a) || !is_quorum(b)) continue;
        EXPECT_TRUE(std::any_of(a.begin(), a.end(), [&](uint64_t id) {
          return std::count(b.begin(), b.end(), id) > 0;
        }));
      }
    }
  }
}

TEST(QuorumTest, LearnersAreNotAsked) {  // P46
  Configuration configuration = Of({1, 2, 3});
  configuration.learners = {ReplicaId{4}, ReplicaId{5}};
  const auto value_of = [](ReplicaId replica) -> uint64_t {
    EXPECT_LT(replica, ReplicaId{4});
    return replica.value();
  };
  EXPECT_EQ(QuorumValue(configuration, value_of), 2u);
}

}  // namespace
}  // namespace raft
