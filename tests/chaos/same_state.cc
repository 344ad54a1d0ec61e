#include "tests/chaos/same_state.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr uint64_t kLookEveryNs = 100'000'000;

using Statuses = std::vector<absl::StatusOr<admin::StatusResponse>>;
// By partition.
using Indexes = std::map<uint32_t, uint64_t>;

// "" or what is missing.
std::string Incomplete(const Statuses& statuses, uint32_t partitions) {
  for (const auto& status : statuses) {
    if (!status.ok()) return std::string(status.status().message());
    if (status->partitions_size() != static_cast<int>(partitions)) {
      return absl::StrCat("node ", status->node_id(), " has ",
                          status->partitions_size(), " partitions");
    }
  }
  return "";
}

Indexes Committed(const Statuses& statuses) {
  Indexes committed;
  for (const auto& status : statuses) {
    for (const admin::PartitionStatus& one : status->partitions()) {
      uint64_t& index = committed[one.partition_id()];
      index = std::max<uint64_t>(index, one.commit_index());
    }
  }
  return committed;
}

std::string Differences(const Statuses& statuses, const Indexes& behind) {
  std::string all;
  for (const auto& [partition, index] : behind) {
    std::set<std::string> states;
    std::string text;
    bool is_behind = true;
    for (const auto& status : statuses) {
      for (const admin::PartitionStatus& one : status->partitions()) {
        if (one.partition_id() != partition) continue;
        is_behind = is_behind && one.digest_index() > index;
        const std::string state =
            absl::StrCat(one.digest_index(), "/", absl::Hex(one.digest()),
                         one.alarm().empty() ? "" : " ", one.alarm());
        absl::StrAppend(&text, ", node ", status->node_id(), " ", state);
        states.insert(state);
      }
    }
    if (states.size() == 1 && is_behind) continue;
    absl::StrAppend(&all, "partition ", partition, " behind ", index, text,
                    "\n");
  }
  return all;
}

}  // namespace

std::string AwaitSameState(const std::vector<std::string>& servers,
                           uint32_t partitions, int64_t patience_ns) {
  Indexes behind;
  std::string differences;
  const auto are_same = [&] {
    const Statuses statuses = client::NodeStatuses(servers, absl::Seconds(2));
    differences = Incomplete(statuses, partitions);
    if (!differences.empty()) return false;
    if (behind.empty()) behind = Committed(statuses);
    differences = Differences(statuses, behind);
    return differences.empty();
  };
  base::WaitUntil(are_same, {.timeout_ns = static_cast<uint64_t>(patience_ns),
                             .look_every_ns = kLookEveryNs});
  return differences;
}

}  // namespace tests
