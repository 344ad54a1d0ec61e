// Two or three transports in one process, over real gRPC on loopback.

#include "server/transport/grpc_transport.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/peer/v1/peer.grpc.pb.h"
#include "raft/message.h"
#include "server/transport/peer_server.h"
#include "server/worker.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;
using base::NodeId;
using base::PartitionId;
using base::WaitUntil;
using raft::Message;
using raft::ReplicaId;
using testing::HasSubstr;

constexpr PartitionId kPartition{3};

// Keeps what arrives; can be told to hold its caller.
class FakeReceiver : public partition::Receiver {
 public:
  void Receive(PartitionId partition, std::vector<Message> messages) override {
    base::MutexLock lock(mu_);
    for (Message& message : messages) {
      while (hold_appends_ &&
             std::holds_alternative<raft::AppendEntries>(message.body)) {
        changed_.Wait(mu_);
      }
      messages_[partition].push_back(std::move(message));
      ++count_;
    }
  }
  void ReceiveImage(PartitionId, partition::ImageMessage message) override {
    base::MutexLock lock(mu_);
    images_.push_back(std::move(message));
  }
  void ReceiveNote(PartitionId, partition::Note note) override {
    base::MutexLock lock(mu_);
    notes_.push_back(std::move(note));
  }

  void HoldAppends(bool hold) {
    base::MutexLock lock(mu_);
    hold_appends_ = hold;
    changed_.SignalAll();
  }

  size_t count() const {
    base::MutexLock lock(mu_);
    return count_;
  }
  size_t images() const {
    base::MutexLock lock(mu_);
    return images_.size();
  }
  std::vector<partition::Note> notes() const {
    base::MutexLock lock(mu_);
    return notes_;
  }
  std::vector<Message> Of(PartitionId partition) const {
    base::MutexLock lock(mu_);
    const auto found = messages_.find(partition);
    return found == messages_.end() ? std::vector<Message>() : found->second;
  }
  template <class Body>
  size_t CountOf(PartitionId partition) const {
    size_t count = 0;
    for (const Message& message : Of(partition)) {
      count += std::holds_alternative<Body>(message.body);
    }
    return count;
  }

 private:
  mutable base::Mutex mu_;
  base::CondVar changed_;
  std::map<PartitionId, std::vector<Message>> messages_ ABSL_GUARDED_BY(mu_);
  std::vector<partition::ImageMessage> images_ ABSL_GUARDED_BY(mu_);
  std::vector<partition::Note> notes_ ABSL_GUARDED_BY(mu_);
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  bool hold_appends_ ABSL_GUARDED_BY(mu_) = false;
};

// A node: its transport, the server it listens with, and what it got.
class Node {
 public:
  Node(uint32_t id, Options options = {}, std::string cluster = "c")
      : self_{.cluster = std::move(cluster),
              .node = NodeId{id},
              .incarnation = 100 * id},
        options_(options),
        timer_("timer", base::SystemClock()) {
    timer_.Start();
    Listen("127.0.0.1:0");
  }
  ~Node() {
    Stop();
    timer_.Stop();
  }

  void Start() {
    transport_->Start(
        {.receiver = receiver_,
         .on_unknown =
             [this](const UnknownReplica& unknown) {
               base::MutexLock lock(mu_);
               unknown_.push_back(unknown);
             },
         .address = address_,
         .self = self_,
         .routes = &routes_,
         .on_stranger_leads =
             [this](PartitionId partition, ReplicaId leader) {
               base::MutexLock lock(mu_);
               strangers_.emplace_back(partition, leader);
             },
         .on_connection =
             [this](const std::string& address, bool images, bool established) {
               base::MutexLock lock(mu_);
               connections_.push_back(
                   absl::StrCat(address, images ? " images" : "",
                                established ? " established" : " failed"));
             }});
  }
  void Stop() {
    if (transport_ == nullptr) return;
    receiver_.HoldAppends(false);
    transport_->Stop();
    server_->Stop(0);
    server_ = nullptr;
    transport_ = nullptr;
  }
  // As a new process with the same data.
  void Restart() {
    Stop();
    Listen(address_);
    Start();
  }

  raft::Member member(uint64_t replica) const {
    return {.replica = ReplicaId{replica},
            .node = self_.node,
            .incarnation = self_.incarnation,
            .peer_address = address_};
  }

  Remote remote() const {
    return {.node = self_.node,
            .incarnation = self_.incarnation,
            .address = address_};
  }
  Route RouteHere(PartitionId partition) const {
    return {.partition = partition,
            .term = raft::Term{1},
            .leader = ReplicaId{1},
            .node = self_.node,
            .peer_address = address_};
  }
  Routes& routes() { return routes_; }

  GrpcTransport& transport() { return *transport_; }
  FakeReceiver& receiver() { return receiver_; }
  uint64_t dropped(Drop reason) {
    return transport_->counters().dropped(reason);
  }
  std::vector<UnknownReplica> unknown() {
    base::MutexLock lock(mu_);
    return unknown_;
  }
  // Who leads without being a member here.
  std::vector<std::pair<PartitionId, ReplicaId>> strangers() {
    base::MutexLock lock(mu_);
    return strangers_;
  }
  const std::string& address() const { return address_; }
  // As those who watch are told of them.
  std::vector<std::string> connections() {
    base::MutexLock lock(mu_);
    return connections_;
  }

  // Why the only peer cannot be reached.
  std::string problem() {
    const std::vector<PeerState> peers = transport_->peers();
    return peers.size() == 1 ? peers[0].problem
                             : absl::StrCat(peers.size(), " peers");
  }

 private:
  void Listen(const std::string& address) {
    // Who it is it learns at the start.
    transport_ = std::make_unique<GrpcTransport>(options_, Self{}, timer_,
                                                 base::SystemClock());
    auto server =
        PeerServer::Start(address, options_, {&transport_->service()});
    ASSERT_OK(server);
    server_ = *std::move(server);
    address_ = server_->address();
  }

  const Self self_;
  const Options options_;
  FakeReceiver receiver_;
  Routes routes_;
  Worker timer_;
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<PeerServer> server_;
  std::string address_;

  base::Mutex mu_;
  std::vector<UnknownReplica> unknown_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<PartitionId, ReplicaId>> strangers_
      ABSL_GUARDED_BY(mu_);
  std::vector<std::string> connections_ ABSL_GUARDED_BY(mu_);
};

// Replica n of kPartition is on node n.
void Meet(const std::vector<Node*>& nodes) {
  std::vector<raft::Member> members;
  for (size_t i = 0; i < nodes.size(); ++i) {
    members.push_back(nodes[i]->member(i + 1));
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i]->transport().SetMembers(kPartition, ReplicaId{i + 1}, members);
  }
}

// Starts the nodes, and waits until each is welcome at those it knows.
void StartAll(const std::vector<Node*>& nodes) {
  for (Node* node : nodes) node->Start();
  for (Node* node : nodes) {
    EXPECT_TRUE(WaitUntil([&] {
      const std::vector<PeerState> peers = node->transport().peers();
      return std::all_of(peers.begin(), peers.end(),
                         [](const PeerState& peer) { return peer.connected; });
    }));
  }
}

Message MakeMessage(uint64_t from, uint64_t to, decltype(Message::body) body) {
  return {.from = ReplicaId{from},
          .to = ReplicaId{to},
          .term = raft::Term{1},
          .body = std::move(body)};
}

raft::AppendEntries AppendOf(size_t bytes) {
  auto payload = std::make_shared<const std::string>(bytes, 'x');
  return {.entries = {{.term = raft::Term{1},
                       .index = raft::Index{1},
                       .type = raft::EntryType::kApp,
                       .payload_crc = base::Crc32c(*payload),
                       .payload = payload}}};
}

void SendOne(Node& node, uint64_t from, uint64_t to,
             decltype(Message::body) body, PartitionId partition = kPartition) {
  std::vector<Message> messages;
  messages.push_back(MakeMessage(from, to, std::move(body)));
  node.transport().Send(partition, std::move(messages));
}

TEST(GrpcTransportTest, MessagesArriveAtTheNodesOfTheirReplicas) {
  Node a(1), b(2), c(3);
  Meet({&a, &b, &c});
  StartAll({&a, &b, &c});

  std::vector<Message> messages;
  messages.push_back(MakeMessage(1, 2, raft::RequestVote{}));
  messages.push_back(MakeMessage(1, 3, raft::RequestVote{}));
  messages.push_back(MakeMessage(1, 3, AppendOf(3'000'000)));
  a.transport().Send(kPartition, std::move(messages));
  SendOne(b, 2, 1, raft::RequestVoteReply{.granted = true});

  EXPECT_TRUE(WaitUntil([&] {
    return b.receiver().count() == 1 && c.receiver().count() == 2 &&
           a.receiver().count() == 1;
  }));
  EXPECT_EQ(c.receiver().CountOf<raft::AppendEntries>(kPartition), 1u);
  const Message reply = a.receiver().Of(kPartition).at(0);
  EXPECT_EQ(reply.from, ReplicaId{2});
  EXPECT_TRUE(std::get<raft::RequestVoteReply>(reply.body).granted);
}

// Ten thousand quiet partitions cost nearly nothing.
TEST(GrpcTransportTest, HeartbeatsOfOneTickShareAFewFrames) {
  constexpr uint32_t kPartitions = 10'000;
  Node a(1), b(2);
  for (uint32_t p = 1; p <= kPartitions; ++p) {
    for (auto [node, self] : {std::pair(&a, 1), std::pair(&b, 2)}) {
      node->transport().SetMembers(PartitionId{p},
                                   ReplicaId{static_cast<uint64_t>(self)},
                                   {a.member(1), b.member(2)});
    }
  }
  StartAll({&a, &b});
  const auto tick = [&] {
    for (uint32_t p = 1; p <= kPartitions; ++p) {
      SendOne(a, 1, 2, raft::Heartbeat{.read_round = 1}, PartitionId{p});
    }
  };
  tick();
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().count() == kPartitions; }));

  const uint64_t before = a.transport().counters().frames_sent;
  tick();
  ASSERT_TRUE(
      WaitUntil([&] { return b.receiver().count() == 2 * kPartitions; }));
  const uint64_t frames = a.transport().counters().frames_sent - before;
  RecordProperty("frames", static_cast<int>(frames));
  EXPECT_LE(frames, 100u);
}

TEST(GrpcTransportTest, ConnectionsThatComeAndGoAreTold) {
  Node a(1, {.backoff_ns_max = 50'000'000}), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  const std::string there = b.address();
  ASSERT_TRUE(WaitUntil([&] { return !a.connections().empty(); }));
  EXPECT_THAT(a.connections(), testing::ElementsAre(there + " established"));
  // Opened when it is needed.
  a.transport().SendImage(
      kPartition,
      partition::ImageRequest{.from = ReplicaId{1}, .to = ReplicaId{2}});
  ASSERT_TRUE(WaitUntil([&] { return a.connections().size() == 2; }));
  EXPECT_EQ(a.connections()[1], there + " images established");

  b.Stop();
  // The same reason is told once, however often it is tried.
  const auto failures = [&](const std::string& what) {
    const std::vector<std::string> all = a.connections();
    return std::count(all.begin(), all.end(), there + what);
  };
  ASSERT_TRUE(WaitUntil([&] {
    return failures(" failed") > 0 && failures(" images failed") > 0 &&
           a.transport().counters().streams_failed > 20;
  }));
  EXPECT_LT(failures(" failed"), 5);
}

TEST(GrpcTransportTest, APeerThatRestartsIsFoundAgain) {
  Node a(1), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  SendOne(a, 1, 2, raft::RequestVote{});
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().count() == 1; }));

  b.Restart();
  Meet({&a, &b});
  // Raft repeats.
  EXPECT_TRUE(WaitUntil([&] {
    SendOne(a, 1, 2, raft::RequestVote{});
    SendOne(a, 1, 2, AppendOf(1));
    return b.receiver().CountOf<raft::AppendEntries>(kPartition) > 0 &&
           b.receiver().CountOf<raft::RequestVote>(kPartition) > 1;
  }));
  EXPECT_GE(a.transport().counters().streams_failed, 1u);
  EXPECT_TRUE(WaitUntil([&] { return a.problem().empty(); }));
}

TEST(GrpcTransportTest, NothingWaitsForAPeerThatIsAway) {
  Node a(1), b(2);
  Meet({&a, &b});
  a.Start();
  b.Stop();
  EXPECT_TRUE(WaitUntil([&] {
    SendOne(a, 1, 2, raft::RequestVote{});
    return a.dropped(Drop::kUnreachable) > 0;
  }));
  EXPECT_TRUE(WaitUntil([&] { return !a.problem().empty(); }));
  EXPECT_THAT(a.problem(), HasSubstr("not opened"));
}

// --- P45: what is for somebody else -----------------------------------------

// A node that believes to reach `b`, which `spoil` changed.
void ExpectRefused(Node& a, Node& b, Drop reason,
                   const std::function<void(raft::Member&)>& spoil,
                   const std::string& why) {
  raft::Member other = b.member(2);
  spoil(other);
  a.transport().SetMembers(kPartition, ReplicaId{1}, {a.member(1), other});
  b.transport().SetMembers(kPartition, ReplicaId{2},
                           {a.member(1), b.member(2)});
  a.Start();
  b.Start();
  EXPECT_TRUE(WaitUntil([&] {
    SendOne(a, 1, 2, raft::RequestVote{});
    return b.dropped(reason) > 0 && a.problem().find(why) != std::string::npos;
  })) << DropName(reason)
      << ": " << a.problem();
  EXPECT_EQ(b.receiver().count(), 0u);
}

TEST(GrpcTransportTest, AnotherClusterIsRefused) {
  Node a(1, {}, "blue"), b(2, {}, "green");
  ExpectRefused(
      a, b, Drop::kWrongCluster, [](raft::Member&) {},
      "this is node 2 of cluster green, not of blue");
}

TEST(GrpcTransportTest, AnotherIncarnationIsRefused) {
  Node a(1), b(2);
  ExpectRefused(
      a, b, Drop::kWrongIncarnation,
      [](raft::Member& member) { member.incarnation = 7; },
      "node 2 has incarnation 200, not 7");
}

TEST(GrpcTransportTest, AnotherNodeIsRefused) {
  Node a(1), b(2);
  ExpectRefused(
      a, b, Drop::kWrongNode,
      [](raft::Member& member) { member.node = NodeId{4}; },
      "this is node 2, not node 4");
}

TEST(GrpcTransportTest, NoVersionInCommonIsRefusedWithBothRanges) {
  Options newer;
  newer.version_min = 3;
  newer.version_max = 4;
  Node a(1, newer), b(2);
  ExpectRefused(
      a, b, Drop::kWrongVersion, [](raft::Member&) {},
      "node 2 speaks versions 1 to 1 of the peer protocol, node 1 "
      "versions 3 to 4");
}

TEST(GrpcTransportTest, AVersionInCommonIsEnough) {
  Options newer;
  newer.version_max = 4;
  Node a(1, newer), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  SendOne(a, 1, 2, raft::RequestVote{});
  SendOne(b, 2, 1, raft::RequestVote{});
  EXPECT_TRUE(WaitUntil(
      [&] { return b.receiver().count() == 1 && a.receiver().count() == 1; }));
}

// A vote from a replica that the configuration says lives elsewhere.
TEST(GrpcTransportTest, AVoteFromTheWrongNodeIsDropped) {
  Node a(1), b(2), c(3);
  a.transport().SetMembers(kPartition, ReplicaId{1},
                           {a.member(1), b.member(2)});
  b.transport().SetMembers(kPartition, ReplicaId{2},
                           {c.member(1), b.member(2)});
  StartAll({&a, &b, &c});
  SendOne(a, 1, 2, raft::RequestVoteReply{.granted = true});
  EXPECT_TRUE(WaitUntil([&] { return b.dropped(Drop::kWrongSender) == 1; }));
  EXPECT_EQ(b.receiver().count(), 0u);
}

TEST(GrpcTransportTest, AMessageForAReplicaThatIsNotHereIsTold) {
  Node a(1), b(2);
  a.transport().SetMembers(kPartition, ReplicaId{1},
                           {a.member(1), b.member(7)});
  StartAll({&a, &b});
  SendOne(a, 1, 7, raft::PreVote{});
  SendOne(a, 1, 7, AppendOf(1));
  ASSERT_TRUE(WaitUntil([&] { return b.unknown().size() == 2; }));
  EXPECT_EQ(b.dropped(Drop::kUnknownReplica), 2u);
  int from_leader = 0;
  for (const UnknownReplica& unknown : b.unknown()) {
    EXPECT_EQ(unknown.partition, kPartition);
    EXPECT_EQ(unknown.to, ReplicaId{7});
    EXPECT_EQ(unknown.from, ReplicaId{1});
    EXPECT_EQ(unknown.sender.node, NodeId{1});
    EXPECT_EQ(unknown.sender.incarnation, 100u);
    EXPECT_EQ(unknown.sender.address, a.address());
    from_leader += unknown.from_leader;
  }
  EXPECT_EQ(from_leader, 1);
}

// A new replica knows nobody, and must answer the leader.
TEST(GrpcTransportTest, AReplicaThatIsBehindAnswersALeaderItDoesNotKnow) {
  Node a(1), b(2);
  a.transport().SetMembers(kPartition, ReplicaId{1},
                           {a.member(1), b.member(7)});
  b.transport().SetMembers(kPartition, ReplicaId{7}, {b.member(7)});
  StartAll({&a, &b});
  SendOne(a, 1, 7, AppendOf(1));
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().count() == 1; }));
  SendOne(b, 7, 1, raft::AppendEntriesReply{.accepted = true});
  EXPECT_TRUE(WaitUntil([&] { return a.receiver().count() == 1; }));
}

TEST(GrpcTransportTest, AMessageToNobodyWeKnowIsCounted) {
  Node a(1);
  a.transport().SetMembers(kPartition, ReplicaId{1}, {a.member(1)});
  SendOne(a, 1, 2, raft::PreVote{});
  EXPECT_EQ(a.dropped(Drop::kNotReady), 1u);
  a.Start();
  SendOne(a, 1, 2, raft::PreVote{});
  EXPECT_EQ(a.dropped(Drop::kNoAddress), 1u);
}

TEST(GrpcTransportTest, WhoLeadsIsToldToAllNodes) {
  Node a(1), b(2);
  // No partition in common.
  a.transport().SetNodes({a.remote(), b.remote()});
  b.routes().SetPartitions(5);
  a.routes().Learn(a.RouteHere(PartitionId{4}));
  StartAll({&a, &b});
  EXPECT_TRUE(
      WaitUntil([&] { return b.routes().Find(PartitionId{4}).has_value(); }));
  EXPECT_EQ(b.routes().Find(PartitionId{4})->node, NodeId{1});

  a.transport().Announce(a.RouteHere(PartitionId{5}));
  EXPECT_TRUE(
      WaitUntil([&] { return b.routes().Find(PartitionId{5}).has_value(); }));
}

TEST(GrpcTransportTest, ALeaderThatIsNoMemberIsToldOfAndCanBeAsked) {
  Node a(1), b(2);
  a.transport().SetNodes({a.remote(), b.remote()});
  // Replica 5 of partition 4, and its node says that it is led by 9 there.
  b.transport().SetMembers(PartitionId{4}, ReplicaId{5}, {b.member(5)});
  a.transport().SetMembers(PartitionId{4}, ReplicaId{9}, {a.member(9)});
  Route route = a.RouteHere(PartitionId{4});
  route.leader = ReplicaId{9};
  StartAll({&a, &b});
  a.transport().Announce(route);
  a.routes().Learn(route);
  ASSERT_TRUE(WaitUntil([&] {
    a.transport().Announce(route);
    return !b.strangers().empty();
  }));
  EXPECT_EQ(b.strangers().front(), std::pair(PartitionId{4}, ReplicaId{9}));
  b.transport().Send(PartitionId{4}, {{.from = ReplicaId{5},
                                       .to = ReplicaId{9},
                                       .term = raft::Term{1},
                                       .body = raft::PreVote{}}});
  EXPECT_TRUE(WaitUntil(
      [&] { return a.transport().counters().messages_received.load() == 1; }));
}

// --- Bounds -----------------------------------------------------------------

TEST(GrpcTransportTest, ASlowReceiverFillsABoundedQueueAndDelaysNoVotes) {
  Options options;
  options.append_queue_bytes_max = 4 << 20;
  Node a(1, options), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  b.receiver().HoldAppends(true);
  ASSERT_TRUE(WaitUntil([&] {
    SendOne(a, 1, 2, AppendOf(1 << 20));
    return a.dropped(Drop::kQueueFull) > 0;
  }));
  EXPECT_LE(a.transport().peers().at(0).queued_bytes, 5u << 20);

  SendOne(a, 1, 2, raft::RequestVote{});
  EXPECT_TRUE(WaitUntil([&] {
    return b.receiver().CountOf<raft::RequestVote>(kPartition) == 1;
  }));
  EXPECT_EQ(b.receiver().CountOf<raft::AppendEntries>(kPartition), 0u);

  b.receiver().HoldAppends(false);
  EXPECT_TRUE(
      WaitUntil([&] { return a.transport().peers().at(0).queued_bytes == 0; }));
  // So many have room, if none left before the stream was open.
  EXPECT_TRUE(WaitUntil([&] {
    return b.receiver().CountOf<raft::AppendEntries>(kPartition) >= 3;
  }));
}

TEST(GrpcTransportTest, ImagesArePacedAndDelayNoVotes) {
  constexpr size_t kChunks = 8;
  Options options;
  options.image_bytes_per_second = 2 << 20;
  Node a(1, options), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  const int64_t start = base::SystemClock().MonotonicNanos();
  for (size_t i = 0; i < kChunks; ++i) {
    partition::ImageChunk chunk{.from = ReplicaId{1}, .to = ReplicaId{2}};
    chunk.rows.push_back({.table = 1, .value = std::string(256 << 10, 'x')});
    a.transport().SendImage(kPartition, std::move(chunk));
  }
  SendOne(a, 1, 2, raft::RequestVote{});
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().count() == 1; }));
  EXPECT_LT(b.receiver().images(), kChunks);
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().images() == kChunks; }));
  // All but the first waited an eighth of a second each.
  EXPECT_GE(base::SystemClock().MonotonicNanos() - start, 850'000'000);
}

TEST(GrpcTransportTest, NotesArriveAndThoseOfStrangersDoNot) {
  Node a(1), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  const auto send = [&](uint64_t from) {
    a.transport().SendNote(
        kPartition, {.from = ReplicaId{from},
                     .to = ReplicaId{2},
                     .body = partition::VersionAsked{.term = raft::Term{4}}});
  };
  send(2);  // Which lives elsewhere.
  send(1);
  ASSERT_TRUE(WaitUntil([&] { return !b.receiver().notes().empty(); }));
  const partition::Note note = b.receiver().notes().front();
  EXPECT_EQ(note.from, ReplicaId{1});
  EXPECT_EQ(std::get<partition::VersionAsked>(note.body).term, raft::Term{4});
}

// --- Peers that misbehave ---------------------------------------------------

// Takes connections and never says anything (U37).
class BlackHole {
 public:
  BlackHole() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size),
              0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~BlackHole() { close(fd_); }

  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
};

TEST(GrpcTransportTest, APeerThatTakesAndNeverAnswersIsNoticed) {
  BlackHole hole;
  Options options;
  options.open_timeout_ns = 100'000'000;
  Node a(1, options), b(2);
  raft::Member other = b.member(2);
  other.peer_address = hole.address();
  a.transport().SetMembers(kPartition, ReplicaId{1}, {a.member(1), other});
  a.Start();
  EXPECT_TRUE(
      WaitUntil([&] { return a.transport().counters().streams_failed >= 2; }));
  EXPECT_THAT(a.problem(), HasSubstr("not opened"));
}

// What a stranger may write to our port.
class RawStream
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  RawStream(const std::string& address, std::vector<std::string> frames)
      : stub_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        frames_(std::move(frames)) {
    stub_.PrepareBidiStreamingCall(&context_, "/multiraft.peer.v1.Peer/Deliver",
                                   {}, this);
    StartRead(&in_);
    WriteNext();
    StartCall();
  }

  grpc::Status Await() {
    base::MutexLock lock(mu_);
    while (!done_) changed_.Wait(mu_);
    return status_;
  }

 private:
  void WriteNext() {
    if (next_ == frames_.size()) return StartWritesDone();
    grpc::Slice slice(frames_[next_++]);
    out_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&out_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) WriteNext();
  }
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&in_);
  }
  void OnDone(const grpc::Status& status) override {
    base::MutexLock lock(mu_);
    status_ = status;
    done_ = true;
    changed_.SignalAll();
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  const std::vector<std::string> frames_;
  size_t next_ = 0;
  grpc::ByteBuffer in_, out_;

  base::Mutex mu_;
  base::CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mu_);
};

TEST(GrpcTransportTest, HostileBytesEndTheirStreamAndNothingElse) {
  Node a(1), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  v1::Frame opening;
  v1::Hello& hello = *opening.mutable_hello();
  hello.set_cluster("c");
  hello.set_from_node(1);
  hello.set_from_incarnation(100);
  hello.set_to_node(2);
  hello.set_to_incarnation(200);
  hello.set_version_min(1);
  hello.set_version_max(1);
  v1::Frame nonsense;
  nonsense.add_messages()->set_partition(3);
  const std::string good = opening.SerializeAsString();

  EXPECT_EQ(RawStream(b.address(), {"\xff\xff\xff"}).Await().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(RawStream(b.address(), {""}).Await().error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(RawStream(b.address(), {good, "\xff\xff\xff"}).Await().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(RawStream(b.address(), {good, nonsense.SerializeAsString()})
                  .Await()
                  .ok());
  EXPECT_EQ(b.dropped(Drop::kMalformed), 3u);

  SendOne(a, 1, 2, raft::RequestVote{});
  EXPECT_TRUE(WaitUntil([&] { return b.receiver().count() == 1; }));
}

// --- Stopping ---------------------------------------------------------------

TEST(GrpcTransportTest, NothingIsDeliveredBehindStop) {
  Node a(1), b(2);
  Meet({&a, &b});
  StartAll({&a, &b});
  SendOne(a, 1, 2, raft::RequestVote{});
  ASSERT_TRUE(WaitUntil([&] { return b.receiver().count() == 1; }));
  b.transport().Stop();
  const size_t count = b.receiver().count();
  for (int i = 0; i < 100; ++i) {
    SendOne(a, 1, 2, raft::RequestVote{});
    SendOne(b, 2, 1, raft::RequestVote{});
  }
  EXPECT_GE(b.dropped(Drop::kNotReady), 100u);
  a.transport().Stop();
  EXPECT_EQ(b.receiver().count(), count);
  EXPECT_EQ(a.receiver().count(), 0u);
}

}  // namespace
}  // namespace server::transport
