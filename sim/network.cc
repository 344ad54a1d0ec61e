#include "sim/network.h"

#include "base/check.h"

namespace sim {

class Network::Port : public partition::Transport {
 public:
  Port(Network& network, base::NodeId node) : network_(network), node_(node) {}

  void SetMembers(base::PartitionId partition, raft::ReplicaId,
                  std::vector<raft::Member> members) override {
    for (const raft::Member& member : members) {
      network_.Place(partition, member.replica, member.node);
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

void Network::Place(base::PartitionId partition, raft::ReplicaId replica,
                    base::NodeId node) {
  places_[{partition, replica}] = node;
}

void Network::Attach(base::NodeId node, partition::Receiver& receiver) {
  CHECK(receivers_.emplace(node, &receiver).second);
}

void Network::Detach(base::NodeId node) { receivers_.erase(node); }

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
  cuts_.clear();
}

void Network::Send(base::NodeId from, base::PartitionId partition,
                   raft::ReplicaId to, const Parcel& parcel) {
  const auto place = places_.find({partition, to});
  if (place == places_.end()) return;
  int copies = 1;
  if (options_.lose_one_in != 0 && random_.OneIn(options_.lose_one_in)) {
    copies = 0;
  } else if (options_.repeat_one_in != 0 &&
             random_.OneIn(options_.repeat_one_in)) {
    copies = 2;
  }
  // Delays are drawn one by one: later messages overtake earlier ones.
  for (; copies > 0; --copies) {
    loop_.After(random_.Between(options_.delay_ns_min, options_.delay_ns_max),
                [this, from, to = place->second, partition, parcel] {
                  Arrive(from, to, partition, parcel);
                });
  }
}

void Network::Arrive(base::NodeId from, base::NodeId to,
                     base::PartitionId partition, Parcel parcel) {
  if (cuts_.contains({from, to})) return;
  const auto receiver = receivers_.find(to);
  if (receiver == receivers_.end()) return;
  if (auto* message = std::get_if<raft::Message>(&parcel)) {
    std::vector<raft::Message> messages;
    messages.push_back(std::move(*message));
    receiver->second->Receive(partition, std::move(messages));
  } else if (auto* note = std::get_if<partition::Note>(&parcel)) {
    receiver->second->ReceiveNote(partition, std::move(*note));
  } else {
    receiver->second->ReceiveImage(
        partition, std::get<partition::ImageMessage>(std::move(parcel)));
  }
}

}  // namespace sim
