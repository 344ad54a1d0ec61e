#include "server/cluster/cluster_spec.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/coding.h"
#include "base/hash.h"

namespace server::cluster {
namespace {

bool IsHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
         port <= 65535;
}

}  // namespace

const NodeAddress* ClusterSpec::Find(base::NodeId node) const {
  for (const NodeAddress& address : nodes) {
    if (address.node == node) return &address;
  }
  return nullptr;
}

absl::StatusOr<std::vector<NodeAddress>> ParseNodes(absl::string_view text) {
  std::vector<NodeAddress> nodes;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part, "' does not do: ", what,
                       ", expected NODE=HOST:PEER-PORT/HOST:API-PORT, such as "
                       "1=10.0.0.1:5679/10.0.0.1:5678"));
    };
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::pair<absl::string_view, absl::string_view> addresses =
        absl::StrSplit(sides.second, absl::MaxSplits('/', 1));
    uint32_t node = 0;
    if (!absl::SimpleAtoi(sides.first, &node) || node == 0) {
      return wrong("nodes are numbered from 1");
    }
    if (!IsHostPort(addresses.first)) return wrong("no peer address");
    if (!IsHostPort(addresses.second)) return wrong("no client address");
    nodes.push_back({.node = base::NodeId(node),
                     .peer_address = std::string(addresses.first),
                     .api_address = std::string(addresses.second)});
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const NodeAddress& a, const NodeAddress& b) {
              return a.node < b.node;
            });
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i].node == nodes[i - 1].node) {
      return absl::InvalidArgumentError(
          absl::StrCat("node ", nodes[i].node.value(), " is named twice"));
    }
  }
  return nodes;
}

uint32_t DefaultReplication(size_t nodes) {
  return static_cast<uint32_t>(std::min<size_t>(nodes, 3));
}

std::string ClusterId(const ClusterSpec& spec) {
  std::string bytes = spec.name;
  base::AppendU8(bytes, 0);
  base::AppendU32(bytes, spec.partitions);
  base::AppendU32(bytes, spec.replication);
  for (const NodeAddress& address : spec.nodes) {
    base::AppendU32(bytes, address.node.value());
  }
  return absl::StrFormat("%s-%016x", spec.name, base::Hash64(bytes));
}

}  // namespace server::cluster
