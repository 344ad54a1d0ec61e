#include "server/recover.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "raft/raft.h"
#include "storage/log_builder.h"
#include "storage/store.h"

namespace server {
namespace {

using base::testing::StatusIs;
using testing::HasSubstr;

constexpr base::PartitionId kFirst{1};

// Node 2 of three, with partition 1 of two.
class RecoverTest : public testing::Test {
 protected:
  RecoverTest()
      : directory_(absl::StrCat(
            std::getenv("TEST_TMPDIR"), "/",
            testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~RecoverTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<storage::Store> Open() {
    auto store = storage::Store::Open({.directory = directory_,
                                       .identity = {.cluster = "m",
                                                    .node = base::NodeId(2),
                                                    .mode = "static",
                                                    .partitions = 2}});
    EXPECT_OK(store.status());
    return *std::move(store);
  }

  // Writes `entries` entries of term 3 and a vote in term 5.
  void Fill(int entries) {
    const auto store = Open();
    incarnation_ = store->identity().incarnation;
    storage::InitialCluster cluster{
        .id = "m-1", .partitions = 2, .replication = 3};
    raft::Configuration configuration;
    for (uint32_t i = 1; i <= 3; ++i) {
      const uint64_t incarnation = i == 2 ? incarnation_ : i;
      const std::string peer = absl::StrCat("n", i, ":1");
      const std::string api = absl::StrCat("n", i, ":2");
      cluster.members.push_back({.node = base::NodeId(i),
                                 .incarnation = incarnation,
                                 .peer_address = peer,
                                 .api_address = api});
      configuration.voters.push_back(raft::ReplicaId(i));
      configuration.members.push_back({.replica = raft::ReplicaId(i),
                                       .node = base::NodeId(i),
                                       .incarnation = incarnation,
                                       .peer_address = peer,
                                       .api_address = api});
    }
    ASSERT_OK(store->SetInitialCluster(cluster));
    ASSERT_OK(store->CreatePartition(kFirst, configuration));
    std::promise<absl::Status> written;
    store->Write({.partition = kFirst,
                  .hard_state = raft::HardState{.term = raft::Term(5),
                                                .voted_for = raft::ReplicaId(1),
                                                .commit_index = raft::Index(2)},
                  .entries = storage::LogBuilder(kFirst).Many(3, entries),
                  .done = [&](absl::Status status) {
                    written.set_value(std::move(status));
                  }});
    ASSERT_OK(written.get_future().get());
  }

  // Of those that Fill would have written.
  void WriteEntry(int number) {
    const auto store = Open();
    std::promise<absl::Status> written;
    store->Write({.partition = kFirst,
                  .entries = {storage::LogBuilder(kFirst).Many(
                      3, number)[static_cast<size_t>(number - 1)]},
                  .done = [&](absl::Status status) {
                    written.set_value(std::move(status));
                  }});
    ASSERT_OK(written.get_future().get());
  }

  // Of the newest write-ahead log: its last byte that is not zero.
  void FlipLastPayload() {
    std::filesystem::path newest;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_ + "/db")) {
      if (entry.path().extension() == ".log" && entry.path() > newest) {
        newest = entry.path();
      }
    }
    std::fstream file(newest, std::ios::binary | std::ios::in | std::ios::out);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const size_t last = bytes.find_last_not_of('\0');
    ASSERT_NE(last, bytes.npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(last));
    file.put(static_cast<char>(bytes[last] ^ 0x10));
  }

  absl::Status Run(bool dry_run, bool yes) {
    out_.str("");
    Options options;
    options.data_dir = directory_;
    options.dry_run = dry_run;
    options.yes = yes;
    return Recover(options, out_);
  }

  // What a partition goes on with: the core takes it.
  storage::StoredPartition Load(base::PartitionId partition) {
    const auto store = Open();
    auto stored = store->LoadPartition(partition);
    EXPECT_OK(stored.status());
    raft::Config config;
    config.partition = partition;
    config.self = stored->replica;
    if (config.self == raft::ReplicaId(0)) config.self = raft::ReplicaId(2);
    const auto core = raft::Raft::Create(
        config, {.hard_state = stored->hard_state,
                 .snapshot = stored->image.position,
                 .configuration = stored->image.configuration,
                 .entries = stored->entries,
                 .first_index = stored->first_index});
    EXPECT_OK(core.status());
    if (core.ok()) configuration_ = (*core)->configuration();
    dropped_ = store->DroppedReplica(partition);
    return *std::move(stored);
  }

  const std::string directory_;
  uint64_t incarnation_ = 0;
  std::ostringstream out_;
  raft::Configuration configuration_;
  raft::ReplicaId dropped_;
};

// The sole voter of `configuration` is `replica` on node 2.
void ExpectAlone(const raft::Configuration& configuration,
                 raft::ReplicaId replica, uint64_t incarnation) {
  EXPECT_EQ(configuration.voters, std::vector<raft::ReplicaId>{replica});
  ASSERT_EQ(configuration.members.size(), 1u);
  EXPECT_EQ(configuration.members[0], (raft::Member{.replica = replica,
                                                    .node = base::NodeId(2),
                                                    .incarnation = incarnation,
                                                    .peer_address = "n2:1",
                                                    .api_address = "n2:2"}));
}

TEST_F(RecoverTest, TheLogGoesOnWithThisNodeAlone) {
  Fill(40);
  ASSERT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  const storage::StoredPartition stored = Load(kFirst);
  // All of the log counts, and nobody of before has such a term or id.
  const raft::ReplicaId self(41);
  ASSERT_EQ(stored.entries.size(), 42u);
  EXPECT_EQ(stored.entries[40].type, raft::EntryType::kConfChange);
  EXPECT_EQ(stored.entries[41].term, raft::Term(6));
  EXPECT_EQ(stored.hard_state,
            (raft::HardState{.term = raft::Term(6),
                             .voted_for = self,
                             .commit_index = raft::Index(42)}));
  EXPECT_EQ(stored.replica, self);
  EXPECT_EQ(dropped_, raft::ReplicaId(40));
  ExpectAlone(configuration_, self, incarnation_);
  ::multiraft::disk::v1::Command command;
  ASSERT_TRUE(command.ParseFromString(std::string(stored.entries[41].bytes())));
  EXPECT_EQ(command.recover().add_index(), kRecoverIndexStep);
}

// An id is never given out twice, so a short log is filled up first.
TEST_F(RecoverTest, AShortLogGrowsAboveTheFirstIds) {
  Fill(3);
  ASSERT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  const storage::StoredPartition stored = Load(kFirst);
  EXPECT_EQ(stored.replica, raft::ReplicaId(17));
  EXPECT_EQ(stored.entries.size(), 18u);
  ExpectAlone(configuration_, stored.replica, incarnation_);
}

TEST_F(RecoverTest, WhatIsNotHereBeginsEmptyAndThatIsSaid) {
  Fill(3);
  ASSERT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  EXPECT_THAT(out_.str(), HasSubstr("LOST: all of partition 2"));
  const storage::StoredPartition stored = Load(base::PartitionId(2));
  EXPECT_EQ(stored.replica, raft::ReplicaId(17));
  ExpectAlone(configuration_, stored.replica, incarnation_);
}

TEST_F(RecoverTest, TheClusterIsAnotherOne) {
  Fill(3);
  ASSERT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  std::string first;
  {
    const auto store = Open();
    first = store->initial_cluster()->id;
    EXPECT_THAT(first, testing::StartsWith("m-1+r"));
    ASSERT_EQ(store->initial_cluster()->members.size(), 1u);
    EXPECT_EQ(store->initial_cluster()->partitions, 2u);
  }
  // Again, if it must be.
  ASSERT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  EXPECT_NE(Open()->initial_cluster()->id, first);
  EXPECT_EQ(Open()->initial_cluster()->id.size(), first.size());
}

TEST_F(RecoverTest, NothingIsDoneUntilItIsMeant) {
  Fill(3);
  ASSERT_OK(Run(/*dry_run=*/true, /*yes=*/true));
  EXPECT_THAT(out_.str(), HasSubstr("best survivor"));
  EXPECT_THAT(Run(/*dry_run=*/false, /*yes=*/false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("nothing was changed")));
  EXPECT_THAT(out_.str(), HasSubstr("up to 1 entries"));
  const storage::StoredPartition stored = Load(kFirst);
  EXPECT_EQ(stored.entries.size(), 3u);
  EXPECT_EQ(Open()->initial_cluster()->id, "m-1");
}

// A power cut tore the last batch, or a sync of it had just returned: elsewhere
// that is a reason to start empty (P31), and there is no elsewhere.
TEST_F(RecoverTest, ADoubtAboutTheLastBatchIsNoReasonToLoseTheRest) {
  Fill(3);
  const std::string mark = directory_ + "/watermark";
  std::filesystem::copy(mark, mark + ".old");
  WriteEntry(4);
  std::filesystem::rename(mark + ".old", mark);
  std::ofstream(directory_ + "/boot", std::ios::trunc) << "another boot";
  FlipLastPayload();

  const absl::Status refused = Run(/*dry_run=*/false, /*yes=*/false);
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--yes")));
  EXPECT_OK(Run(/*dry_run=*/false, /*yes=*/true));
  EXPECT_THAT(out_.str(), HasSubstr("LOST: the damaged end"));
  EXPECT_EQ(Load(kFirst).entries[2].index, raft::Index(3));
}

TEST_F(RecoverTest, AnEmptyDirectoryIsLeftAlone) {
  EXPECT_THAT(Run(/*dry_run=*/false, /*yes=*/true),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("has no data")));
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

TEST_F(RecoverTest, ANodeThatRunsIsLeftAlone) {
  Fill(3);
  const auto store = Open();
  EXPECT_THAT(Run(/*dry_run=*/false, /*yes=*/true),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is in use by process")));
}

}  // namespace
}  // namespace server
