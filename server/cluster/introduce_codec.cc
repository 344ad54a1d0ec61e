#include "server/cluster/introduce_codec.h"

namespace server::cluster {

namespace v1 = ::multiraft::peer::v1;

v1::InitialCluster ToProto(const storage::InitialCluster& cluster) {
  v1::InitialCluster proto;
  proto.set_id(cluster.id);
  proto.set_partitions(cluster.partitions);
  proto.set_replication(cluster.replication);
  for (const storage::InitialMember& member : cluster.members) {
    v1::InitialMember& to = *proto.add_members();
    to.set_node(member.node.value());
    to.set_incarnation(member.incarnation);
    to.set_peer_address(member.peer_address);
    to.set_api_address(member.api_address);
  }
  return proto;
}

storage::InitialCluster FromProto(const v1::InitialCluster& proto) {
  storage::InitialCluster cluster{.id = proto.id(),
                                  .partitions = proto.partitions(),
                                  .replication = proto.replication()};
  for (const v1::InitialMember& member : proto.members()) {
    cluster.members.push_back({.node = base::NodeId(member.node()),
                               .incarnation = member.incarnation(),
                               .peer_address = member.peer_address(),
                               .api_address = member.api_address()});
  }
  return cluster;
}

v1::KnownNode ToProto(const KnownNode& node) {
  v1::KnownNode proto;
  proto.set_node(node.node.value());
  proto.set_incarnation(node.incarnation);
  proto.set_peer_address(node.peer_address);
  proto.set_api_address(node.api_address);
  return proto;
}

KnownNode FromProto(const v1::KnownNode& proto) {
  return {.node = base::NodeId(proto.node()),
          .incarnation = proto.incarnation(),
          .peer_address = proto.peer_address(),
          .api_address = proto.api_address()};
}

}  // namespace server::cluster
