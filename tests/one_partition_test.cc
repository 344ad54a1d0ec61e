// A partition that cannot go on is out of service by itself: the node's others
// serve, and Admin.Status says what is wrong with it.

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_builder.h"
#include "storage/records.h"
#include "storage/store.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::HasSubstr;

constexpr base::PartitionId kDamaged{2};

class OnePartitionTest : public ::testing::Test {
 protected:
  OnePartitionTest() : server_(TwoPartitions()) {
    RawSession session(server_.Connect());
    EXPECT_TRUE(session.Put(session.Create(kMapType, "map"), "key", "value"));
  }

  static server::Options TwoPartitions() {
    server::Options options = TestServer::DefaultOptions();
    options.partitions = 2;
    return options;
  }

  // Writes what `make` makes of the damaged partition, while nobody serves.
  template <class Make>
  void WriteToDisk(Make make) {
    server_.Stop();
    auto store = storage::Store::Open(
        {.directory = server_.options().data_dir,
         .identity = {.cluster = server_.options().cluster_name,
                      .node = server_.options().node,
                      .mode = "single",
                      .partitions = 2},
         .on_fatal = [](absl::Status) {}});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    auto stored = (*store)->LoadPartition(kDamaged);
    ASSERT_TRUE(stored.ok()) << stored.status().ToString();
    storage::LogWrite write = make(*stored);
    write.partition = kDamaged;
    std::promise<absl::Status> written;
    write.done = [&](absl::Status status) { written.set_value(status); };
    (*store)->Write(std::move(write));
    EXPECT_TRUE(written.get_future().get().ok());
  }

  // Partition 1 has what it had and takes more; 2 says `problem`.
  void ExpectOnlyTheOtherServes(const std::string& problem) {
    RawSession session(server_.Connect());
    const uint64_t map = session.Create(kMapType, "map");
    EXPECT_EQ(session.Get(map, "key"), "value");
    EXPECT_TRUE(session.Put(map, "more", "value"));

    v1::OpenSessionRequest open;
    open.mutable_headers()->set_partition_id(kDamaged.value());
    open.mutable_input()->mutable_timeout()->set_seconds(60);
    v1::OpenSessionResponse response;
    Call call;
    const grpc::Status refused =
        session.partitions().OpenSession(&call, open, &response);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(refused.error_message(), HasSubstr("out of service"));
    EXPECT_EQ(call.Trailer("multiraft-outcome"), "not-proposed");

    EXPECT_TRUE(server_.Status(0).healthy());
    EXPECT_FALSE(server_.Status(1).healthy());
    EXPECT_EQ(server_.Status(1).partition_id(), kDamaged.value());
    EXPECT_THAT(server_.Status(1).problem(), HasSubstr(problem));
  }

  TestServer server_;
};

TEST_F(OnePartitionTest, AnEntryItDoesNotKnowStopsItAlone) {
  WriteToDisk([](const storage::StoredPartition& stored) {
    const raft::Position last = stored.entries.empty()
                                    ? stored.image.position
                                    : raft::PositionOf(stored.entries.back());
    storage::LogWrite write;
    write.entries.push_back(storage::LogBuilder(kDamaged, last)
                                .Next(last.term.value(), "\xff of the future"));
    return write;
  });
  server_.Start();
  ExpectOnlyTheOtherServes("cannot apply entry");
}

TEST_F(OnePartitionTest, AnImageItDoesNotKnowStopsItAlone) {
  WriteToDisk([](const storage::StoredPartition& stored) {
    storage::LogWrite write;
    write.image = stored.image;
    write.image->machine_version = 99;
    return write;
  });
  server_.Start();
  ExpectOnlyTheOtherServes("machine version 99");
}

}  // namespace
}  // namespace tests
