// client::Client on three nodes, as real processes that are killed: it was told
// of one of them only.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/chaos/cluster.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using client::Client;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kPartitions = 3;
constexpr base::Patience kPatience{.timeout_ns = 60'000'000'000};

class ClientClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 3; ++i) {
      std::filesystem::create_directory(
          absl::StrCat(directory_.path(), "/", i));
    }
    cluster_ = std::make_unique<Cluster>(ClusterOptions{
        .nodes = 3, .partitions = kPartitions, .directory = directory_.path()});
    ASSERT_TRUE(cluster_->Start());
    auto client = Client::Connect(
        {cluster_->addresses()[0]},
        {.call_timeout = absl::Seconds(60),
         .on_session_lost = [this](uint32_t, const absl::Status&) {
           ++lost_;
         }});
    ASSERT_OK(client);
    client_ = *std::move(client);
  }

  // A key of each partition, by partition.
  std::map<uint32_t, std::string> KeyOfEach() const {
    std::map<uint32_t, std::string> keys;
    for (int i = 0; keys.size() < kPartitions; ++i) {
      const std::string key = absl::StrCat("key-", i);
      keys.emplace(client_->PartitionOf(key), key);
    }
    return keys;
  }

  // The node that leads a partition, when one does; 0: nobody did.
  int AwaitLeaderOf(uint32_t partition) const {
    int node = 0;
    base::WaitUntil(
        [&] {
          const std::string address = client_->LeaderOf(partition);
          for (int i = 1; i <= 3; ++i) {
            const bool leads =
                cluster_->is_up(i) &&
                cluster_->addresses()[static_cast<size_t>(i) - 1] == address;
            if (leads) node = i;
          }
          return node != 0;
        },
        kPatience);
    return node;
  }

  TempDir directory_;
  std::unique_ptr<Cluster> cluster_;
  std::atomic<int> lost_{0};
  std::unique_ptr<Client> client_;
};

// Writes 1, 2, 3 ... to a key and counts along, until told to stop.
class Writer {
 public:
  Writer(Client& client, std::string key)
      : key_(std::move(key)), thread_([this, &client] { Write(client); }) {}
  ~Writer() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  const std::string& key() const { return key_; }
  int64_t written() const { return written_; }
  // Set when it has stopped.
  const absl::Status& failure() const { return failure_; }

 private:
  void Write(Client& client) {
    auto map = client::Map::Open(client, "users");
    auto counter = client::Counter::Open(client, key_);
    if (!map.ok() || !counter.ok()) {
      failure_ = map.ok() ? counter.status() : map.status();
      return;
    }
    while (!stop_) {
      const int64_t next = written_ + 1;
      failure_ = map->Put(key_, absl::StrCat(next)).status();
      if (!failure_.ok()) return;
      const absl::StatusOr<int64_t> count = counter->Increment(1);
      failure_ = count.status();
      if (failure_.ok() && *count != next) {
        failure_ = absl::InternalError(
            absl::StrCat("counted ", *count, " after ", next, " increments"));
      }
      if (!failure_.ok()) return;
      written_ = next;
    }
  }

  const std::string key_;  // Constant after construction.
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> written_{0};
  absl::Status failure_;
  std::thread thread_;  // Last: it uses the others.
};

// Reads the map's events: those of each key must be its numbers in order.
class Reader {
 public:
  explicit Reader(client::Map& map)
      : events_(map.Events("")), thread_([this] { Read(); }) {}
  ~Reader() { Stop(); }

  void Stop() {
    events_->Cancel();
    if (thread_.joinable()) thread_.join();
  }
  int64_t seen(const std::string& key) {
    base::MutexLock lock(mu_);
    return seen_[key];
  }
  std::vector<std::string> faults() {
    base::MutexLock lock(mu_);
    return faults_;
  }

 private:
  void Read() {
    while (true) {
      auto event = events_->Next();
      base::MutexLock lock(mu_);
      if (!event.ok()) {
        if (!absl::IsCancelled(event.status())) {
          faults_.push_back(event.status().ToString());
        }
        return;
      }
      int64_t& last = seen_[(*event)->key];
      int64_t now = 0;
      // Whoever wrote before the stream began was not to be seen.
      if (!absl::SimpleAtoi((*event)->value.value, &now) ||
          (last != 0 && now != last + 1)) {
        faults_.push_back(absl::StrCat((*event)->key, ": ",
                                       (*event)->value.value, " after ", last));
      }
      last = now;
    }
  }

  base::Mutex mu_;
  std::map<std::string, int64_t> seen_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> faults_ ABSL_GUARDED_BY(mu_);
  const std::unique_ptr<client::Stream<client::MapEvent>> events_;
  std::thread thread_;
};

TEST_F(ClientClusterTest, GoesOnWhenTheNodeItSpeaksToAndEachLeaderIsKilled) {
  ASSERT_OK_AND_ASSIGN(auto map, client::Map::Open(*client_, "users"));
  Reader reader(map);
  std::vector<std::unique_ptr<Writer>> writers;
  for (const auto& [partition, key] : KeyOfEach()) {
    writers.push_back(std::make_unique<Writer>(*client_, key));
  }
  // Everyone has written, and been read, some more times.
  const auto expect_progress = [&] {
    for (const auto& writer : writers) {
      const int64_t goal = writer->written() + 5;
      EXPECT_TRUE(base::WaitUntil(
          [&] {
            return writer->written() >= goal &&
                   reader.seen(writer->key()) >= goal;
          },
          kPatience))
          << writer->key() << " at " << writer->written() << ", read "
          << reader.seen(writer->key());
    }
  };
  expect_progress();

  // The only one that the client was told of.
  cluster_->Kill(1);
  expect_progress();
  ASSERT_TRUE(cluster_->Restart(1)) << cluster_->errors(1);
  for (const uint32_t partition : client_->partitions()) {
    const int leader = AwaitLeaderOf(partition);
    ASSERT_NE(leader, 0);
    cluster_->Kill(leader);
    expect_progress();
    ASSERT_TRUE(cluster_->Restart(leader)) << cluster_->errors(leader);
  }

  for (const auto& writer : writers) {
    writer->Stop();
    EXPECT_OK(writer->failure());
    EXPECT_TRUE(base::WaitUntil(
        [&] { return reader.seen(writer->key()) == writer->written(); },
        kPatience));
  }
  reader.Stop();
  EXPECT_THAT(reader.faults(), IsEmpty());
  EXPECT_EQ(lost_, 0);
}

TEST_F(ClientClusterTest, SpreadsKeysAsTheDriversDo) {
  ASSERT_OK_AND_ASSIGN(auto map, client::Map::Open(*client_, "m"));
  ASSERT_OK_AND_ASSIGN(auto counter, client::Counter::Open(*client_, "visits"));
  ASSERT_OK_AND_ASSIGN(auto set, client::Set::Open(*client_, "s"));
  ASSERT_OK_AND_ASSIGN(auto multi, client::MultiMap::Open(*client_, "mm"));
  EXPECT_OK(counter.Set(7));
  std::vector<std::string> keys;
  for (int i = 10; i < 30; ++i) {
    keys.push_back(absl::StrCat("k", i));
    ASSERT_OK(map.Put(keys.back(), absl::StrCat(i)));
    ASSERT_OK(set.Add(keys.back()));
    ASSERT_OK(multi.PutEntries({{keys.back(), {"a"}}, {"x", {keys.back()}}}));
  }
  // In each partition, by hand, are those that hash to it.
  size_t found = 0;
  for (const uint32_t partition : client_->partitions()) {
    ASSERT_OK_AND_ASSIGN(const auto session, client_->SessionIn(partition));
    ASSERT_OK_AND_ASSIGN(auto part, client::Map::Open(*session, "m"));
    ASSERT_OK_AND_ASSIGN(const auto entries, part.List());
    for (const auto& entry : entries) {
      EXPECT_EQ(client_->PartitionOf(entry.key), partition);
    }
    found += entries.size();
    ASSERT_OK_AND_ASSIGN(auto here, client::Counter::Open(*session, "visits"));
    EXPECT_EQ(*here.Get(), client_->PartitionOf("visits") == partition ? 7 : 0);
  }
  EXPECT_EQ(found, keys.size());
  EXPECT_THAT(client_->SessionIn(9), StatusIs(absl::StatusCode::kNotFound));

  // As a whole it is one map, in order.
  EXPECT_EQ(*map.Size(), keys.size());
  ASSERT_OK_AND_ASSIGN(const auto all, map.List());
  ASSERT_EQ(all.size(), keys.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].key, keys[i]);
  EXPECT_EQ(*set.List(), keys);
  EXPECT_EQ(*multi.Size(), keys.size() + 1);
  EXPECT_EQ(*multi.Get("x"), keys);
  ASSERT_OK(map.Clear());
  EXPECT_EQ(*map.Size(), 0u);
}

TEST_F(ClientClusterTest, LocksAndTransactionsSayWhereTheyReach) {
  ASSERT_OK_AND_ASSIGN(auto map, client::Map::Open(*client_, "m"));
  std::vector<std::string> keys;
  for (const auto& [partition, key] : KeyOfEach()) keys.push_back(key);
  ASSERT_OK(map.LockKeys(keys, {}));
  EXPECT_THAT(map.LockKeys({keys[1]}, {.limit = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK(map.UnlockKeys({keys[1]}));
  ASSERT_OK(map.UnlockKeys({})) << "though in one partition nothing is";
  // What it got before it was refused it gives back.
  ASSERT_OK_AND_ASSIGN(auto other,
                       Client::Connect({cluster_->addresses()[1]}, {}));
  ASSERT_OK_AND_ASSIGN(auto theirs, client::Map::Open(*other, "m"));
  ASSERT_OK(theirs.LockKeys({keys[2]}, {}));
  EXPECT_THAT(map.LockKeys(keys, {.limit = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK(
      theirs.LockKeys({keys[0], keys[1]}, {.limit = absl::ZeroDuration()}));
  ASSERT_OK(theirs.UnlockKeys(keys));

  using client::MapChange;
  EXPECT_THAT(map.Apply({MapChange::Put(keys[0], "1", {}),
                         MapChange::Put(keys[1], "1", {})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const uint64_t first,
                       map.Prepare({MapChange::Put(keys[0], "1", {})}));
  ASSERT_OK_AND_ASSIGN(const uint64_t second,
                       map.Prepare({MapChange::Put(keys[1], "1", {})}));
  EXPECT_NE(first, second);
  EXPECT_OK(map.Commit(second));
  EXPECT_OK(map.Abort(first));
  EXPECT_EQ(*map.Size(), 1u);
}

TEST_F(ClientClusterTest, ALockGuardAndALeadAreOfTheSessionThatGotThem) {
  ASSERT_OK_AND_ASSIGN(auto other,
                       Client::Connect({cluster_->addresses()[2]}, {}));
  ASSERT_OK_AND_ASSIGN(auto lock, client::Lock::Open(*client_, "p"));
  ASSERT_OK_AND_ASSIGN(auto theirs, client::Lock::Open(*other, "p"));
  ASSERT_OK_AND_ASSIGN(auto held, lock.Acquire({}));
  EXPECT_THAT(theirs.Acquire({.limit = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_OK(held.Check());
  ASSERT_OK_AND_ASSIGN(auto election, client::Election::Open(*client_, "e"));
  ASSERT_OK_AND_ASSIGN(auto lead, election.Lead("one", {}));
  const auto watch = election.Watch();
  ASSERT_OK_AND_ASSIGN(const auto term, watch->Next());
  EXPECT_EQ(term->leader, "one");
  // The client's end is the end of what it holds.
  ASSERT_OK(client_->Close());
  ASSERT_OK_AND_ASSIGN(auto next, theirs.Acquire({}));
  EXPECT_GT(next.fencing_token(), held.fencing_token());
  EXPECT_FALSE(held.Check().ok());
  EXPECT_FALSE(lead.Check().ok());
  EXPECT_FALSE(watch->Next().ok());
}

}  // namespace
}  // namespace tests
