// One replica and the images that it is sent, or had better be sent.

#include <cstdint>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/driver_fixture.h"
#include "partition/made_image.h"
#include "partition/note.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"
#include "session/testing/box.h"

namespace partition {
namespace {

using raft::Index;
using raft::ReplicaId;
using raft::Term;

constexpr uint64_t kHourNs = 3'600'000'000'000;

class DriverImagesTest : public DriverFixture {
 protected:
  DriverImagesTest() : DriverFixture(session::testing::BoxRegistry()) {}

  raft::Entry Entry(const std::string& bytes) {
    return log_.Add(Term{1}, bytes);
  }
  // The leader sends `entry`, and that it is committed.
  void HearEntry(const std::string& bytes) {
    const raft::Position previous = log_.last();
    const raft::Entry entry = Entry(bytes);
    Hear(raft::AppendEntries{.prev_index = previous.index,
                             .prev_term = previous.term,
                             .prev_chain = previous.chain,
                             .commit_index = entry.index,
                             .entries = {entry}});
  }
  void HearOffer(const MadeImage& image) {
    Hear(raft::InstallSnapshot{.position = image.position(),
                               .configuration = raft::EncodeConfiguration(
                                   MadeImage::Configuration())});
  }
  // All of the image arrives. Nothing is synced.
  void HearRows(const MadeImage& image) {
    partition_->StepImage(image.chunk());
    do {
      if (store_.has_pending_images()) store_.ImageStep();
      while (line_.RunOne() || loader_.RunOne()) {
      }
    } while (store_.has_pending_images());
  }

  LeaderLog log_;
  const MadeImage image_{3, 10};
};

// While the pointer of a new image is on its way to the disk, the state before
// it is found to be wrong: that is over in a moment.
TEST_F(DriverImagesTest, AStateThatIsBeingReplacedIsNotDoubted) {
  Open({1, 2, 3});
  HearEntry(OpenSession(kHourNs).SerializeAsString());
  HearEntry(Checkpoint().SerializeAsString());
  ASSERT_EQ(Status().image_index, Index{2});
  HearOffer(image_);
  HearRows(image_);
  ASSERT_TRUE(store_.has_pending_writes());
  for (const uint64_t other : {1, 3}) {
    StepNote(
        ReplicaId{other},
        DigestReport{.index = Index{2}, .machine_version = 1, .digest = 42});
  }
  RunTasks();
  Run();
  EXPECT_EQ(Status().image_index, image_.position().index);
  EXPECT_FALSE(partition_->paused());
  EXPECT_EQ(Status().problem, "");
}

TEST_F(DriverImagesTest, OtherwiseItIs) {
  Open({1, 2, 3});
  HearEntry(OpenSession(kHourNs).SerializeAsString());
  HearEntry(Checkpoint().SerializeAsString());
  HearOffer(image_);
  for (const uint64_t other : {1, 3}) {
    StepNote(
        ReplicaId{other},
        DigestReport{.index = Index{2}, .machine_version = 1, .digest = 42});
  }
  Run();
  EXPECT_TRUE(partition_->paused());
  HearRows(image_);
  Run();
  EXPECT_FALSE(partition_->paused());
}

// To free what was loaded takes long.
TEST_F(DriverImagesTest, AReplicaThatStopsFreesItsHalfOfAnImageElsewhere) {
  Open({1, 2, 3});
  Hear(raft::Heartbeat{});
  HearOffer(image_);
  partition_->Stop(StopReason::kRemoved);
  RunTasks();
  EXPECT_TRUE(loader_.RunOne());
}

// The log of a replica that applies nothing is bounded: when it has so much to
// apply it takes no more, and in the end the leader sends an image.
TEST_F(DriverImagesTest, AQuarantinedReplicaTakesNoMoreThanItMayBeBehind) {
  Options options{.log_behind_bytes_max = 2'000};
  options.quarantined = {{kFixturePartition, Index{1}}};
  Open({1, 2, 3}, options);
  for (int i = 0; i < 5; ++i) HearEntry(std::string(1'500, 'x'));
  EXPECT_EQ(Status().last_index, Index{2});
  HearEntry("");
  HearOffer(image_);
  ASSERT_EQ(network_.images.size(), 1u);
  HearRows(image_);
  Run();
  EXPECT_FALSE(partition_->paused());
  EXPECT_EQ(Status().applied_index, image_.position().index);
}

}  // namespace
}  // namespace partition
