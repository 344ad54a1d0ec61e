// MemberChanges brings the members of partitions to what an operator wants, one
// partition after the other and a line for each, and says in the end what came
// of it. Typing the command again goes on where it stopped.

#ifndef CLI_MEMBER_CHANGE_H_
#define CLI_MEMBER_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/cluster.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {

// Of every verb that changes members.
std::vector<Flag> MemberFlags();

// "NODE" of operand `i`: a number from 1 on.
absl::StatusOr<uint32_t> NodeOperand(const Run& run, size_t i,
                                     const char* what);

// Those of --partition, which may be given more than once; without it all of
// the cluster, by number.
absl::StatusOr<std::vector<uint32_t>> ChosenPartitions(const Run& run,
                                                       const ClusterView& view);

class MemberChanges {
 public:
  explicit MemberChanges(Run& run) : run_(run) {}

  // Changes one partition; `done` says for people what is so then: "node 4
  // votes". `request` names the change, the rest is set here.
  absl::Status Change(uint32_t partition,
                      multiraft::admin::v1::ChangeMembersRequest request,
                      const std::string& done);

  // There is nothing to change.
  void Skip(uint32_t partition, const std::string& why);

  // Nobody tells who takes part in it, so what there is to change cannot be
  // told: it counts as failed.
  void Unseen(uint32_t partition);

  // OK, or how many failed, and the first of them.
  absl::Status Result() const;

 private:
  absl::StatusOr<multiraft::admin::v1::ChangeMembersResponse> Ask(
      const multiraft::admin::v1::ChangeMembersRequest& request);
  void Failed(uint32_t partition, const absl::Status& status, Json object);
  // Tells people what a change that takes long waits for.
  void Progress(uint32_t partition);

  Run& run_;
  size_t tried_ = 0;
  std::vector<absl::Status> failed_;
};

}  // namespace cli

#endif  // CLI_MEMBER_CHANGE_H_
