// Options of one server process, as its flags and config file set them. The
// defaults are the product's; what each means is said in flags.cc, where
// `--help` reads it.

#ifndef SERVER_OPTIONS_H_
#define SERVER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "partition/partition.h"
#include "server/cluster/cluster_spec.h"
#include "server/service/options.h"
#include "server/transport/options.h"
#include "storage/store.h"

namespace server {

struct Options {
  std::string listen = "127.0.0.1:5678";
  std::string peer_listen = "127.0.0.1:5679";
  std::string http_listen = "127.0.0.1:5680";

  std::string data_dir = "multiraft-data";
  base::NodeId node{1};
  std::string cluster_name = "multiraft";
  uint32_t partitions = 1;  // Created at the first start: 1..partitions.

  // The nodes of a static cluster, as --cluster says and parsed; empty: this
  // node is alone. Of each partition there are so many replicas; 0: as many as
  // survive the loss of one node.
  std::string cluster_text;
  std::vector<cluster::NodeAddress> cluster;
  uint32_t replication = 0;

  // Or of one that runs already, and that this node joins: peer addresses of
  // some of its nodes, as --join says and parsed. `partitions` 0: as many as
  // the cluster has.
  std::string join_text;
  std::vector<std::string> join;

  // Where others reach this node; empty: as `cluster` says, or where it
  // listens.
  std::string advertise_peer;
  std::string advertise_api;

  // Begin a cluster without those of its nodes that are not there
  // (cluster/bootstrap.h).
  bool force_bootstrap = false;

  // Not to serve, but to make a new cluster from this directory (recover.h).
  bool recover = false;
  bool dry_run = false;
  bool yes = false;

  // It gets its partitions from a controller (atomix.multiraft.v1.Node), and
  // makes nothing before; `node` 0: the controller says which it is.
  bool managed = false;

  bool in_cluster() const {
    return !cluster.empty() || !join.empty() || managed;
  }

  uint32_t workers = 0;  // 0: one for each core.

  // With less free space the node takes no commands and no entries (D6).
  uint64_t disk_reserve_bytes = 4 * storage::StoreOptions().wal_bytes_max;
  // More than a full log is set aside for a start on a full disk.
  uint64_t reserve_file_bytes() const { return disk_reserve_bytes / 3; }
  // A call to the disk that takes longer ends the process (U13); 0: never.
  uint64_t disk_hang_timeout_ns = 3'000'000'000;

  // Of a cluster: partitions go back to the replica that should lead them.
  bool balance_leaders = true;

  // How long Stop lets calls end by themselves.
  uint64_t drain_timeout_ns = 1'000'000'000;

  // gRPC: the largest message it takes, and how many calls one connection may
  // have open.
  uint64_t request_bytes_max = 4 << 20;
  uint32_t streams_per_connection_max = 100'000;

  // A client's connection is pinged after so long without a word from it, and
  // given up so long after a ping that nobody answers: a client that is gone
  // without a word keeps its streams no longer.
  uint64_t client_keep_alive_ns = 30'000'000'000;
  uint64_t client_keep_alive_timeout_ns = 20'000'000'000;

  transport::Options transport;

  // Serves all partitions; id and node are set by the server.
  partition::Options partition;
  service::Options service;
};

}  // namespace server

#endif  // SERVER_OPTIONS_H_
