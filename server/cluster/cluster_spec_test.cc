#include "server/cluster/cluster_spec.h"

#include <string>

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::cluster {
namespace {

using testing::HasSubstr;

TEST(ClusterSpecTest, NodesAreSortedByNumber) {
  const auto nodes = ParseNodes("2=b:2/b:20,1=[::1]:1/a:10");
  ASSERT_OK(nodes.status());
  ASSERT_EQ(nodes->size(), 2u);
  EXPECT_EQ((*nodes)[0], (NodeAddress{base::NodeId(1), "[::1]:1", "a:10"}));
  EXPECT_EQ((*nodes)[1], (NodeAddress{base::NodeId(2), "b:2", "b:20"}));
}

TEST(ClusterSpecTest, WhatIsWrongIsNamed) {
  const auto expect = [](const char* text, const char* what) {
    const auto nodes = ParseNodes(text);
    ASSERT_FALSE(nodes.ok()) << text;
    EXPECT_EQ(nodes.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(nodes.status().message()), HasSubstr(what));
  };
  expect("", "numbered from 1");
  expect("0=a:1/a:2", "numbered from 1");
  expect("x=a:1/a:2", "'x=a:1/a:2'");
  expect("1=a:1", "no client address");
  expect("1=a/a:2", "no peer address");
  expect("1=a:0/a:2", "no peer address");
  expect("1=a:1/a:70000", "no client address");
  expect("1=a:1/a:2,", "numbered from 1");
  expect("1=a:1/a:2,1=b:1/b:2", "node 1 is named twice");
}

TEST(ClusterSpecTest, TheIdIsOfWhatNeverChanges) {
  ClusterSpec spec{.name = "m",
                   .nodes = {{base::NodeId(1), "a:1", "a:2"},
                             {base::NodeId(2), "b:1", "b:2"}},
                   .partitions = 3,
                   .replication = 2};
  const std::string id = ClusterId(spec);
  EXPECT_EQ(id, "m-c27106b46a22ad6c");  // Golden: on disk.
  ClusterSpec moved = spec;
  moved.nodes[0].peer_address = "c:1";
  EXPECT_EQ(ClusterId(moved), id);

  ClusterSpec other = spec;
  other.name = "n";
  EXPECT_NE(ClusterId(other), id);
  other = spec;
  other.partitions = 4;
  EXPECT_NE(ClusterId(other), id);
  other = spec;
  other.replication = 1;
  EXPECT_NE(ClusterId(other), id);
  other = spec;
  other.nodes[1].node = base::NodeId(3);
  EXPECT_NE(ClusterId(other), id);
}

TEST(ClusterSpecTest, ThreeReplicasUnlessThereAreFewerNodes) {
  EXPECT_EQ(DefaultReplication(1), 1u);
  EXPECT_EQ(DefaultReplication(2), 2u);
  EXPECT_EQ(DefaultReplication(5), 3u);
}

}  // namespace
}  // namespace server::cluster
