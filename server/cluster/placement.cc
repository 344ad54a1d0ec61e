#include "server/cluster/placement.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace server::cluster {
namespace {

// How much a node wants a partition.
uint64_t Score(base::NodeId node, base::PartitionId partition) {
  std::string bytes;
  base::AppendU32(bytes, node.value());
  base::AppendU32(bytes, partition.value());
  return base::Hash64(bytes);
}

}  // namespace

std::vector<Placement> Place(const std::vector<base::NodeId>& nodes,
                             uint32_t partitions, uint32_t replication) {
  CHECK_GT(replication, 0u);
  CHECK_LE(replication, nodes.size());
  std::map<base::NodeId, uint32_t> replicas;
  std::map<base::NodeId, uint32_t> leads;
  std::vector<Placement> placements;
  for (uint32_t i = 1; i <= partitions; ++i) {
    Placement placement{.partition = base::PartitionId(i)};
    // The least loaded come first: shares then never differ by more than one.
    const auto wants = [&](const std::map<base::NodeId, uint32_t>& load) {
      return [&](base::NodeId a, base::NodeId b) {
        const auto load_of = [&](base::NodeId node) {
          const auto it = load.find(node);
          return it == load.end() ? 0 : it->second;
        };
        if (load_of(a) != load_of(b)) return load_of(a) < load_of(b);
        const uint64_t score_a = Score(a, placement.partition);
        const uint64_t score_b = Score(b, placement.partition);
        return score_a != score_b ? score_a > score_b : a < b;
      };
    };
    placement.nodes = nodes;
    std::sort(placement.nodes.begin(), placement.nodes.end(), wants(replicas));
    placement.nodes.resize(replication);
    for (const base::NodeId node : placement.nodes) ++replicas[node];
    std::sort(placement.nodes.begin(), placement.nodes.end(), wants(leads));
    ++leads[placement.nodes.front()];
    placements.push_back(std::move(placement));
  }
  return placements;
}

}  // namespace server::cluster
