#include "server/transport/grpc_transport.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/random.h"
#include "raft/codec.h"
#include "server/transport/image_codec.h"
#include "server/transport/lane.h"
#include "server/transport/note_codec.h"
#include "server/transport/peer_service.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;

// How often streams to nodes that nobody names any more are looked for; they
// are closed when they were not needed twice in a row.
constexpr uint64_t kSweepNs = 10'000'000'000;

constexpr uint32_t kManyCores = 4;

// The streams to one node.
struct Peer {
  std::shared_ptr<Lane> control;
  std::vector<std::shared_ptr<Lane>> append;
  std::shared_ptr<Lane> image;
  bool unused = false;  // At the last sweep.

  template <class F>
  void ForEach(F f) const {
    f(*control);
    for (const auto& lane : append) f(*lane);
    f(*image);
  }
};

bool IsAppend(const raft::Message& message) {
  return std::holds_alternative<raft::AppendEntries>(message.body);
}

}  // namespace

class GrpcTransport::Impl final
    : public FrameHandler,
      public std::enable_shared_from_this<GrpcTransport::Impl> {
 public:
  Impl(const Options& options, const Self& self, partition::Executor& timer,
       base::Clock& clock)
      : shared_(std::make_shared<LaneShared>(options, self, timer, clock)),
        append_streams_(options.append_streams != 0 ? options.append_streams
                        : std::thread::hardware_concurrency() > kManyCores
                            ? kManyCores
                            : 1),
        service_(*this),
        random_(base::SecureSeed()) {}

  void Start(Sink sink) ABSL_LOCKS_EXCLUDED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  void SetMembers(base::PartitionId partition, raft::ReplicaId self,
                  const std::vector<raft::Member>& members)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Send(base::PartitionId partition,
            const std::vector<raft::Message>& messages)
      ABSL_LOCKS_EXCLUDED(mu_);
  void SendImage(base::PartitionId partition, partition::ImageMessage message)
      ABSL_LOCKS_EXCLUDED(mu_);
  void SendNote(base::PartitionId partition, const partition::Note& note)
      ABSL_LOCKS_EXCLUDED(mu_);

  void SetNodes(std::vector<Remote> nodes) ABSL_LOCKS_EXCLUDED(mu_);
  void Announce(const Route& route) ABSL_LOCKS_EXCLUDED(mu_);

  std::vector<PeerState> peers() const ABSL_LOCKS_EXCLUDED(mu_);
  PeerService& service() { return service_; }
  Counters& counters() const { return shared_->counters; }

 private:
  // FrameHandler:
  absl::StatusOr<uint32_t> Open(const v1::Hello& hello) override;
  void Deliver(const Remote& sender, v1::Frame& frame) override;
  void Malformed(const Remote&) override { counters().Count(Drop::kMalformed); }

  absl::Status CheckIdentity(const v1::Hello& hello);
  // Whether a message may pass; counts and tells if not. `on_unknown` is to be
  // called without the lock.
  bool Pass(Members::Verdict verdict);
  void DeliverMessages(const Remote& sender, v1::Frame& frame)
      ABSL_LOCKS_EXCLUDED(mu_);
  void DeliverRoutes(const Remote& sender, const v1::Frame& frame)
      ABSL_LOCKS_EXCLUDED(mu_);
  // What a frame carries beside Raft's messages: one of it.
  template <class Proto, class Message>
  void DeliverOne(const Remote& sender, const Proto& proto,
                  absl::StatusOr<Message> message,
                  void (partition::Receiver::*receive)(base::PartitionId,
                                                       Message));
  void DeliverImages(const Remote& sender, const v1::Frame& frame)
      ABSL_LOCKS_EXCLUDED(mu_);
  void DeliverNotes(const Remote& sender, const v1::Frame& frame)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Who gets a message that is no raft message; null: nobody.
  partition::Receiver* ReceiverOf(base::PartitionId partition, uint64_t from,
                                  uint64_t to, const Remote& sender)
      ABSL_LOCKS_EXCLUDED(mu_);

  bool running() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return sink_.has_value() && !stopped_;
  }
  // Null: there is nowhere to send.
  Peer* FindPeerLocked(base::PartitionId partition, raft::ReplicaId replica)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Peer& PeerLocked(const Remote& remote) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // With the address that the node has now.
  const Remote& ResolvedLocked(const Remote& remote) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Everybody that this node may have to send to.
  std::set<Remote> NeededLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ScheduleSweep();
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);

  const std::shared_ptr<LaneShared> shared_;
  const uint32_t append_streams_;
  PeerService service_;

  mutable base::Mutex mu_;
  std::optional<Sink> sink_ ABSL_GUARDED_BY(mu_);  // Set once.
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  Members members_ ABSL_GUARDED_BY(mu_);
  std::vector<Remote> nodes_ ABSL_GUARDED_BY(mu_);
  std::map<Remote, Peer> peers_ ABSL_GUARDED_BY(mu_);
  base::Random random_ ABSL_GUARDED_BY(mu_);
};

// --- Start and stop ---------------------------------------------------------

void GrpcTransport::Impl::Start(Sink sink) {
  {
    base::MutexLock lock(mu_);
    CHECK(!sink_.has_value());
    shared_->address = sink.address;
    if (!sink.self.cluster.empty()) shared_->self.cluster = sink.self.cluster;
    if (sink.self.node != base::NodeId{}) {
      shared_->self.node = sink.self.node;
      shared_->self.incarnation = sink.self.incarnation;
    }
    shared_->on_connection = sink.on_connection;
    if (sink.routes != nullptr) {
      shared_->greeting = [routes = sink.routes, self = shared_->self.node] {
        return routes->FrameOf(self);
      };
    }
    sink_.emplace(std::move(sink));
    for (const Remote& remote : NeededLocked()) PeerLocked(remote);
  }
  ScheduleSweep();
}

void GrpcTransport::Impl::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
    for (auto& [remote, peer] : peers_) {
      peer.ForEach([](Lane& lane) { lane.Close(); });
    }
  }
  service_.Stop();
  shared_->calls.WaitUntilEmpty();
  shared_->channels.Empty();
}

// --- Whom we send to --------------------------------------------------------

Peer& GrpcTransport::Impl::PeerLocked(const Remote& remote) {
  const auto [found, is_new] = peers_.try_emplace(remote);
  Peer& peer = found->second;
  if (!is_new) return peer;
  const Options& options = shared_->options;
  const auto make = [&](v1::StreamKind kind, uint64_t queue_bytes_max) {
    return std::make_shared<Lane>(shared_, remote, kind, queue_bytes_max,
                                  random_.Next());
  };
  peer.control = make(v1::STREAM_CONTROL, options.control_queue_bytes_max);
  for (uint32_t i = 0; i < append_streams_; ++i) {
    peer.append.push_back(
        make(v1::STREAM_APPEND, options.append_queue_bytes_max));
  }
  peer.image = make(v1::STREAM_IMAGE, options.image_queue_bytes_max);
  // The others open when they are needed.
  peer.control->Connect();
  return peer;
}

Peer* GrpcTransport::Impl::FindPeerLocked(base::PartitionId partition,
                                          raft::ReplicaId replica) {
  if (!running()) {
    counters().Count(Drop::kNotReady);
    return nullptr;
  }
  const Remote* const remote = members_.Find(partition, replica);
  if (remote == nullptr || remote->node == shared_->self.node) {
    counters().Count(Drop::kNoAddress);
    return nullptr;
  }
  return &PeerLocked(ResolvedLocked(*remote));
}

const Remote& GrpcTransport::Impl::ResolvedLocked(const Remote& remote) const {
  for (const Remote& node : nodes_) {
    if (node.node == remote.node && node.incarnation == remote.incarnation) {
      return node;
    }
  }
  return remote;
}

void GrpcTransport::Impl::SetMembers(base::PartitionId partition,
                                     raft::ReplicaId self,
                                     const std::vector<raft::Member>& members) {
  base::MutexLock lock(mu_);
  members_.Set(partition, self, members);
  if (!running()) return;
  for (const raft::Member& member : members) {
    if (member.node == shared_->self.node) continue;
    PeerLocked(ResolvedLocked({.node = member.node,
                               .incarnation = member.incarnation,
                               .address = member.peer_address}));
  }
}

std::set<Remote> GrpcTransport::Impl::NeededLocked() const {
  std::set<Remote> needed;
  for (const Remote& remote : members_.Remotes()) {
    if (remote.node == shared_->self.node) continue;
    needed.insert(ResolvedLocked(remote));
  }
  for (const Remote& remote : nodes_) {
    if (remote.node != shared_->self.node) needed.insert(remote);
  }
  return needed;
}

void GrpcTransport::Impl::SetNodes(std::vector<Remote> nodes) {
  base::MutexLock lock(mu_);
  nodes_ = std::move(nodes);
  if (!running()) return;
  for (const Remote& remote : NeededLocked()) PeerLocked(remote);
}

void GrpcTransport::Impl::Announce(const Route& route) {
  std::vector<std::shared_ptr<Lane>> lanes;
  {
    base::MutexLock lock(mu_);
    if (!running()) return;
    for (const auto& [remote, peer] : peers_) lanes.push_back(peer.control);
  }
  for (const auto& lane : lanes) {
    lane->PushFrame(Routes::FrameOf(route));
    lane->Flush(/*can_wait=*/false);
  }
}

void GrpcTransport::Impl::Send(base::PartitionId partition,
                               const std::vector<raft::Message>& messages) {
  std::vector<std::pair<std::shared_ptr<Lane>, const raft::Message*>> sends;
  sends.reserve(messages.size());
  bool can_wait = false;
  {
    base::MutexLock lock(mu_);
    can_wait = members_.CanWait(partition, messages);
    for (const raft::Message& message : messages) {
      Peer* const peer = FindPeerLocked(partition, message.to);
      if (peer == nullptr) continue;
      sends.emplace_back(IsAppend(message)
                             ? peer->append[partition.value() % append_streams_]
                             : peer->control,
                         &message);
    }
  }
  for (const auto& [lane, message] : sends) lane->Push(partition, *message);
  // Each lane once; there are only a few.
  for (size_t i = 0; i < sends.size(); ++i) {
    const auto& lane = sends[i].first;
    const bool again =
        std::any_of(sends.begin(), sends.begin() + static_cast<ptrdiff_t>(i),
                    [&](const auto& send) { return send.first == lane; });
    if (!again) lane->Flush(can_wait);
  }
}

void GrpcTransport::Impl::SendImage(base::PartitionId partition,
                                    partition::ImageMessage message) {
  std::shared_ptr<Lane> lane;
  {
    base::MutexLock lock(mu_);
    Peer* const peer = FindPeerLocked(
        partition, std::visit([](const auto& m) { return m.to; }, message));
    if (peer == nullptr) return;
    lane = peer->image;
  }
  lane->PushFrame(EncodeImageFrame(partition, std::move(message)));
  lane->Flush(/*can_wait=*/false);
}

void GrpcTransport::Impl::SendNote(base::PartitionId partition,
                                   const partition::Note& note) {
  std::shared_ptr<Lane> lane;
  {
    base::MutexLock lock(mu_);
    Peer* const peer = FindPeerLocked(partition, note.to);
    if (peer == nullptr) return;
    lane = peer->control;
  }
  lane->PushFrame(EncodeNoteFrame(partition, note));
  lane->Flush(/*can_wait=*/false);
}

void GrpcTransport::Impl::ScheduleSweep() {
  shared_->timer.PostAfter(kSweepNs, [impl = weak_from_this()] {
    if (auto held = impl.lock()) held->Sweep();
  });
}

void GrpcTransport::Impl::Sweep() {
  {
    base::MutexLock lock(mu_);
    if (stopped_) return;
    const std::set<Remote> needed = NeededLocked();
    for (auto it = peers_.begin(); it != peers_.end();) {
      Peer& peer = it->second;
      if (needed.count(it->first) != 0) {
        peer.unused = false;
      } else if (!std::exchange(peer.unused, true)) {
        // Perhaps it still has to get the last messages.
      } else {
        peer.ForEach([](Lane& lane) { lane.Close(); });
        it = peers_.erase(it);
        continue;
      }
      ++it;
    }
  }
  ScheduleSweep();
}

std::vector<PeerState> GrpcTransport::Impl::peers() const {
  base::MutexLock lock(mu_);
  std::vector<PeerState> all;
  for (const auto& [remote, peer] : peers_) {
    PeerState& state = all.emplace_back(PeerState{.remote = remote});
    const Lane::State control = peer.control->state();
    state.connected = control.open;
    state.problem = control.problem;
    peer.ForEach([&](const Lane& lane) {
      state.queued_bytes += lane.state().queued_bytes;
    });
  }
  return all;
}

// --- What arrives -----------------------------------------------------------

absl::Status GrpcTransport::Impl::CheckIdentity(const v1::Hello& hello) {
  const Self& self = shared_->self;
  if (hello.cluster() != self.cluster) {
    counters().Count(Drop::kWrongCluster);
    return absl::FailedPreconditionError(
        absl::StrCat("this is node ", self.node.value(), " of cluster ",
                     self.cluster, ", not of ", hello.cluster()));
  }
  if (hello.to_node() != self.node.value()) {
    counters().Count(Drop::kWrongNode);
    return absl::FailedPreconditionError(absl::StrCat(
        "this is node ", self.node.value(), ", not node ", hello.to_node()));
  }
  if (hello.to_incarnation() != self.incarnation) {
    counters().Count(Drop::kWrongIncarnation);
    return absl::FailedPreconditionError(absl::StrCat(
        "node ", self.node.value(), " has incarnation ", self.incarnation,
        ", not ", hello.to_incarnation(),
        ": its data directory is not the one that became a member"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> GrpcTransport::Impl::Open(const v1::Hello& hello) {
  const Options& options = shared_->options;
  {
    base::MutexLock lock(mu_);
    if (!running()) return absl::UnavailableError("the node is starting");
  }
  absl::Status status = CheckIdentity(hello);
  if (!status.ok()) return status;
  const uint32_t version = std::min(options.version_max, hello.version_max());
  if (version < std::max(options.version_min, hello.version_min())) {
    counters().Count(Drop::kWrongVersion);
    return absl::FailedPreconditionError(
        absl::StrCat("node ", shared_->self.node.value(), " speaks versions ",
                     options.version_min, " to ", options.version_max,
                     " of the peer protocol, node ", hello.from_node(),
                     " versions ", hello.version_min(), " to ",
                     hello.version_max(), ": upgrade one step at a time"));
  }
  // It is up: no need to wait before calling it.
  const Remote sender{.node = base::NodeId(hello.from_node()),
                      .incarnation = hello.from_incarnation(),
                      .address = hello.from_address()};
  base::MutexLock lock(mu_);
  if (const auto peer = peers_.find(sender); peer != peers_.end()) {
    peer->second.ForEach([](Lane& lane) { lane.Retry(); });
  }
  return version;
}

void GrpcTransport::Impl::Deliver(const Remote& sender, v1::Frame& frame) {
  counters().frames_received.fetch_add(1, std::memory_order_relaxed);
  if (frame.messages_size() != 0) DeliverMessages(sender, frame);
  if (frame.images_size() != 0) DeliverImages(sender, frame);
  if (frame.notes_size() != 0) DeliverNotes(sender, frame);
  if (frame.routes_size() != 0) {
    DeliverRoutes(sender, frame);
  }
}

void GrpcTransport::Impl::DeliverRoutes(const Remote& sender,
                                        const v1::Frame& frame) {
  std::vector<std::pair<base::PartitionId, raft::ReplicaId>> strangers;
  const std::function<void(base::PartitionId, raft::ReplicaId)>* tell = nullptr;
  Routes* routes = nullptr;
  {
    base::MutexLock lock(mu_);
    if (!running()) return;
    routes = sink_->routes;
    tell = &sink_->on_stranger_leads;
    for (const v1::Route& route : frame.routes()) {
      // Who leads elsewhere is for that node to say.
      if (route.leader() == 0 || route.node() != sender.node.value()) continue;
      const base::PartitionId partition(route.partition());
      const raft::ReplicaId leader(route.leader());
      if (members_.Meet(partition, leader, sender)) {
        strangers.emplace_back(partition, leader);
      }
    }
  }
  // Stop waits until we are back, so both live.
  if (routes != nullptr) routes->Learn(frame, sender.node);
  if (*tell == nullptr) return;
  for (const auto& [partition, leader] : strangers) (*tell)(partition, leader);
}

bool GrpcTransport::Impl::Pass(Members::Verdict verdict) {
  switch (verdict) {
    case Members::Verdict::kTake:
      return true;
    case Members::Verdict::kUnknownReplica:
      counters().Count(Drop::kUnknownReplica);
      return false;
    case Members::Verdict::kWrongSender:
      counters().Count(Drop::kWrongSender);
      return false;
  }
  return false;
}

void GrpcTransport::Impl::DeliverMessages(const Remote& sender,
                                          v1::Frame& frame) {
  // In the order of the frame, those of one partition together.
  std::vector<std::pair<base::PartitionId, raft::Message>> decoded;
  decoded.reserve(static_cast<size_t>(frame.messages_size()));
  for (v1::RaftMessage& proto : *frame.mutable_messages()) {
    const base::PartitionId partition(proto.partition());
    absl::StatusOr<raft::Message> message =
        raft::DecodeMessage(std::move(proto));
    if (!message.ok()) {
      counters().Count(Drop::kMalformed);
      LOG_EVERY_N(WARNING, 1000)
          << "partition " << partition << ": dropped a message from node "
          << sender.node << ": " << message.status().message();
      continue;
    }
    decoded.emplace_back(partition, *std::move(message));
  }

  std::map<base::PartitionId, std::vector<raft::Message>> taken;
  std::vector<UnknownReplica> unknown;
  partition::Receiver* receiver = nullptr;
  const std::function<void(const UnknownReplica&)>* on_unknown = nullptr;
  {
    base::MutexLock lock(mu_);
    if (!running()) return;
    receiver = &sink_->receiver;
    on_unknown = &sink_->on_unknown;
    for (auto& [partition, message] : decoded) {
      const Members::Verdict verdict =
          members_.Judge(partition, message.from, message.to, sender);
      if (verdict == Members::Verdict::kUnknownReplica) {
        unknown.push_back({.partition = partition,
                           .to = message.to,
                           .from = message.from,
                           .sender = sender,
                           .from_leader = partition::IsOfLeader(message),
                           .from_member = members_.IsFromMember(
                               partition, message.from, sender)});
      }
      if (Pass(verdict)) taken[partition].push_back(std::move(message));
    }
  }
  // Stop waits until we are back, so both live.
  for (auto& [partition, messages] : taken) {
    counters().messages_received.fetch_add(messages.size(),
                                           std::memory_order_relaxed);
    receiver->Receive(partition, std::move(messages));
  }
  if (*on_unknown == nullptr) return;
  for (const UnknownReplica& replica : unknown) (*on_unknown)(replica);
}

template <class Proto, class Message>
void GrpcTransport::Impl::DeliverOne(
    const Remote& sender, const Proto& proto, absl::StatusOr<Message> message,
    void (partition::Receiver::*receive)(base::PartitionId, Message)) {
  if (!message.ok()) {
    return counters().Count(absl::IsDataLoss(message.status())
                                ? Drop::kChecksum
                                : Drop::kMalformed);
  }
  const base::PartitionId partition(proto.partition());
  partition::Receiver* const receiver =
      ReceiverOf(partition, proto.from(), proto.to(), sender);
  if (receiver != nullptr) (receiver->*receive)(partition, *std::move(message));
}

void GrpcTransport::Impl::DeliverImages(const Remote& sender,
                                        const v1::Frame& frame) {
  for (const v1::Image& proto : frame.images()) {
    DeliverOne(sender, proto, DecodeImage(proto),
               &partition::Receiver::ReceiveImage);
  }
}

void GrpcTransport::Impl::DeliverNotes(const Remote& sender,
                                       const v1::Frame& frame) {
  for (const v1::Note& proto : frame.notes()) {
    DeliverOne(sender, proto, DecodeNote(proto),
               &partition::Receiver::ReceiveNote);
  }
}

partition::Receiver* GrpcTransport::Impl::ReceiverOf(
    base::PartitionId partition, uint64_t from, uint64_t to,
    const Remote& sender) {
  base::MutexLock lock(mu_);
  if (!running() || !Pass(members_.Judge(partition, raft::ReplicaId(from),
                                         raft::ReplicaId(to), sender))) {
    return nullptr;
  }
  counters().messages_received.fetch_add(1, std::memory_order_relaxed);
  // Stop waits until its caller is back, so it lives.
  return &sink_->receiver;
}

// --- The door ---------------------------------------------------------------

GrpcTransport::GrpcTransport(const Options& options, const Self& self,
                             partition::Executor& timer, base::Clock& clock)
    : impl_(std::make_shared<Impl>(options, self, timer, clock)) {}

GrpcTransport::~GrpcTransport() = default;

grpc::Service& GrpcTransport::service() { return impl_->service(); }

void GrpcTransport::Start(Sink sink) { impl_->Start(std::move(sink)); }

void GrpcTransport::Stop() { impl_->Stop(); }

void GrpcTransport::SetMembers(base::PartitionId partition,
                               raft::ReplicaId self,
                               std::vector<raft::Member> members) {
  impl_->SetMembers(partition, self, members);
}

void GrpcTransport::Send(base::PartitionId partition,
                         std::vector<raft::Message> messages) {
  impl_->Send(partition, messages);
}

void GrpcTransport::SendImage(base::PartitionId partition,
                              partition::ImageMessage message) {
  impl_->SendImage(partition, std::move(message));
}

void GrpcTransport::SendNote(base::PartitionId partition,
                             partition::Note note) {
  impl_->SendNote(partition, note);
}

void GrpcTransport::SetNodes(std::vector<Remote> nodes) {
  impl_->SetNodes(std::move(nodes));
}

void GrpcTransport::Announce(const Route& route) { impl_->Announce(route); }

const Counters& GrpcTransport::counters() const { return impl_->counters(); }

std::vector<PeerState> GrpcTransport::peers() const { return impl_->peers(); }

}  // namespace server::transport
