// The values of proto/multiraft/peer/v1/bootstrap.proto as ours, and back.

#ifndef SERVER_CLUSTER_INTRODUCE_CODEC_H_
#define SERVER_CLUSTER_INTRODUCE_CODEC_H_

#include "multiraft/peer/v1/bootstrap.pb.h"
#include "server/cluster/node_book.h"
#include "storage/records.h"

namespace server::cluster {

multiraft::peer::v1::InitialCluster ToProto(
    const storage::InitialCluster& cluster);
storage::InitialCluster FromProto(
    const multiraft::peer::v1::InitialCluster& proto);

multiraft::peer::v1::KnownNode ToProto(const KnownNode& node);
KnownNode FromProto(const multiraft::peer::v1::KnownNode& proto);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_INTRODUCE_CODEC_H_
