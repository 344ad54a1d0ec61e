// P54: what takes one partition long does not hold up the others of its line,
// nor the node's timer.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/host.h"
#include "partition/manual_executors.h"
#include "session/testing/box.h"
#include "storage/log_builder.h"
#include "storage/memory_store.h"

namespace partition {
namespace {

class StallTest : public ::testing::Test {
 protected:
  static constexpr int kPartitions = 20;
  static constexpr int kEntries = 3000;

  // A node whose partitions have this much to replay.
  StallTest() {
    storage::MemoryStore store(disk_);
    multiraft::disk::v1::Command tick;
    tick.mutable_tick();
    for (uint32_t id = 1; id <= kPartitions; ++id) {
      const base::PartitionId partition{id};
      CHECK(store.CreatePartition(partition, storage::OneVoter()).ok());
      storage::LogBuilder log(partition);
      storage::LogWrite write;
      write.partition = partition;
      write.hard_state = raft::HardState{.term = raft::Term{1}};
      for (int i = 0; i < kEntries; ++i) {
        write.entries.push_back(log.Next(1, tick.SerializeAsString()));
      }
      store.Write(std::move(write));
    }
    while (store.has_pending_writes()) store.SyncStep();
  }

  void Start() {
    store_ = std::make_unique<storage::MemoryStore>(disk_);
    Options options;
    options.node = base::NodeId{1};
    auto host = Host::Open(options,
                           {.clock = clock_,
                            .executors = {&line_},
                            .timer = timer_,
                            .store = *store_,
                            .transport = transport_,
                            .registry = session::testing::BoxRegistry()},
                           1, [](absl::Status status) { FAIL() << status; });
    CHECK(host.ok()) << host.status();
    host_ = *std::move(host);
    host_->Start();
  }

  // A tick and all that it leads to at once. Returns how many entries were
  // applied.
  uint64_t Round() {
    timer_.Fire();
    line_.Round();
    while (store_->has_pending_writes()) store_->SyncStep();
    uint64_t applied = 0;
    for (auto& partition : host_->All()) {
      partition->GetStatus([&applied](PartitionStatus status) {
        applied += status.applied_index.value();
      });
    }
    line_.Round();
    return applied - std::exchange(applied_, applied);
  }

  Options options_;
  PassingClock clock_;
  storage::MemoryDisk disk_;
  NoTransport transport_;
  ManualLine line_;
  ManualTimer timer_;
  std::unique_ptr<storage::MemoryStore> store_;
  std::unique_ptr<Host> host_;
  uint64_t applied_ = 0;
};

TEST_F(StallTest, ManyReplaysAreOnePieceARound) {
  Start();
  // Each round has two pieces: one beside the tick, one beside the question.
  const uint64_t bound = 2 * 2 * options_.turn_entries_max;
  for (int round = 0; round < 1000 && applied_ < kPartitions * kEntries;
       ++round) {
    EXPECT_LE(Round(), bound);
  }
  EXPECT_GE(applied_, uint64_t{kPartitions * kEntries});
}

}  // namespace
}  // namespace partition
