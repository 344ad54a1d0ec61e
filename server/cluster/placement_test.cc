#include "server/cluster/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "gtest/gtest.h"

namespace server::cluster {
namespace {

std::vector<base::NodeId> Nodes(uint32_t count) {
  std::vector<base::NodeId> nodes;
  for (uint32_t i = 1; i <= count; ++i) nodes.push_back(base::NodeId(i));
  return nodes;
}

TEST(PlacementTest, EveryShapeIsCompleteAndReplicasAreSpreadEvenly) {
  for (uint32_t nodes = 1; nodes <= 7; ++nodes) {
    for (uint32_t replication = 1; replication <= nodes; ++replication) {
      for (const uint32_t partitions : {1u, 2u, 5u, 16u, 100u}) {
        SCOPED_TRACE(testing::Message() << nodes << " nodes, " << replication
                                        << " replicas, " << partitions);
        std::map<base::NodeId, uint32_t> replicas;
        const auto placements = Place(Nodes(nodes), partitions, replication);
        ASSERT_EQ(placements.size(), partitions);
        for (uint32_t i = 0; i < partitions; ++i) {
          EXPECT_EQ(placements[i].partition, base::PartitionId(i + 1));
          const auto& on = placements[i].nodes;
          EXPECT_EQ(std::set<base::NodeId>(on.begin(), on.end()).size(),
                    replication);
          for (const base::NodeId node : on) ++replicas[node];
        }
        const uint32_t share = (partitions * replication + nodes - 1) / nodes;
        for (const auto& [node, count] : replicas) EXPECT_LE(count, share);
      }
    }
  }
}

TEST(PlacementTest, LeadersAreSpreadEvenly) {
  for (uint32_t nodes = 1; nodes <= 7; ++nodes) {
    // On all nodes every one can lead, so the shares are exact.
    std::map<base::NodeId, uint32_t> leads;
    for (const Placement& placement : Place(Nodes(nodes), 100, nodes)) {
      ++leads[placement.nodes.front()];
    }
    for (const auto& [node, count] : leads) {
      EXPECT_LE(count, (100 + nodes - 1) / nodes);
    }
  }
}

TEST(PlacementTest, Golden) {
  // Nodes of different versions that begin a cluster must agree.
  const auto placements = Place(Nodes(5), 4, 3);
  std::string text;
  for (const Placement& placement : placements) {
    for (const base::NodeId node : placement.nodes) {
      text += std::to_string(node.value());
    }
    text += " ";
  }
  EXPECT_EQ(text, "512 435 234 142 ");
}

}  // namespace
}  // namespace server::cluster
