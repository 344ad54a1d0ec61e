#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/arguments.h"
#include "cli/cluster.h"
#include "cli/exit_code.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

absl::StatusOr<uint32_t> Positive(const Run& run, size_t operand,
                                  const char* what) {
  ASSIGN_OR_RETURN(const uint64_t number,
                   ParseUnsigned(what, run.operand(operand)));
  if (number == 0 || number > UINT32_MAX) {
    return UsageError(absl::StrCat(what, ": numbers count from 1"));
  }
  return static_cast<uint32_t>(number);
}

absl::Status Transfer(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t partition, Positive(run, 0, "PARTITION"));
  uint32_t target = 0;
  if (run.has_operand(1)) {
    ASSIGN_OR_RETURN(target, Positive(run, 1, "NODE"));
  }
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const LeaderView leader = FindLeader(view, partition);
  if (leader.status == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("nobody leads partition ", partition,
                     "; `multiraftctl cluster status` says why"));
  }
  ASSIGN_OR_RETURN(client::Connection * first, run.connection());
  client::ConnectionOptions options = first->options();
  options.server = view.at(leader.node).address;
  client::Connection connection(std::move(options));
  const int64_t start_ns = connection.timer().NowNanos();
  ASSIGN_OR_RETURN(const uint32_t leads,
                   client::TransferLeader(connection, partition, target));
  const int64_t took_us = (connection.timer().NowNanos() - start_ns) / 1000;
  Json object;
  object["partition"] = partition;
  object["from_node"] = leader.node;
  object["leader_node"] = leads;
  object["took_us"] = took_us;
  run.Print(absl::StrCat("partition ", partition, ": node ", leads,
                         " leads, before it node ", leader.node, " (",
                         took_us / 1000, " ms)\n"),
            object);
  // So that it stays there: leaders are spread again after a while.
  if (view.contains(leads) && view.at(leads).status.ok()) {
    client::ConnectionOptions there = first->options();
    there.server = view.at(leads).address;
    client::Connection leader_connection(std::move(there));
    const auto kept =
        client::TransferLeader(leader_connection, partition, leads);
    if (!kept.ok() && !run.json()) {
      run.err() << "multiraftctl: it may move again by itself: "
                << kept.status().message() << "\n";
    }
  }
  if (target == 0 || leads == target) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(
      "node ", leads, " took over partition ", partition, ", not ", target));
}

}  // namespace

const Group& LeaderGroup() {
  static const Group& group = *new Group{
      .name = "leader",
      .summary = "Who leads",
      .verbs = {
          {.name = "transfer",
           .operands = "PARTITION [NODE]",
           .operands_min = 1,
           .operands_max = 2,
           .summary = "Hands the leadership of a partition to another node",
           .details = "Without NODE to the one that can take it best. No "
                      "command is lost; those that\ncome meanwhile are tried "
                      "again by their clients. It stays there until that node "
                      "leads no more,\nwhoever should lead otherwise.",
           .run = Transfer},
      }};
  return group;
}

}  // namespace cli
