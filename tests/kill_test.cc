// A server that is killed with SIGKILL at random moments, under a load of
// counters and maps whose clients send again by sequence number: what was
// acknowledged is there exactly once.
//
//   --rounds=200  how often it is killed

#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "base/mutex.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

ABSL_FLAG(int, rounds, 10, "How often the server is killed.");
ABSL_FLAG(uint64_t, seed, 1, "Of the moments at which it is killed.");

namespace tests {
namespace {

constexpr int kClients = 4;
constexpr char kCounterName[] = "shared";

// Where the server is now; clients that lost it wait for the next.
class Address {
 public:
  void Set(std::shared_ptr<grpc::Channel> channel) {
    base::MutexLock lock(mu_);
    channel_ = std::move(channel);
    ++generation_;
    changed_.SignalAll();
  }
  // A channel newer than `generation`, which is updated; null at the end.
  std::shared_ptr<grpc::Channel> After(int& generation) {
    base::MutexLock lock(mu_);
    while (generation_ <= generation && !ended_) changed_.Wait(mu_);
    generation = generation_;
    return ended_ ? nullptr : channel_;
  }
  void End() {
    base::MutexLock lock(mu_);
    ended_ = true;
    changed_.SignalAll();
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
  int generation_ ABSL_GUARDED_BY(mu_) = 0;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

// One client: it increments the shared counter and puts keys of its own, one
// command at a time, and sends each until it is acknowledged.
class Client {
 public:
  Client(int id, Address& address) : id_(id), address_(address) {}

  void Run(const std::atomic<bool>& stop) {
    std::shared_ptr<grpc::Channel> channel = address_.After(generation_);
    session_ = std::make_unique<RawSession>(channel);
    counter_ = session_->Create(kCounterType, kCounterName);
    map_ = session_->Create(kMapType, "map");
    own_ = session_->Create(kCounterType, "own-" + std::to_string(id_));
    while (!stop.load()) {
      if (!Increment(counter_) || !Increment(own_) || !Put()) return;
      ++acknowledged;
      // As a driver: says now and then what it waits for, and that is nothing.
      if (acknowledged % 16 == 0) session_->KeepAlive();
    }
  }

  // Judges the final state over a session of its own.
  void Check(RawSession& judge) {
    const uint64_t own =
        judge.Create(kCounterType, "own-" + std::to_string(id_));
    const int64_t value = judge.Read(own);
    EXPECT_GE(value, static_cast<int64_t>(own_acknowledged));
    EXPECT_LE(value, static_cast<int64_t>(own_acknowledged) + in_doubt_own);
    const uint64_t map = judge.Create(kMapType, "map");
    for (const auto& [key, text] : puts_) {
      EXPECT_EQ(judge.Get(map, key), text) << key;
    }
  }

  uint64_t acknowledged = 0;
  uint64_t shared_acknowledged = 0;
  uint64_t own_acknowledged = 0;
  int in_doubt_own = 0;
  int in_doubt_shared = 0;
  uint64_t resent = 0;

 private:
  // Sends the same request until it is answered; false at the end, when the
  // last one may or may not have been applied.
  template <class Stub, class Request, class Response>
  bool Send(Stub& (RawSession::*stub)(),
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                         Response*),
            const Request& request, Response& response) {
    while (true) {
      Call call;
      const grpc::Status status =
          (((*session_).*stub)().*method)(&call, request, &response);
      if (status.ok()) {
        EXPECT_TRUE(response.has_output())
            << response.headers().operation().message();
        return true;
      }
      // Anything else would be a lost session or a lost record.
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE)
          << status.error_message();
      if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return false;
      std::shared_ptr<grpc::Channel> channel = address_.After(generation_);
      if (channel == nullptr) return false;
      session_ = std::make_unique<RawSession>(*session_, std::move(channel));
      ++resent;
    }
  }

  bool Increment(uint64_t primitive) {
    counter::IncrementRequest request;
    *request.mutable_headers() = session_->CommandHeaders(primitive);
    request.mutable_input()->set_delta(1);
    counter::IncrementResponse response;
    const bool own = primitive == own_;
    if (!Send(&RawSession::counters, &counter::Counter::Stub::Increment,
              request, response)) {
      (own ? in_doubt_own : in_doubt_shared) = 1;
      return false;
    }
    ++(own ? own_acknowledged : shared_acknowledged);
    // Nobody else adds to it: a lost or doubled one shows at once.
    if (own) {
      EXPECT_EQ(response.output().value(),
                static_cast<int64_t>(own_acknowledged));
    }
    return true;
  }

  bool Put() {
    const std::string key =
        std::to_string(id_) + "/" + std::to_string(acknowledged % 50);
    const std::string text = std::to_string(acknowledged);
    map::PutRequest request;
    *request.mutable_headers() = session_->CommandHeaders(map_);
    request.mutable_input()->set_key(key);
    request.mutable_input()->set_value(text);
    map::PutResponse response;
    if (!Send(&RawSession::maps, &map::Map::Stub::Put, request, response)) {
      puts_.erase(key);  // Either value may be there.
      return false;
    }
    puts_[key] = text;
    return true;
  }

  const int id_;
  Address& address_;
  int generation_ = 0;
  std::unique_ptr<RawSession> session_;
  uint64_t counter_ = 0;
  uint64_t own_ = 0;
  uint64_t map_ = 0;
  std::map<std::string, std::string> puts_;  // Acknowledged.
};

TEST(KillTest, AcknowledgedOperationsAreThereExactlyOnce) {
  TempDir directory;
  const std::string data = directory.path() + "/data";
  base::Random random(absl::GetFlag(FLAGS_seed));
  // Small checkpoints, so that kills meet them too.
  const std::vector<std::string> arguments = {"--checkpoint_log_bytes=256KiB",
                                              "--checkpoint_interval=200ms",
                                              "--log_keep_bytes=64KiB"};

  Address address;
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(i, address));
  }

  auto server = std::make_unique<ServerProcess>(data, arguments);
  ASSERT_NE(server->address(), "") << server->errors();
  address.Set(server->Connect());
  for (auto& client : clients) {
    threads.emplace_back([&client, &stop] { client->Run(stop); });
  }
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    // The load is what is timed here: a random moment of it.
    std::this_thread::sleep_for(
        std::chrono::milliseconds(random.Between(20, 250)));
    server->End(SIGKILL);
    server = std::make_unique<ServerProcess>(data, arguments);
    ASSERT_NE(server->address(), "")
        << "round " << round << ": " << server->errors();
    address.Set(server->Connect());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  address.End();

  RawSession judge(server->Connect());
  uint64_t shared = 0;
  int in_doubt = 0;
  uint64_t resent = 0;
  for (auto& client : clients) {
    client->Check(judge);
    shared += client->shared_acknowledged;
    in_doubt += client->in_doubt_shared;
    resent += client->resent;
    EXPECT_GT(client->acknowledged, 0u);
  }
  const int64_t value = judge.Read(judge.Create(kCounterType, kCounterName));
  EXPECT_EQ(in_doubt, 0);
  EXPECT_EQ(value, static_cast<int64_t>(shared));
  RecordProperty("acknowledged", static_cast<int>(shared));
  RecordProperty("resent", static_cast<int>(resent));
  std::cout << shared << " shared increments acknowledged, " << resent
            << " commands sent again" << std::endl;
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  absl::ParseCommandLine(argc, argv);
  return RUN_ALL_TESTS();
}
