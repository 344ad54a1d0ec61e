// A leader that can propose nothing for a moment: requests are refused, streams
// wait (semantics 8.4).

#include <cstdint>
#include <memory>
#include <optional>
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

namespace disk = multiraft::disk::v1;
using base::testing::StatusIs;

constexpr base::PartitionId kOne{1};

class Ended : public StreamSink {
 public:
  void Write(session::CommandOutput) override {}
  void End(Refusal refusal) override { status = std::move(refusal.status); }
  std::optional<absl::Status> status;
};

// One voter whose log takes one command until that is durable.
class FullLogTest : public ::testing::Test {
 protected:
  FullLogTest() {
    CHECK(store_.CreatePartition(kOne, storage::OneVoter()).ok());
    Options options;
    options.node = base::NodeId{1};
    options.raft.uncommitted_bytes_max = 1;
    auto host = Host::Open(options,
                           {.clock = clock_,
                            .executors = {&line_},
                            .timer = timer_,
                            .store = store_,
                            .transport = transport_,
                            .registry = session::testing::BoxRegistry()},
                           1, [](absl::Status status) { FAIL() << status; });
    CHECK(host.ok()) << host.status();
    host_ = *std::move(host);
    host_->Start();
    while (!line_.idle() || store_.has_pending_writes()) {
      line_.Round();
      if (store_.has_pending_writes()) store_.SyncStep();
    }
    CHECK(host_->Find(kOne)->serving());
  }

  // Sends a command that opens a session, and runs what it leads to but the
  // disk. Its status, once it has one.
  std::shared_ptr<std::optional<absl::Status>> Propose() {
    disk::Command command;
    command.mutable_open_session()->set_timeout_ns(1'000'000'000);
    auto status = std::make_shared<std::optional<absl::Status>>();
    host_->Find(kOne)->Propose(
        {.kind = CommandRequest::Kind::kOpenSession,
         .bytes = command.SerializeAsString()},
        Completion<session::Applied>([status](Reply<session::Applied> reply) {
          *status = reply.refusal.status;
        }));
    line_.Round();
    return status;
  }
  std::shared_ptr<Ended> OpenStream() {
    // Which command does not matter here.
    disk::Command command;
    command.mutable_open_session()->set_timeout_ns(1'000'000'000);
    auto sink = std::make_shared<Ended>();
    host_->Find(kOne)->OpenStream({.kind = CommandRequest::Kind::kStream,
                                   .bytes = command.SerializeAsString()},
                                  sink);
    line_.Round();
    return sink;
  }
  void Sync() {
    while (store_.has_pending_writes()) store_.SyncStep();
    line_.Round();
  }
  void Tick() {
    timer_.Fire();
    line_.Round();
  }

  PassingClock clock_;
  storage::MemoryDisk disk_;
  storage::MemoryStore store_{disk_};
  NoTransport transport_;
  ManualLine line_;
  ManualTimer timer_;
  std::unique_ptr<Host> host_;
};

TEST_F(FullLogTest, ARequestIsRefusedAndAStreamWaits) {
  const auto first = Propose();
  const auto second = Propose();
  ASSERT_TRUE(second->has_value());
  EXPECT_THAT(**second, StatusIs(absl::StatusCode::kUnavailable));
  const auto stream = OpenStream();
  Tick();  // It is tried again, and still whole.
  EXPECT_FALSE(first->has_value());
  EXPECT_FALSE(stream->status.has_value());

  Sync();
  EXPECT_TRUE(first->has_value());
  Tick();
  Sync();
  // It was proposed and applied.
  ASSERT_TRUE(stream->status.has_value());
  EXPECT_OK(*stream->status);
}

}  // namespace
}  // namespace partition
