#include "sim/network.h"

#include "base/check.h"

namespace sim {
namespace {

// Who sends, and who gets it.
struct Ends {
  raft::ReplicaId from;
  raft::ReplicaId to;
};
Ends EndsOf(const raft::Message& message) { return {message.from, message.to}; }
Ends EndsOf(const partition::Note& note) { return {note.from, note.to}; }
Ends EndsOf(const partition::ImageMessage& message) {
  return std::visit(
      [](const auto& one) {
        return Ends{one.from, one.to};
      },
      message);
}
template <class Parcel>
Ends EndsOfAny(const Parcel& parcel) {
  return std::visit([](const auto& one) { return EndsOf(one); }, parcel);
}

}  // namespace

class Network::Port : public partition::Transport {
 public:
  Port(Network& network, base::NodeId node) : network_(network), node_(node) {}

  void SetMembers(base::PartitionId partition, raft::ReplicaId self,
                  std::vector<raft::Member> members) override {
    if (self == raft::ReplicaId{}) {
      network_.members_.erase({node_, partition});
      network_.Echo(node_, partition);
      return;
    }
    Members& known = network_.members_[{node_, partition}];
    if (known.self != self) known = Members{.self = self};
    known.members.clear();
    for (const raft::Member& member : members) {
      known.members[member.replica] = member.node;
      known.strangers.erase(member.replica);
    }
  }

  void Send(base::PartitionId partition,
            std::vector<raft::Message> messages) override {
    for (raft::Message& message : messages) {
      if (network_.on_send_) network_.on_send_(partition, message);
      const raft::ReplicaId to = message.to;
      network_.Send(node_, partition, to, std::move(message));
    }
  }

  void SendImage(base::PartitionId partition,
                 partition::ImageMessage message) override {
    const raft::ReplicaId to =
        std::visit([](const auto& one) { return one.to; }, message);
    network_.Send(node_, partition, to, std::move(message));
  }

  void SendNote(base::PartitionId partition, partition::Note note) override {
    const raft::ReplicaId to = note.to;
    network_.Send(node_, partition, to, std::move(note));
  }

 private:
  Network& network_;
  const base::NodeId node_;
};

Network::Network(EventLoop& loop, const NetworkOptions& options, uint64_t seed)
    : loop_(loop), options_(options), random_(seed) {}

void Network::Attach(base::NodeId node, partition::Receiver& receiver,
                     OnUnknown on_unknown) {
  CHECK(listeners_
            .emplace(node, Listener{.receiver = &receiver,
                                    .on_unknown = std::move(on_unknown)})
            .second);
}

void Network::Detach(base::NodeId node) {
  listeners_.erase(node);
  std::erase_if(members_,
                [node](const auto& one) { return one.first.first == node; });
}

std::unique_ptr<partition::Transport> Network::TransportOf(base::NodeId node) {
  return std::make_unique<Port>(*this, node);
}

void Network::Cut(base::NodeId from, base::NodeId to) {
  cuts_.emplace(from, to);
}

void Network::Heal(base::NodeId from, base::NodeId to) {
  cuts_.erase({from, to});
}

void Network::Calm() {
  options_.lose_one_in = 0;
  options_.repeat_one_in = 0;
  options_.late_one_in = 0;
  cuts_.clear();
}

void Network::Send(base::NodeId from, base::PartitionId partition,
                   raft::ReplicaId to, const Parcel& parcel) {
  const auto members = members_.find({from, partition});
  if (members == members_.end()) return;
  const base::NodeId node = members->second.Find(to);
  if (node == base::NodeId{}) return;
  int copies = 1;
  if (options_.lose_one_in != 0 && random_.OneIn(options_.lose_one_in)) {
    copies = 0;
  } else if (options_.repeat_one_in != 0 &&
             random_.OneIn(options_.repeat_one_in)) {
    copies = 2;
  }
  const auto arrive_after = [&](uint64_t delay_ns) {
    loop_.After(delay_ns, [this, from, to = node, partition, parcel] {
      Arrive(from, to, partition, parcel);
    });
  };
  // Delays are drawn one by one: later messages overtake earlier ones.
  for (; copies > 0; --copies) {
    arrive_after(random_.Between(options_.delay_ns_min, options_.delay_ns_max));
  }
  if (options_.late_one_in != 0 && random_.OneIn(options_.late_one_in)) {
    arrive_after(random_.Below(options_.late_ns_max));
  }
}

void Network::Echo(base::NodeId node, base::PartitionId partition) {
  const auto last = last_of_leader_.find({node, partition});
  if (last == last_of_leader_.end() || options_.late_one_in == 0) return;
  loop_.After(random_.Below(options_.late_ns_max),
              [this, node, partition, word = last->second] {
                Arrive(word.from, node, partition, word.message);
              });
}

void Network::Arrive(base::NodeId from, base::NodeId to,
                     base::PartitionId partition, Parcel parcel) {
  if (cuts_.contains({from, to})) return;
  const auto found = listeners_.find(to);
  if (found == listeners_.end()) return;
  const Listener& listener = found->second;
  auto* const message = std::get_if<raft::Message>(&parcel);
  const auto members = members_.find({to, partition});
  if (members == members_.end() ||
      members->second.self != EndsOfAny(parcel).to) {
    if (message != nullptr && partition::IsOfLeader(*message)) {
      listener.on_unknown(partition, message->to);
    }
    return;
  }
  if (!Takes(members->second, from, parcel)) return;
  if (message != nullptr) {
    if (partition::IsOfLeader(*message)) {
      last_of_leader_[{to, partition}] = {from, *message};
    }
    std::vector<raft::Message> messages;
    messages.push_back(std::move(*message));
    listener.receiver->Receive(partition, std::move(messages));
  } else if (auto* note = std::get_if<partition::Note>(&parcel)) {
    listener.receiver->ReceiveNote(partition, std::move(*note));
  } else {
    listener.receiver->ReceiveImage(
        partition, std::get<partition::ImageMessage>(std::move(parcel)));
  }
}

base::NodeId Network::Members::Find(raft::ReplicaId replica) const {
  for (const auto* known : {&members, &strangers}) {
    const auto found = known->find(replica);
    if (found != known->end()) return found->second;
  }
  return {};
}

bool Network::Takes(Members& members, base::NodeId from, const Parcel& parcel) {
  const raft::ReplicaId sender = EndsOfAny(parcel).from;
  const auto member = members.members.find(sender);
  if (member != members.members.end()) return member->second == from;
  members.strangers[sender] = from;
  return true;
}

}  // namespace sim
