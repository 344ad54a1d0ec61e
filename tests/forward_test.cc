// Three nodes in one process: any of them takes any request.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "atomix/protocols/rsm/counter/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/map/v1/service.grpc.pb.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/wait_until.h"
#include "grpcpp/create_channel.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/raw_session.h"
#include "tests/rsm_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

constexpr size_t kNodes = 3;
constexpr int64_t kPatienceNs = 30'000'000'000;

using base::WaitUntil;

// A cluster names its addresses before they are listened on: ports that were
// free a moment ago.
std::vector<std::string> FreeAddresses(size_t count) {
  std::vector<std::string> addresses;
  std::vector<int> sockets;
  for (size_t i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    CHECK_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    CHECK_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    addresses.push_back(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
    sockets.push_back(fd);
  }
  for (const int fd : sockets) close(fd);
  return addresses;
}

class Cluster {
 public:
  Cluster(uint32_t partitions, uint32_t replication) {
    const std::vector<std::string> addresses = FreeAddresses(2 * kNodes);
    server::Options options = TestServer::DefaultOptions();
    for (uint32_t i = 0; i < kNodes; ++i) {
      options.cluster.push_back({.node = base::NodeId{i + 1},
                                 .peer_address = addresses[2 * i],
                                 .api_address = addresses[2 * i + 1]});
    }
    options.partitions = partitions;
    options.replication = replication;
    options.partition.raft.tick_ns = 50'000'000;
    servers_.resize(kNodes);
    std::vector<std::thread> starts;
    for (size_t i = 0; i < kNodes; ++i) {
      options.node = options.cluster[i].node;
      options.peer_listen = options.cluster[i].peer_address;
      options.listen = options.cluster[i].api_address;
      options.data_dir = absl::StrCat(directory_.path(), "/", i);
      options_.push_back(options);
      // Each waits for the others.
      starts.emplace_back([this, i, options] {
        auto server = server::Server::Start(
            options, [](absl::Status status) { LOG(FATAL) << status; });
        CHECK(server.ok()) << server.status();
        servers_[i] = *std::move(server);
      });
    }
    for (std::thread& start : starts) start.join();
    for (const auto& server : servers_) {
      CHECK(server->WaitUntilServing(kPatienceNs));
    }
  }

  std::shared_ptr<grpc::Channel> Connect(size_t node) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        options_[node].listen, grpc::InsecureChannelCredentials(), arguments);
  }

  // Waits until the node can open a session, wherever partition 1 is led.
  std::unique_ptr<RawSession> OpenSession(size_t node) const {
    const auto channel = Connect(node);
    const auto stub = v1::Partition::NewStub(channel);
    v1::OpenSessionRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->mutable_timeout()->set_seconds(60);
    CHECK(WaitUntil([&] {
      Call call;
      v1::OpenSessionResponse response;
      const grpc::Status status = stub->OpenSession(&call, request, &response);
      if (!status.ok()) LOG(INFO) << "not yet: " << status.error_message();
      return status.ok();
    }));
    return std::make_unique<RawSession>(channel);
  }

  // The node that leads partition 1.
  size_t Leader() const {
    for (size_t i = 0; i < kNodes; ++i) {
      if (servers_[i] == nullptr) continue;
      const auto stub = ::multiraft::admin::v1::Admin::NewStub(Connect(i));
      Call call;
      ::multiraft::admin::v1::StatusResponse response;
      if (!stub->Status(&call, {}, &response).ok()) continue;
      for (const auto& partition : response.partitions()) {
        if (partition.partition_id() == 1 &&
            partition.role() == ::multiraft::admin::v1::ROLE_LEADER) {
          return i;
        }
      }
    }
    return kNodes;
  }

  void Stop(size_t node) { servers_[node] = nullptr; }

 private:
  TempDir directory_;
  std::vector<server::Options> options_;
  std::vector<std::unique_ptr<server::Server>> servers_;
};

// Puts keys "1", "2" ... until it is destroyed; one that fails is not repeated.
class Writer {
 public:
  Writer(RawSession& session, uint64_t map)
      : thread_([this, &session, map] {
          base::MutexLock lock(mu_);
          for (int key = 1; !stop_; ++key) {
            mu_.Unlock();
            const bool ok = session.Put(map, absl::StrCat(key), "x");
            mu_.Lock();
            if (ok) done_.push_back(key);
            wake_.WaitFor(mu_, 5'000'000);
          }
        }) {}
  ~Writer() {
    {
      base::MutexLock lock(mu_);
      stop_ = true;
      wake_.SignalAll();
    }
    thread_.join();
  }

  // Acknowledged.
  std::vector<int> done() const {
    base::MutexLock lock(mu_);
    return done_;
  }

 private:
  mutable base::Mutex mu_;
  base::CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<int> done_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // Uses all of the above.
};

// By the second generation of the API. -1: it failed.
int64_t Increment(RsmSession& session, uint64_t counter, int64_t delta) {
  rsm::counter::v1::IncrementRequest request;
  *request.mutable_headers() = session.ProposalHeaders(counter);
  request.mutable_input()->set_delta(delta);
  rsm::counter::v1::IncrementResponse response;
  Call call;
  const bool ok = session.Stub<rsm::counter::v1::Counter>()
                      ->Increment(&call, request, &response)
                      .ok();
  return ok && response.has_output() ? response.output().value() : -1;
}

void ExpectEveryNodeTakesRequests(const Cluster& cluster) {
  int64_t expected = 0;
  for (size_t node = 0; node < kNodes; ++node) {
    SCOPED_TRACE(node);
    const auto session = cluster.OpenSession(node);
    const uint64_t visits = session->Create(kCounterType, "visits");
    ASSERT_NE(visits, 0u);
    EXPECT_EQ(session->Increment(visits, 5), expected += 5);
    EXPECT_EQ(session->Read(visits), expected);
    RsmSession second(*session, cluster.Connect(node));
    EXPECT_EQ(second.Create("Counter", "visits"), visits);
    EXPECT_EQ(Increment(second, visits, 2), expected += 2);
    EXPECT_TRUE(session->KeepAlive().ok());
    EXPECT_TRUE(session->Close().ok());
  }
}

TEST(ForwardTest, AnyNodeTakesAnyRequest) {
  ExpectEveryNodeTakesRequests(Cluster(/*partitions=*/1, /*replication=*/3));
}

TEST(ForwardTest, ANodeWithoutThePartitionPassesRequestsOn) {
  ExpectEveryNodeTakesRequests(Cluster(/*partitions=*/3, /*replication=*/1));
}

// A stream of events of a map goes on when its leader stops, without gap or
// duplicate. Returns how many events of no kind there were.
template <class Service, class Request, class Response>
int ExpectAStreamGoesOn() {
  Cluster cluster(/*partitions=*/1, /*replication=*/3);
  size_t leader = kNodes;
  CHECK(WaitUntil([&] { return (leader = cluster.Leader()) < kNodes; }));
  const size_t other = (leader + 1) % kNodes;
  const auto session = cluster.OpenSession(other);
  const uint64_t users = session->Create(kMapType, "users");
  CHECK_NE(users, 0u);

  // The generations differ in their names, not in their bytes.
  map::EventsRequest first;
  *first.mutable_headers() = session->CommandHeaders(users);
  first.mutable_input();
  Request request;
  CHECK(request.ParseFromString(first.SerializeAsString()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  const auto stub = Service::NewStub(cluster.Connect(other));
  const auto events = stub->Events(&context, request);
  Writer writer(*session, users);

  // Events from then on, in order and each once, across the leader's end.
  uint64_t last_output = 0;
  int greetings = 0;
  std::set<int> seen;
  const auto read_until = [&](const std::function<bool()>& done) {
    while (!done()) {
      Response response;
      if (!events->Read(&response)) {
        ADD_FAILURE() << "the end: " << events->Finish().error_message();
        return false;
      }
      EXPECT_EQ(response.headers().output_sequence_num(), last_output + 1);
      last_output = response.headers().output_sequence_num();
      if (response.output().event().key().empty()) ++greetings;
      int key = 0;
      if (absl::SimpleAtoi(response.output().event().key(), &key)) {
        EXPECT_TRUE(seen.insert(key).second) << key;
      }
    }
    return true;
  };
  EXPECT_TRUE(read_until([&] { return seen.size() >= 5; }));
  cluster.Stop(leader);
  const size_t then = writer.done().size();
  EXPECT_TRUE(read_until([&] {
    const std::vector<int> done = writer.done();
    return done.size() >= then + 5 && seen.count(done.back()) != 0;
  }));
  for (const int key : writer.done()) {
    if (key > *seen.begin() && key < *seen.rbegin()) {
      EXPECT_EQ(seen.count(key), 1u) << key;
    }
  }
  context.TryCancel();
  events->Finish();
  return greetings;
}

TEST(ForwardTest, AStreamGoesOnAtTheNextLeaderWithoutGapOrDuplicate) {
  EXPECT_EQ((ExpectAStreamGoesOn<map::Map, map::EventsRequest,
                                 map::EventsResponse>()),
            0);
}

TEST(ForwardTest, AStreamOfTheSecondGenerationIsGreetedOnceOverLeaders) {
  namespace second = rsm::map::v1;
  EXPECT_EQ((ExpectAStreamGoesOn<second::Map, second::EventsRequest,
                                 second::EventsResponse>()),
            1);
}

}  // namespace
}  // namespace tests
