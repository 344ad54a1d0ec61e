// How a group begins: what follows from what its first members were told and
// say of themselves. Pure.
//
// One of them decides, the lowest, once all have answered that they were told
// the same and know of no beginning; the others take its decision over. So
// there is one beginning, whoever is wiped meanwhile, and a wiped directory
// cannot come back as the old voter (U8): this is what Bootstrap (bootstrap.h)
// does for a whole static cluster, group by group.

#ifndef SERVER_CLUSTER_GROUP_BEGINNING_H_
#define SERVER_CLUSTER_GROUP_BEGINNING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "storage/group.h"

namespace server::cluster {

// What a first member says of itself.
struct FirstMember {
  base::NodeId node;
  uint64_t incarnation = 0;
  std::string api_address;
  storage::GroupRole role = storage::GroupRole::kMember;
  // How the group began, as far as it knows.
  std::optional<raft::Configuration> beginning;
};

// How `group`, which has not begun here, begins; nothing: it must wait. `self`
// is this node; `others` are those that have answered and were told the same.
// FailedPrecondition, in a sentence that says what to do: it began with another
// data directory of this node, or nobody in it could lead.
absl::StatusOr<std::optional<raft::Configuration>> BeginningOf(
    const storage::Group& group, const FirstMember& self,
    const std::vector<FirstMember>& others);

// "1=a:5679, 2=b:5679", for people.
std::string Describe(const std::vector<storage::GroupMember>& members);

// Who takes part in a configuration, as a controller names it.
std::vector<storage::GroupMember> MembersOf(
    const raft::Configuration& configuration);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_GROUP_BEGINNING_H_
