#include "server/service/node_events.h"

#include <utility>

#include "base/check.h"
#include "server/service/node_watch.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;
using Kind = partition::ReplicaEvent::Kind;

constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

// --- Events -----------------------------------------------------------------

v1::Event NodeEvents::NewEvent() const {
  v1::Event event;
  const int64_t now = clock_.WallNanos();
  event.mutable_timestamp()->set_seconds(now / kNanosPerSecond);
  event.mutable_timestamp()->set_nanos(
      static_cast<int32_t>(now % kNanosPerSecond));
  return event;
}

void NodeEvents::FillMember(v1::MemberEvent& member,
                            base::PartitionId group) const {
  member.set_group_id(group.value());
  member.set_member_id(node_.value());
}

v1::Event NodeEvents::LeaderEvent(base::PartitionId id,
                                  const Group& group) const {
  v1::Event event = NewEvent();
  v1::LeaderUpdatedEvent& leader = *event.mutable_leader_updated();
  FillMember(*leader.mutable_member(), id);
  leader.set_term(group.term.value());
  leader.set_leader(group.leader);
  return event;
}

v1::Event NodeEvents::ReadyEvent(base::PartitionId id) const {
  v1::Event event = NewEvent();
  FillMember(*event.mutable_member_ready()->mutable_member(), id);
  return event;
}

v1::Event NodeEvents::EventOf(const partition::ReplicaEvent& from) const {
  v1::Event event = NewEvent();
  // Messages that say the same under different names.
  const auto fill = [&](auto& to) {
    FillMember(*to.mutable_member(), from.partition);
    to.set_index(from.index.value());
  };
  const auto fill_sent = [&](auto& to) {
    fill(to);
    to.set_to(from.peer.value());
  };
  switch (from.kind) {
    case Kind::kReady:
      return ReadyEvent(from.partition);
    case Kind::kMembersChanged:
      FillMember(*event.mutable_membership_changed()->mutable_member(),
                 from.partition);
      break;
    case Kind::kImageSendStarted:
      fill_sent(*event.mutable_send_snapshot_started());
      break;
    case Kind::kImageSendCompleted:
      fill_sent(*event.mutable_send_snapshot_completed());
      break;
    case Kind::kImageSendAborted:
      fill_sent(*event.mutable_send_snapshot_aborted());
      break;
    case Kind::kImageReceived:
      fill(*event.mutable_snapshot_received());
      event.mutable_snapshot_received()->set_from(from.peer.value());
      break;
    case Kind::kImageRecovered:
      fill(*event.mutable_snapshot_recovered());
      break;
    case Kind::kImageWritten:
      fill(*event.mutable_snapshot_created());
      break;
    case Kind::kImageReplaced:
      fill(*event.mutable_snapshot_compacted());
      break;
    case Kind::kLogTrimmed:
      fill(*event.mutable_log_compacted());
      break;
  }
  return event;
}

// --- Who tells --------------------------------------------------------------

void NodeEvents::SetNode(base::NodeId node) {
  base::MutexLock lock(mu_);
  node_ = node;
}

void NodeEvents::Added(base::PartitionId group) {
  base::MutexLock lock(mu_);
  groups_[group] = Group{};
}

void NodeEvents::LeaderKnown(base::PartitionId id,
                             const partition::LeaderInfo& info) {
  // A new replica hears its leader before it learns which member that is, and
  // is told again.
  const bool is_known = info.leader != raft::ReplicaId{};
  if (is_known && info.leader_node == base::NodeId{}) return;
  Watches watches;
  {
    base::MutexLock lock(mu_);
    const auto found = groups_.find(id);
    if (found == groups_.end()) return;
    Group& group = found->second;
    const uint64_t leader = is_known ? info.leader_node.value() : 0;
    if (info.term == raft::Term{} ||
        (group.term == info.term && group.leader == leader)) {
      return;
    }
    group.term = info.term;
    group.leader = leader;
    watches = PublishLocked(LeaderEvent(id, group));
  }
  Pump(watches);
}

void NodeEvents::Happened(const partition::ReplicaEvent& event) {
  Watches watches;
  {
    base::MutexLock lock(mu_);
    const auto found = groups_.find(event.partition);
    if (found == groups_.end()) return;
    Group& group = found->second;
    if (event.kind == Kind::kReady) group.ready = true;
    if (event.kind == Kind::kLogTrimmed) group.log_trimmed = event.index;
    watches = PublishLocked(EventOf(event));
  }
  Pump(watches);
}

void NodeEvents::Removed(base::PartitionId group) {
  base::MutexLock lock(mu_);
  groups_.erase(group);
}

void NodeEvents::LogSpaceFreed() {
  Watches watches;
  {
    base::MutexLock lock(mu_);
    for (auto& [id, group] : groups_) {
      const raft::Index index = std::exchange(group.log_trimmed, raft::Index{});
      if (index == raft::Index{}) continue;
      v1::Event event = NewEvent();
      FillMember(*event.mutable_logdb_compacted()->mutable_member(), id);
      event.mutable_logdb_compacted()->set_index(index.value());
      watches = PublishLocked(event);
    }
  }
  Pump(watches);
}

void NodeEvents::Connection(const std::string& address, bool carries_images,
                            bool established) {
  Watches watches;
  {
    base::MutexLock lock(mu_);
    v1::Event event = NewEvent();
    v1::ConnectionInfo& info =
        established ? *event.mutable_connection_established()->mutable_info()
                    : *event.mutable_connection_failed()->mutable_info();
    info.set_address(address);
    info.set_snapshot(carries_images);
    watches = PublishLocked(event);
  }
  Pump(watches);
}

NodeEvents::Watches NodeEvents::PublishLocked(const v1::Event& event) {
  Watches watches;
  if (watches_.empty()) return watches;
  const auto bytes =
      std::make_shared<const std::string>(event.SerializeAsString());
  std::erase_if(watches_, [&](const std::weak_ptr<NodeWatch>& weak) {
    auto watch = weak.lock();
    if (watch == nullptr || !watch->Add(bytes, /*begins_with_it=*/false)) {
      return true;
    }
    watches.push_back(std::move(watch));
    return false;
  });
  return watches;
}

void NodeEvents::Pump(const Watches& watches) {
  for (const auto& watch : watches) watch->Pump();
}

// --- Who watches ------------------------------------------------------------

grpc::ServerWriteReactor<grpc::ByteBuffer>* NodeEvents::Open(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    std::shared_ptr<const void> place) {
  std::shared_ptr<NodeWatch> watch;
  {
    // Before anybody can see that the call is open: it misses nothing then.
    base::MutexLock lock(mu_);
    watch = StreamCall::Start<NodeWatch>(context, streams, kWaitingMax,
                                         std::move(place));
    const auto begin_with = [&](const v1::Event& event) {
      watch->Add(std::make_shared<const std::string>(event.SerializeAsString()),
                 /*begins_with_it=*/true);
    };
    for (const auto& [id, group] : groups_) {
      if (group.term != raft::Term{}) begin_with(LeaderEvent(id, group));
      if (group.ready) begin_with(ReadyEvent(id));
    }
    watches_.push_back(watch);
  }
  watch->Pump();
  return watch.get();
}

size_t NodeEvents::watches() const {
  base::MutexLock lock(mu_);
  return watches_.size();
}

}  // namespace server::service
