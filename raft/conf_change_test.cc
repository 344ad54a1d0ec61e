// How configurations change: the steps, what is refused, and what the log
// brings and takes back.

#include "raft/conf_change.h"

#include <string>
#include <vector>

#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "raft/configuration_history.h"
#include "raft/format.h"
#include "raft/quorum.h"
#include "raft/test_group.h"

namespace raft {
namespace {

using ::base::testing::StatusIs;
using ::testing::HasSubstr;

std::string Step(const Configuration& current, const Configuration& target) {
  return FormatConfiguration(StepTowards(current, target));
}

TEST(ConfChangeTest, OneVoterComesOrGoesAtOnce) {
  const Configuration three = TestConfiguration({1, 2, 3});
  EXPECT_EQ(Step(three, TestConfiguration({1, 2, 3, 4})), "voters=1,2,3,4");
  EXPECT_EQ(Step(three, TestConfiguration({1, 2})), "voters=1,2");
  EXPECT_EQ(Step(three, TestConfiguration({1, 2}, {3})),
            "voters=1,2 learners=3");
}

TEST(ConfChangeTest, LearnersComeAndGoAtOnce) {
  EXPECT_EQ(Step(TestConfiguration({1}, {2, 3}), TestConfiguration({1}, {4})),
            "voters=1 learners=4");
}

TEST(ConfChangeTest, TwoVotersGoThroughAJointConfiguration) {  // P44
  const Configuration three = TestConfiguration({1, 2, 3});
  const Configuration target = TestConfiguration({1, 4}, {2, 5});
  EXPECT_EQ(Step(three, target),
            "voters=1,4 outgoing=1,2,3 learners=5 learners_next=2");
  const Configuration joint = StepTowards(three, target);
  EXPECT_OK(ValidateConfiguration(joint));
  EXPECT_EQ(LeaveJoint(joint), target);
}

// Thesis 4.1: two configurations one step apart have no disjoint majorities;
// with a joint one between, neither half can decide alone.
TEST(ConfChangeTest, EachStepSharesAReplicaInEveryTwoQuorums) {
  std::vector<Configuration> all;
  for (uint64_t bits = 1; bits < 16; ++bits) {
    std::vector<uint64_t> voters;
    for (uint64_t id = 1; id <= 4; ++id) {
      if (bits & (1u << (id - 1))) voters.push_back(id);
    }
    all.push_back(TestConfiguration(voters));
  }
  const auto wins = [](const Configuration& configuration, uint64_t bits) {
    return TallyVotes(configuration, [&](ReplicaId replica) {
             return std::optional<bool>(bits & (1u << (replica.value() - 1)));
           }) == VoteResult::kWon;
  };
  const auto overlap = [&](const Configuration& a, const Configuration& b) {
    for (uint64_t x = 0; x < 16; ++x) {
      for (uint64_t y = 0; y < 16; ++y) {
        if ((x & y) == 0 && wins(a, x) && wins(b, y)) return false;
      }
    }
    return true;
  };
  for (const Configuration& current : all) {
    for (const Configuration& target : all) {
      const Configuration next = StepTowards(current, target);
      EXPECT_TRUE(overlap(current, next));
      EXPECT_TRUE(overlap(next, next.is_joint() ? LeaveJoint(next) : target));
    }
  }
}

TEST(ConfChangeTest, RefusesWhatIsNoConfiguration) {
  const auto refuses = [](const Configuration& configuration, const char* why) {
    EXPECT_THAT(ValidateConfiguration(configuration),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  EXPECT_OK(ValidateConfiguration(TestConfiguration({1, 2}, {3})));
  refuses(TestConfiguration({}, {1}), "no voters");
  refuses(TestConfiguration({0, 1}), "replica 0");
  refuses(TestConfiguration({2, 1}), "rising order");
  refuses(TestConfiguration({1, 1}), "rising order");
  refuses(TestConfiguration({1, 2}, {2}), "in voters and learners");
  Configuration configuration = TestConfiguration({1, 2});
  configuration.members.pop_back();
  refuses(configuration, "members");
  configuration = TestConfiguration({1}, {2});
  configuration.learners_next = {ReplicaId{2}};
  refuses(configuration, "learners_next");
}

TEST(ConfigurationHistoryTest, NewestIsInForceUntilItIsTruncated) {  // P43
  ConfigurationHistory history(Index{0}, TestConfiguration({1}));
  history.Append(Index{3}, TestConfiguration({1, 2}));
  history.Append(Index{7}, TestConfiguration({1, 2, 3}));
  EXPECT_EQ(history.current(), TestConfiguration({1, 2, 3}));
  EXPECT_FALSE(history.TruncateFrom(Index{8}));
  EXPECT_TRUE(history.TruncateFrom(Index{4}));
  EXPECT_EQ(history.current(), TestConfiguration({1, 2}));
  EXPECT_EQ(history.current_index(), Index{3});
  EXPECT_TRUE(history.TruncateFrom(Index{3}));
  EXPECT_EQ(history.current(), TestConfiguration({1}));
}

TEST(ConfigurationHistoryTest, KnowsWhatWasInForceAtAnIndex) {
  ConfigurationHistory history(Index{2}, TestConfiguration({1}));
  history.Append(Index{5}, TestConfiguration({1, 2}));
  EXPECT_EQ(history.At(Index{4}), TestConfiguration({1}));
  EXPECT_EQ(history.At(Index{5}), TestConfiguration({1, 2}));
}

TEST(ConfigurationHistoryTest, CompactionKeepsWhatIsBehindTheImage) {
  ConfigurationHistory history(Index{0}, TestConfiguration({1}));
  history.Append(Index{3}, TestConfiguration({1, 2}));
  history.Append(Index{7}, TestConfiguration({1, 2, 3}));
  history.Compact(Index{5}, TestConfiguration({1, 2}));
  EXPECT_EQ(history.At(Index{6}), TestConfiguration({1, 2}));
  EXPECT_EQ(history.current(), TestConfiguration({1, 2, 3}));
  history.Compact(Index{9}, TestConfiguration({1, 2, 3}));
  EXPECT_EQ(history.current_index(), Index{9});
}

}  // namespace
}  // namespace raft
