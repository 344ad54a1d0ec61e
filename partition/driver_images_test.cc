// One replica and the images that it is sent, or had better be sent.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/driver_fixture.h"
#include "partition/image_message.h"
#include "partition/made_image.h"
#include "partition/note.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"
#include "session/testing/box.h"
#include "storage/image.h"

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

  // Replica 1 asks for the image on the disk and gets this of it.
  std::optional<ImageChunk> AskForImage() {
    const raft::Position position =
        store_.LoadPartition(kFixturePartition)->image.position;
    StepNote(ReplicaId{1}, ImageWanted{.index = position.index});
    Run();
    network_.images.clear();
    partition_->StepImage(ImageRequest{.from = ReplicaId{1},
                                       .to = partition_->replica(),
                                       .position = position,
                                       .bytes_max = 1 << 20});
    Run();
    if (network_.images.empty()) return std::nullopt;
    return std::get<ImageChunk>(network_.images.front());
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

// P37: what cannot be repaired in place, an unreadable block say, is read by
// nobody any more: the whole image is written anew beside it, and it goes.
TEST_F(DriverImagesTest, ADamagedImageIsWrittenAnewElsewhere) {
  Open({2}, {.checkpoint_slice_rows = 3});
  for (int i = 0; i < 20; ++i) Propose(OpenSession(kHourNs));
  ProposeOnly(Checkpoint());
  ASSERT_TRUE(AskForImage()->last);
  const Index before = Status().image_index;
  storage::ImageBatch damage;
  damage.partition = kFixturePartition;
  damage.rows.push_back({.table = 3,
                         .key = std::string(24, 'x'),
                         .checkpoint = 1,
                         .value = "nobody's"});
  damage.done = [](absl::Status) {};
  store_.WriteImage(std::move(damage));
  Run();
  Propose(OpenSession(kHourNs));
  // One that was pinned before the damage is still whole; the next is not.
  ProposeOnly(Checkpoint());
  ASSERT_GT(Status().image_index, before);
  const std::optional<ImageChunk> none = AskForImage();
  EXPECT_TRUE(!none.has_value() || none->gone);
  EXPECT_EQ(Status().alarm, "");

  const std::optional<ImageChunk> chunk = AskForImage();
  ASSERT_TRUE(chunk.has_value());
  EXPECT_TRUE(chunk->last);
  EXPECT_EQ(chunk->pointer.generation, 1u);
  EXPECT_FALSE(
      (*store_.OpenImage(kFixturePartition))->has_unfinished_install());
  const uint64_t applied = Status().applied_index.value();
  // And it is what a start loads.
  partition_->Stop(StopReason::kShutdown);
  Run();
  partition_ = nullptr;
  Open(Options{});
  EXPECT_GE(Status().applied_index.value(), applied);
  EXPECT_EQ(Status().counts.sessions, 21u);
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
