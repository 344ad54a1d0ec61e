// An image on its way from a leader to a follower: both sides over stores in
// memory, with a network that loses, repeats and reorders what it is told to.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/image_receiver.h"
#include "partition/image_sender.h"
#include "partition/made_image.h"
#include "session/image_sum.h"
#include "session/testing/replica.h"
#include "storage/memory_store.h"

namespace partition {
namespace {

using raft::Index;
using raft::ReplicaId;
using session::testing::kSecond;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr base::PartitionId kPartition{1};
constexpr ReplicaId kLeader = MadeImage::kLeader;
constexpr ReplicaId kFollower = MadeImage::kFollower;
constexpr uint64_t kTick = kSecond / 10;

class ImageTransferTest : public ::testing::Test {
 protected:
  ImageTransferTest() {
    options_.id = kPartition;
    options_.raft.tick_ns = kTick;
    options_.image_chunk_bytes = 4 << 10;
    options_.image_inflight_bytes = 16 << 10;
    for (storage::MemoryStore* store : {leader_store_.get(), store_.get()}) {
      CHECK(
          store->CreatePartition(kPartition, MadeImage::Configuration()).ok());
    }
    sender_ = std::make_unique<ImageSender>(
        options_, kLeader, *leader_store_,
        ImageSender::Hooks{
            .post = [this](auto task) { tasks_.push_back(std::move(task)); },
            .hold = [] { return nullptr; },
            .send = [this](ImageMessage m) { Send(std::move(m)); },
            .failed = [this](ReplicaId,
                             Index image) { failed_.push_back(image.value()); },
            .damaged = [this](const absl::Status&,
                              std::optional<uint64_t>) { ++damaged_; },
            .told = [this](ImageSender::Stage stage, ReplicaId,
                           Index) { stages_.push_back(stage); }});
    NewReceiver();
  }

  // The stores report what was queued.
  ~ImageTransferTest() override {
    leader_store_ = nullptr;
    store_ = nullptr;
  }

  void NewReceiver() {
    receiver_ = std::make_unique<ImageReceiver>(
        options_, kFollower, *store_, session::testing::BoxRegistry(),
        ImageReceiver::Hooks{
            .post = [this](auto task) { tasks_.push_back(std::move(task)); },
            .hold = [] { return nullptr; },
            .load = [this](auto task) { loads_.push_back(std::move(task)); },
            .now_ns = [this] { return now_ns_; },
            .send = [this](ImageMessage m) { Send(std::move(m)); },
            .generation = [this] { return generation_; },
            .sealed = [this] { ++sealed_; },
            .installed =
                [this](std::unique_ptr<session::StateMachine> state_machine,
                       const storage::ImagePointer& image, bool keeps_log) {
                  generation_ = image.generation;
                  kept_log_ = keeps_log;
                  state_machine_ = std::move(state_machine);
                  installed_.push_back(image.position.index.value());
                },
            .refused =
                [this](const raft::Position& image) {
                  refused_.push_back(image.index.value());
                },
            .unknown =
                [this](absl::Status status) {
                  unknown_ = std::string(status.message());
                },
            .failed =
                [this](absl::Status status) { ADD_FAILURE() << status; }});
  }

  // The leader's image is now this one.
  void LeaderHas(const MadeImage& image,
                 const std::function<void(std::vector<storage::ImageRow>&)>&
                     damage = nullptr) {
    ++leader_generation_;
    storage::ImageBatch batch;
    batch.partition = kPartition;
    batch.generation = leader_generation_;
    batch.rows = image.rows();
    if (damage) damage(batch.rows);
    leader_store_->WriteImage(std::move(batch));
    while (leader_store_->has_pending_images()) leader_store_->ImageStep();
    storage::LogWrite write;
    write.partition = kPartition;
    write.image = image.pointer(leader_generation_);
    leader_store_->Write(std::move(write));
    leader_store_->SyncStep();
  }

  // The core offers `image`: both sides are told.
  void Offer(const MadeImage& image) {
    sender_->Start({.follower = kFollower, .position = image.position()},
                   now_ns_);
    receiver_->Offer(image.offer(), Index{0});
  }

  // How often each message arrives; `late`: behind those that are under way.
  struct Fate {
    int copies = 1;
    bool late = false;
  };

  void Send(ImageMessage message) {
    if (auto* chunk = std::get_if<ImageChunk>(&message)) {
      for (const storage::ImageRow& row : chunk->rows) {
        sent_bytes_ += row.key.size() + row.value.size();
      }
      largest_ = std::max(largest_, chunk->rows.size());
    }
    const Fate fate = fate_ ? fate_(message) : Fate{};
    for (int i = 0; i < fate.copies; ++i) {
      if (fate.late) {
        late_.push_back(message);
      } else {
        wire_.push_back(message);
      }
    }
  }

  // One thing happens; false: there is nothing to happen before the next tick.
  bool Step() {
    if (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    } else if (!loads_.empty()) {
      auto task = std::move(loads_.front());
      loads_.pop_front();
      task();
    } else if (!wire_.empty()) {
      ImageMessage message = std::move(wire_.front());
      wire_.pop_front();
      if (auto* chunk = std::get_if<ImageChunk>(&message)) {
        receiver_->Handle(std::move(*chunk));
      } else {
        sender_->Handle(std::get<ImageRequest>(message), now_ns_);
      }
    } else if (leader_store_->has_pending_reads()) {
      leader_store_->ReadStep();
    } else if (store_->has_pending_images()) {
      store_->ImageStep();
    } else if (store_->has_pending_writes()) {
      store_->SyncStep();
    } else {
      return false;
    }
    return true;
  }

  void Tick() {
    now_ns_ += kTick;
    for (ImageMessage& message : late_) wire_.push_back(std::move(message));
    late_.clear();
    receiver_->Tick(leader_);
    sender_->Tick(followers_, now_ns_);
  }

  // Until nothing happens, for so long.
  void Run(uint64_t ns = 0) {
    const uint64_t end = now_ns_ + ns;
    while (true) {
      while (Step()) {
      }
      if (now_ns_ >= end) return;
      Tick();
    }
  }
  void RunUntilInstalled(uint64_t ns_max = 1000 * kSecond) {
    const uint64_t end = now_ns_ + ns_max;
    while (installed_.empty() && now_ns_ < end) Run(kTick);
    ASSERT_THAT(installed_, SizeIs(1));
  }

  // The follower's disk has exactly this image.
  void ExpectOnDisk(const MadeImage& image, uint64_t generation) {
    ASSERT_OK_AND_ASSIGN(storage::StoredPartition stored,
                         store_->LoadPartition(kPartition));
    EXPECT_EQ(stored.image, image.pointer(generation));
    EXPECT_EQ(stored.first_index, image.position().index + 1);
    EXPECT_THAT(stored.entries, IsEmpty());
    ASSERT_OK_AND_ASSIGN(auto reader, store_->OpenImage(kPartition));
    EXPECT_FALSE(reader->has_unfinished_install());
    ASSERT_OK_AND_ASSIGN(auto rows, reader->Next(1 << 30));
    session::ImageSum sum;
    for (const storage::ImageRow& row : rows) {
      ASSERT_OK(sum.Add(session::TableId{row.table}, row.key, row.value));
    }
    EXPECT_EQ(sum.digest(), image.pointer(generation).digest);
  }

  bool HasLeftovers() {
    return (*store_->OpenImage(kPartition))->has_unfinished_install();
  }

  Options options_;
  storage::MemoryDisk leader_disk_;
  storage::MemoryDisk disk_;
  std::unique_ptr<storage::MemoryStore> leader_store_ =
      std::make_unique<storage::MemoryStore>(leader_disk_);
  std::unique_ptr<storage::MemoryStore> store_ =
      std::make_unique<storage::MemoryStore>(disk_);
  uint64_t leader_generation_ = 0;
  uint64_t generation_ = 0;

  uint64_t now_ns_ = kSecond;
  ReplicaId leader_ = kLeader;  // As the follower knows it.
  std::vector<raft::FollowerStatus> followers_ = {
      {.replica = kFollower, .state = raft::ProgressState::kSnapshot}};
  std::function<Fate(ImageMessage&)> fate_;
  std::deque<absl::AnyInvocable<void()>> tasks_;
  std::deque<absl::AnyInvocable<void()>> loads_;  // On the loader's thread.
  std::deque<ImageMessage> wire_;
  std::vector<ImageMessage> late_;
  uint64_t sent_bytes_ = 0;
  size_t largest_ = 0;

  std::unique_ptr<ImageSender> sender_;
  std::unique_ptr<ImageReceiver> receiver_;

  std::vector<uint64_t> failed_;
  std::vector<ImageSender::Stage> stages_;  // As those who watch are told.
  int damaged_ = 0;
  int sealed_ = 0;
  std::vector<uint64_t> installed_;
  std::vector<uint64_t> refused_;
  std::string unknown_;
  bool kept_log_ = false;
  std::unique_ptr<session::StateMachine> state_machine_;
};

TEST_F(ImageTransferTest, ImageIsInstalledBesideTheOldOneAndReplacesIt) {
  const MadeImage image(200, 500);
  LeaderHas(image);
  Offer(image);
  Run();
  ASSERT_THAT(installed_, ElementsAre(image.position().index.value()));
  EXPECT_EQ(state_machine_->FullDigest(), image.digest);
  EXPECT_EQ(state_machine_->applied_log_index(),
            image.position().index.value());
  EXPECT_EQ(sealed_, 1);
  EXPECT_THAT(refused_, IsEmpty());
  ExpectOnDisk(image, 1);
  // Asked for in pieces, each row once.
  EXPECT_LT(largest_, 20u);
  EXPECT_LT(sent_bytes_, receiver_->received_bytes());
  EXPECT_FALSE(receiver_->is_receiving());
}

// The core knows nothing of it: the transfer ends when nobody asks any more.
TEST_F(ImageTransferTest, ReseedKeepsTheLogAndItsPinEndsByItself) {
  const MadeImage image(100, 100);
  LeaderHas(image);
  // The log up to behind the image.
  raft::Position position;
  storage::LogWrite log{.partition = kPartition};
  for (uint64_t i = 1; i <= image.position().index.value() + 3; ++i) {
    log.entries.push_back({.term = raft::Term{1}, .index = Index{i}});
  }
  store_->Write(std::move(log));
  store_->SyncStep();
  followers_ = {{.replica = kFollower,
                 .state = raft::ProgressState::kReplicate,
                 .match_index = image.position().index + 3}};
  sender_->Reseed({.follower = kFollower, .position = image.position()},
                  now_ns_);
  receiver_->Reseed(image.offer());
  RunUntilInstalled();
  EXPECT_TRUE(kept_log_);
  EXPECT_EQ(state_machine_->FullDigest(), image.digest);
  EXPECT_EQ(sender_->transfers(), 1u);
  Run(10 * kSecond);
  EXPECT_EQ(sender_->transfers(), 0u);
  EXPECT_THAT(failed_, IsEmpty());
}

TEST_F(ImageTransferTest, WhoWatchesIsToldHowATransferBeginsAndEnds) {
  using Stage = ImageSender::Stage;
  const MadeImage image(20, 100);
  LeaderHas(image);
  Offer(image);
  Offer(image);  // The same one.
  Run();
  ASSERT_THAT(installed_, SizeIs(1));
  EXPECT_THAT(stages_, ElementsAre(Stage::kStarted));
  followers_[0] = {.replica = kFollower,
                   .state = raft::ProgressState::kReplicate,
                   .match_index = image.position().index};
  Run(kSecond);
  EXPECT_THAT(stages_, ElementsAre(Stage::kStarted, Stage::kCompleted));

  // Given up: by the core, as the leadership ends, by itself.
  for (const auto& give_up : std::vector<std::function<void()>>{
           [&] {
             followers_[0] = {.replica = kFollower,
                              .state = raft::ProgressState::kProbe};
             Run(kTick);
           },
           [&] { sender_->EndAll(); },
           [&] { sender_->FailOldest(absl::InternalError("a test")); }}) {
    stages_.clear();
    followers_[0] = {.replica = kFollower,
                     .state = raft::ProgressState::kSnapshot};
    sender_->Start({.follower = kFollower, .position = image.position()},
                   now_ns_);
    give_up();
    EXPECT_THAT(stages_, ElementsAre(Stage::kStarted, Stage::kAborted));
    Run();
  }
}

TEST_F(ImageTransferTest, ImageOfANewerVersionStopsTheFollower) {  // U39
  const MadeImage image(20, 100);
  LeaderHas(image);
  storage::LogWrite write;
  write.partition = kPartition;
  write.image = image.pointer(leader_generation_);
  write.image->machine_version = session::kMachineVersionNext;
  leader_store_->Write(std::move(write));
  leader_store_->SyncStep();
  Offer(image);
  Run(kSecond);
  EXPECT_EQ(unknown_,
            "the image needs machine version 2 and this binary knows 1; "
            "install a newer multiraft on this node");
  EXPECT_THAT(refused_, ElementsAre(image.position().index.value()));
  EXPECT_THAT(installed_, IsEmpty());
}

TEST_F(ImageTransferTest, EmptyImageIsInstalledToo) {
  const MadeImage image(0, 0);
  LeaderHas(image);
  Offer(image);
  Run();
  ASSERT_THAT(installed_, SizeIs(1));
  ExpectOnDisk(image, 1);
}

// P40, U18: whatever the network does.
TEST_F(ImageTransferTest, LostRepeatedAndReorderedMessagesDoNoHarm) {
  const MadeImage image(100, 300);
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    fate_ = [&](ImageMessage&) {
      return Fate{.copies = static_cast<int>(random.Below(3)),
                  .late = random.OneIn(4)};
    };
    LeaderHas(image);
    installed_.clear();
    followers_[0].state = raft::ProgressState::kSnapshot;
    Offer(image);
    RunUntilInstalled();
    EXPECT_EQ(state_machine_->FullDigest(), image.digest);
    ExpectOnDisk(image, seed);
    followers_[0].state = raft::ProgressState::kReplicate;
    Run(10 * kSecond);
    EXPECT_EQ(sender_->transfers(), 0u);
  }
}

// The stream breaks five times; what is sent again is at most a twentieth.
TEST_F(ImageTransferTest, BrokenStreamGoesOnBehindTheLastRow) {
  const MadeImage image(2000, 500);
  LeaderHas(image);
  Offer(image);
  int chunks = 0;
  int cuts = 0;
  uint64_t healed_ns = 0;
  fate_ = [&](ImageMessage& message) {
    if (std::holds_alternative<ImageChunk>(message) && ++chunks % 45 == 0 &&
        cuts < 5) {
      ++cuts;
      wire_.clear();
      healed_ns = now_ns_ + 5 * kSecond;
    }
    return Fate{.copies = now_ns_ < healed_ns ? 0 : 1};
  };
  RunUntilInstalled();
  EXPECT_EQ(cuts, 5);
  uint64_t bytes = 0;
  for (const storage::ImageRow& row : image.rows()) {
    bytes += row.key.size() + row.value.size();
  }
  EXPECT_GE(sent_bytes_, bytes);
  EXPECT_LE(sent_bytes_, bytes + bytes / 20);
}

TEST_F(ImageTransferTest, RateIsKept) {
  const MadeImage image(200, 500);
  options_.image_bytes_per_second = 20 << 10;
  LeaderHas(image);
  Offer(image);
  const uint64_t start_ns = now_ns_;
  RunUntilInstalled();
  const double seconds = (now_ns_ - start_ns) / 1e9;
  const double wanted = receiver_->received_bytes() / double{20 << 10};
  EXPECT_GT(seconds, 0.9 * wanted);
  EXPECT_LT(seconds, 1.1 * wanted + 1);
}

// P40: the pin keeps what was offered.
TEST_F(ImageTransferTest, NewerCheckpointDoesNotChangeWhatIsSent) {
  const MadeImage image(200, 500, "a");
  const MadeImage newer(210, 500, "b");
  LeaderHas(image);
  Offer(image);
  for (int i = 0; i < 20; ++i) Step();
  LeaderHas(newer);
  Run();
  ASSERT_THAT(installed_, ElementsAre(image.position().index.value()));
  EXPECT_EQ(state_machine_->FullDigest(), image.digest);
}

TEST_F(ImageTransferTest, ImageReplacedBeforeItWasPinnedIsNotSent) {
  const MadeImage image(10, 10);
  const MadeImage newer(20, 10);
  LeaderHas(image);
  Offer(image);
  LeaderHas(newer);
  Run(kSecond);
  EXPECT_THAT(failed_, ElementsAre(image.position().index.value()));
  EXPECT_THAT(refused_, ElementsAre(image.position().index.value()));
  Offer(newer);
  Run(kSecond);
  EXPECT_THAT(installed_, SizeIs(1));
}

TEST_F(ImageTransferTest, OfferedAgainKeepsThePin) {
  const MadeImage image(200, 500);
  const MadeImage newer(210, 500);
  LeaderHas(image);
  Offer(image);
  for (int i = 0; i < 20; ++i) Step();
  LeaderHas(newer);
  sender_->Start({.follower = kFollower, .position = image.position()},
                 now_ns_);
  Run();
  EXPECT_THAT(installed_, SizeIs(1));
  EXPECT_THAT(failed_, IsEmpty());
}

TEST_F(ImageTransferTest, FollowerThatWasRestartedIsServedFromTheSamePin) {
  const MadeImage image(200, 500);
  options_.image_bytes_per_second = 10 << 10;
  options_.image_idle_ns = 3 * kSecond;
  LeaderHas(image);
  Offer(image);
  Run(8 * kSecond);
  NewReceiver();
  receiver_->Offer(image.offer(), Index{0});
  RunUntilInstalled();
  EXPECT_THAT(failed_, IsEmpty());
  ExpectOnDisk(image, 1);
}

TEST_F(ImageTransferTest, TransfersAreBounded) {
  const MadeImage image(10, 10);
  LeaderHas(image);
  options_.image_transfers_max = 2;
  for (uint64_t replica = 2; replica <= 4; ++replica) {
    sender_->Start(
        {.follower = ReplicaId{replica}, .position = image.position()},
        now_ns_);
  }
  EXPECT_EQ(sender_->transfers(), 2u);
  EXPECT_THAT(failed_, SizeIs(1));
  EXPECT_EQ(sender_->oldest_image(), image.position().index);
}

// U19: a pin ends without progress, not with time.
TEST_F(ImageTransferTest, PinEndsWithoutProgress) {
  const MadeImage image(200, 500);
  options_.image_bytes_per_second = 2 << 10;  // A minute.
  options_.image_idle_ns = 5 * kSecond;
  LeaderHas(image);
  Offer(image);
  Run(30 * kSecond);
  EXPECT_TRUE(receiver_->is_receiving());
  EXPECT_EQ(sender_->transfers(), 1u);
  fate_ = [](ImageMessage&) { return Fate{.copies = 0}; };
  Run(6 * kSecond);
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_FALSE(HasLeftovers());
  EXPECT_EQ(sender_->transfers(), 1u);
  Run(6 * kSecond);
  EXPECT_THAT(failed_, SizeIs(1));
  EXPECT_EQ(sender_->transfers(), 0u);
  EXPECT_FALSE(sender_->oldest_image().has_value());
}

// U18: a follower that begins again and again would keep the log for ever.
TEST_F(ImageTransferTest, ToBeginAgainForEverIsNoProgress) {
  const MadeImage image(100, 500);
  LeaderHas(image);
  Offer(image);
  Run();
  ASSERT_THAT(installed_, SizeIs(1));
  const auto ask = [&](std::optional<storage::ImageRowId> after) {
    sender_->Handle({.from = kFollower,
                     .to = kLeader,
                     .position = image.position(),
                     .after = std::move(after),
                     .bytes_max = 1},
                    now_ns_);
  };
  // The first rows are asked for by one life of the follower after the other.
  const storage::ImageRow first = image.rows().front();
  for (uint64_t ns = 0; ns < 2 * options_.image_idle_ns + 5 * kTick;
       ns += kTick) {
    ask(std::nullopt);
    ask(storage::ImageRowId{first.table, first.key});
    Run(kTick);
  }
  EXPECT_EQ(sender_->transfers(), 0u);
  EXPECT_THAT(failed_, SizeIs(1));
  EXPECT_EQ(damaged_, 0);
}

TEST_F(ImageTransferTest, TheOldestIsGivenUpFirst) {
  const MadeImage image(20, 500, "a");
  const MadeImage newer(21, 500, "b");
  LeaderHas(image);
  sender_->Start({.follower = kFollower, .position = image.position()},
                 now_ns_);
  Run();
  LeaderHas(newer);
  sender_->Start({.follower = ReplicaId{3}, .position = newer.position()},
                 now_ns_);
  Run();
  sender_->FailOldest(absl::ResourceExhaustedError("too much log"));
  EXPECT_THAT(failed_, ElementsAre(image.position().index.value()));
  EXPECT_EQ(sender_->oldest_image(), newer.position().index);
}

TEST_F(ImageTransferTest, WithTheLeadershipThePinEndsAndTheFollowerIsTold) {
  const MadeImage image(200, 500);
  LeaderHas(image);
  Offer(image);
  for (int i = 0; i < 40; ++i) Step();
  sender_->EndAll();
  Run(2 * kSecond);
  EXPECT_THAT(installed_, IsEmpty());
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_FALSE(HasLeftovers());
  EXPECT_THAT(failed_, IsEmpty());
}

TEST_F(ImageTransferTest, AnotherLeaderEndsTheTransfer) {
  const MadeImage image(200, 500);
  LeaderHas(image);
  Offer(image);
  for (int i = 0; i < 40; ++i) Step();
  leader_ = ReplicaId{3};
  receiver_->Tick(leader_);
  Run(kSecond);
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_THAT(installed_, IsEmpty());
  // And its rows are not taken for those of the next.
  EXPECT_FALSE(HasLeftovers());
}

TEST_F(ImageTransferTest, StateThatIsAsNewIsNotReplaced) {
  const MadeImage image(10, 10);
  receiver_->Offer(image.offer(), image.position().index);
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_FALSE(receiver_->is_receiving());
}

// P42, U21.
TEST_F(ImageTransferTest, SecondOfferReplacesATransferUnderWay) {
  const MadeImage image(200, 500, "a");
  const MadeImage newer(210, 500, "b");
  LeaderHas(image);
  Offer(image);
  for (int i = 0; i < 40; ++i) Step();
  LeaderHas(newer);
  Offer(newer);
  Run();
  EXPECT_THAT(refused_, ElementsAre(image.position().index.value()));
  EXPECT_THAT(installed_, ElementsAre(newer.position().index.value()));
  EXPECT_EQ(state_machine_->FullDigest(), newer.digest);
  ExpectOnDisk(newer, 1);
}

TEST_F(ImageTransferTest, OfferWhileTheFirstIsSwitchedToComesNext) {
  const MadeImage image(20, 500, "a");
  const MadeImage newer(21, 500, "b");
  LeaderHas(image);
  Offer(image);
  while (sealed_ == 0) ASSERT_TRUE(Step());
  LeaderHas(newer);
  Offer(newer);
  // Nobody can stop the first now.
  leader_ = ReplicaId{3};
  receiver_->Tick(leader_);
  leader_ = kLeader;
  Run();
  EXPECT_THAT(installed_, ElementsAre(image.position().index.value(),
                                      newer.position().index.value()));
  EXPECT_THAT(refused_, IsEmpty());
  ExpectOnDisk(newer, 2);
}

// The core counts offers by image: to refuse the first of two equal ones would
// be to refuse both.
TEST_F(ImageTransferTest, AnOfferThatIsRepeatedIsNotRefused) {
  const MadeImage image(20, 500, "a");
  const MadeImage newer(21, 500, "b");
  LeaderHas(image);
  Offer(image);
  while (sealed_ == 0) ASSERT_TRUE(Step());
  LeaderHas(newer);
  Offer(newer);
  Offer(newer);
  Run();
  EXPECT_THAT(installed_, ElementsAre(image.position().index.value(),
                                      newer.position().index.value()));
  EXPECT_THAT(refused_, IsEmpty());
}

// What the core offered ends when the core sees that it has arrived, and not
// only when the follower asks no more.
TEST_F(ImageTransferTest, WhatTheCoreOfferedIsNoReseed) {
  const MadeImage image(5, 100);
  const raft::SnapshotSend send{.follower = kFollower,
                                .position = image.position()};
  LeaderHas(image);
  const auto has_arrived = [&] {
    followers_ = {{.replica = kFollower,
                   .state = raft::ProgressState::kReplicate,
                   .match_index = image.position().index}};
    Tick();
    return sender_->transfers() == 0;
  };
  sender_->Start(send, now_ns_);
  sender_->Reseed(send, now_ns_);
  EXPECT_TRUE(has_arrived());
  EXPECT_THAT(stages_, ElementsAre(ImageSender::Stage::kStarted,
                                   ImageSender::Stage::kCompleted));
  sender_->Reseed(send, now_ns_);
  EXPECT_FALSE(has_arrived());
  sender_->Start(send, now_ns_);
  EXPECT_TRUE(has_arrived());
}

// P37: the leader notices, and the follower never gets the end.
TEST_F(ImageTransferTest, DamagedRowOfTheLeaderDoesNotSpread) {
  const MadeImage image(100, 300);
  LeaderHas(image, [](std::vector<storage::ImageRow>& rows) {
    rows[rows.size() / 2].value.back() ^= 1;
  });
  bool last = false;
  fate_ = [&](ImageMessage& message) {
    const auto* chunk = std::get_if<ImageChunk>(&message);
    last |= chunk != nullptr && chunk->last;
    return Fate{};
  };
  Offer(image);
  Run(kSecond);
  EXPECT_FALSE(last);
  EXPECT_THAT(failed_, SizeIs(1));
  EXPECT_EQ(damaged_, 1);
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_THAT(installed_, IsEmpty());
}

// P37: and if it does not, the follower does, and does not ask again at once.
TEST_F(ImageTransferTest, RowDamagedOnTheWayIsNotInstalled) {
  const MadeImage image(100, 300);
  LeaderHas(image);
  bool damaged = false;
  fate_ = [&](ImageMessage& message) {
    auto* chunk = std::get_if<ImageChunk>(&message);
    if (chunk != nullptr && chunk->rows.size() > 2 && !damaged &&
        chunk->after.has_value()) {
      damaged = true;
      chunk->rows[1].value.back() ^= 1;
    }
    return Fate{};
  };
  Offer(image);
  Run();
  EXPECT_TRUE(damaged);
  EXPECT_THAT(refused_, SizeIs(1));
  EXPECT_THAT(installed_, IsEmpty());
  EXPECT_EQ(sealed_, 0);
  EXPECT_FALSE(HasLeftovers());

  Offer(image);
  EXPECT_THAT(refused_, SizeIs(2));
  Run(2 * kSecond);
  Offer(image);
  Run();
  EXPECT_THAT(installed_, SizeIs(1));
}

// P33, P42: at each moment of an install there is the old image or the new one.
TEST_F(ImageTransferTest, CrashAnywhereLeavesOneImageWhole) {
  const MadeImage image(40, 500);
  LeaderHas(image);
  bool finished = false;
  uint64_t olds = 0;
  uint64_t news = 0;
  for (int steps = 1; !finished; ++steps) {
    SCOPED_TRACE(steps);
    Offer(image);
    for (int i = 0; i < steps; ++i) Step();
    finished = !installed_.empty();
    // Power is lost.
    if (steps % 2 == 0) store_->AppendStep();
    tasks_.clear();
    loads_.clear();
    wire_.clear();
    receiver_ = nullptr;
    store_->Abandon();
    store_ = nullptr;
    base::Random random(steps);
    disk_.Crash(random);
    store_ = std::make_unique<storage::MemoryStore>(disk_);
    ASSERT_OK_AND_ASSIGN(storage::StoredPartition stored,
                         store_->LoadPartition(kPartition));
    generation_ = stored.image.generation;
    if (generation_ == 0) {
      EXPECT_EQ(stored.image.position, raft::Position());
      ++olds;
      EXPECT_FALSE(finished);
    } else {
      ++news;
      finished = true;
      ExpectOnDisk(image, 1);
    }
    sender_->EndAll();
    NewReceiver();
  }
  EXPECT_GT(olds, 10u);
  EXPECT_EQ(news, 1u);
}

}  // namespace
}  // namespace partition
