#include "server/transport/members.h"

#include <utility>
#include <variant>

namespace server::transport {
namespace {

// More than a partition ever gets new members at once.
constexpr size_t kStrangersMax = 16;

}  // namespace

void Members::Set(base::PartitionId id, raft::ReplicaId self,
                  const std::vector<raft::Member>& members) {
  if (self == raft::ReplicaId{}) {
    partitions_.erase(id);
    return;
  }
  Partition& partition = partitions_[id];
  if (partition.self != self) partition = Partition{.self = self};
  partition.members.clear();
  for (const raft::Member& member : members) {
    partition.members[member.replica] = {.node = member.node,
                                         .incarnation = member.incarnation,
                                         .address = member.peer_address};
    partition.strangers.erase(member.replica);
  }
}

const Remote* Members::Find(base::PartitionId id,
                            raft::ReplicaId replica) const {
  const auto partition = partitions_.find(id);
  if (partition == partitions_.end()) return nullptr;
  const auto& [self, members, strangers, round, reply_round] =
      partition->second;
  if (const auto found = members.find(replica); found != members.end()) {
    return &found->second;
  }
  const auto found = strangers.find(replica);
  return found == strangers.end() ? nullptr : &found->second;
}

Members::Verdict Members::Judge(base::PartitionId id, raft::ReplicaId from,
                                raft::ReplicaId to, const Remote& sender) {
  const auto found = partitions_.find(id);
  if (found == partitions_.end() || found->second.self != to) {
    return Verdict::kUnknownReplica;
  }
  Partition& partition = found->second;
  const auto member = partition.members.find(from);
  if (member == partition.members.end()) {
    partition.Remember(from, sender);
    return Verdict::kTake;
  }
  // Its address may have changed, which we learn from the log.
  return member->second.node == sender.node &&
                 member->second.incarnation == sender.incarnation
             ? Verdict::kTake
             : Verdict::kWrongSender;
}

void Members::Partition::Remember(raft::ReplicaId stranger,
                                  const Remote& remote) {
  if (strangers.size() >= kStrangersMax) strangers.clear();
  strangers[stranger] = remote;
}

bool Members::Meet(base::PartitionId id, raft::ReplicaId replica,
                   const Remote& remote) {
  const auto found = partitions_.find(id);
  if (found == partitions_.end() || found->second.self == replica ||
      found->second.members.contains(replica)) {
    return false;
  }
  found->second.Remember(replica, remote);
  return true;
}

bool Members::IsFromMember(base::PartitionId id, raft::ReplicaId from,
                           const Remote& sender) const {
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return false;
  const auto& members = found->second.members;
  if (members.empty()) return true;
  const auto member = members.find(from);
  return member != members.end() && member->second.node == sender.node &&
         member->second.incarnation == sender.incarnation;
}

bool Members::CanWait(base::PartitionId id,
                      const std::vector<raft::Message>& messages) {
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return false;
  Partition& partition = found->second;
  bool can_wait = true;
  uint64_t round = partition.round;
  uint64_t reply_round = partition.reply_round;
  for (const raft::Message& message : messages) {
    if (const auto* beat = std::get_if<raft::Heartbeat>(&message.body)) {
      // Every member of a new round must have it at once; round 0 tells what
      // was committed.
      can_wait = can_wait && beat->read_round == partition.round;
      if (beat->read_round != 0) round = beat->read_round;
    } else if (const auto* reply =
                   std::get_if<raft::HeartbeatReply>(&message.body)) {
      can_wait = can_wait && reply->read_round == partition.reply_round;
      reply_round = reply->read_round;
    } else {
      can_wait = false;
    }
  }
  partition.round = round;
  partition.reply_round = reply_round;
  return can_wait;
}

std::set<Remote> Members::Remotes() const {
  std::set<Remote> remotes;
  for (const auto& [id, partition] : partitions_) {
    for (const auto& [replica, remote] : partition.members) {
      remotes.insert(remote);
    }
    for (const auto& [replica, remote] : partition.strangers) {
      remotes.insert(remote);
    }
  }
  return remotes;
}

}  // namespace server::transport
