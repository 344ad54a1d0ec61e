#include "raft/configuration.h"

#include <string>

#include "absl/strings/escaping.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace raft {
namespace {

using ::base::testing::StatusIs;

Configuration Small() {
  return {.voters = {ReplicaId{1}},
          .voters_outgoing = {ReplicaId{2}},
          .learners = {ReplicaId{3}},
          .learners_next = {ReplicaId{2}},
          .members = {Member{.replica = ReplicaId{1},
                             .node = base::NodeId{7},
                             .incarnation = 8,
                             .peer_address = "a:1",
                             .api_address = "b:2",
                             .priority = 9},
                      Member{.replica = ReplicaId{2}},
                      Member{.replica = ReplicaId{3}}}};
}

// Written by hand from the drawing in configuration.cc.
TEST(ConfigurationTest, HasItsGoldenBytes) {
  const std::string golden = absl::HexStringToBytes(
      "01"                        // Format.
      "000000010000000000000001"  // voters
      "000000010000000000000002"  // voters_outgoing
      "000000010000000000000003"  // learners
      "000000010000000000000002"  // learners_next
      "00000003"                  // members
      "0000000000000001"
      "00000007"
      "0000000000000008"
      "00000009"
      "00000003"
      "613a31"
      "00000003"
      "623a32"
      "0000000000000002"
      "00000000"
      "0000000000000000"
      "00000001"
      "00000000"
      "00000000"
      "0000000000000003"
      "00000000"
      "0000000000000000"
      "00000001"
      "00000000"
      "00000000");
  EXPECT_EQ(EncodeConfiguration(Small()), golden);
  ASSERT_OK_AND_ASSIGN(const Configuration decoded,
                       DecodeConfiguration(golden));
  EXPECT_EQ(decoded, Small());
}

TEST(ConfigurationTest, RefusesEveryCut) {
  const std::string bytes = EncodeConfiguration(Small());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeConfiguration(bytes.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(DecodeConfiguration(bytes + "x"),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ConfigurationTest, RefusesAnotherFormat) {
  std::string bytes = EncodeConfiguration(Small());
  bytes[0] = 2;
  EXPECT_THAT(DecodeConfiguration(bytes),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ConfigurationTest, SurvivesRandomBytes) {
  base::Random random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = EncodeConfiguration(Small());
    for (uint64_t flips = random.Between(1, 4); flips > 0; --flips) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    const auto decoded = DecodeConfiguration(bytes);
    if (!decoded.ok()) continue;
    EXPECT_EQ(EncodeConfiguration(*decoded), bytes);
  }
}

TEST(ConfigurationTest, FindsVotersOfBothHalvesAndMembers) {
  const Configuration configuration = Small();
  EXPECT_TRUE(configuration.is_joint());
  EXPECT_TRUE(configuration.IsVoter(ReplicaId{1}));
  EXPECT_TRUE(configuration.IsVoter(ReplicaId{2}));
  EXPECT_FALSE(configuration.IsVoter(ReplicaId{3}));
  EXPECT_EQ(configuration.FindMember(ReplicaId{1})->priority, 9u);
  EXPECT_EQ(configuration.FindMember(ReplicaId{4}), nullptr);
}

}  // namespace
}  // namespace raft
