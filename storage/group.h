// Group is a partition that a controller began on this node: what it said, and
// how the group then began. (The controllers' word for a partition; a member is
// a node.)

#ifndef STORAGE_GROUP_H_
#define STORAGE_GROUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "raft/configuration.h"

namespace storage {

// Do not change: on disk.
enum class GroupRole : uint8_t {
  kMember = 1,
  kObserver = 2,  // Has the data and no vote.
  kWitness = 3,   // Votes and never leads.
};

struct GroupMember {
  base::NodeId node;
  std::string peer_address;  // host:port

  bool operator==(const GroupMember&) const = default;
};

struct Group {
  base::PartitionId id;
  base::NodeId self;
  GroupRole role = GroupRole::kMember;
  std::vector<GroupMember> members;  // By node; the first ones.

  // What all first members agreed on; nothing: they have not, as far as is
  // known here.
  std::optional<raft::Configuration> beginning;

  // Empty: it is not among the members.
  std::string AddressOfSelf() const {
    for (const GroupMember& member : members) {
      if (member.node == self) return member.peer_address;
    }
    return "";
  }

  bool operator==(const Group&) const = default;
};

}  // namespace storage

#endif  // STORAGE_GROUP_H_
