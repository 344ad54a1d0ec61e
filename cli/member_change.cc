#include "cli/member_change.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/arguments.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/status_format.h"
#include "client/client.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

// A new replica may have gigabytes to fetch.
constexpr absl::Duration kPatience = absl::Minutes(10);

// So often the command looks how far it is.
constexpr absl::Duration kSlice = absl::Seconds(3);

}  // namespace

std::vector<Flag> MemberFlags() {
  return {{"force", "",
           "Also if no majority of the voters that remain, or nobody who may "
           "lead, is reachable: the partition then stands still until they are "
           "back"}};
}

absl::StatusOr<uint32_t> NodeOperand(const Run& run, size_t i,
                                     const char* what) {
  ASSIGN_OR_RETURN(const uint64_t number, ParseUnsigned(what, run.operand(i)));
  if (number == 0 || number > UINT32_MAX) {
    return UsageError(absl::StrCat(what, ": numbers count from 1"));
  }
  return static_cast<uint32_t>(number);
}

absl::StatusOr<std::vector<uint32_t>> ChosenPartitions(
    const Run& run, const ClusterView& view) {
  std::set<uint32_t> all = AllPartitions(view);
  std::set<uint32_t> chosen;
  for (const std::string& text : run.flags().All("partition")) {
    ASSIGN_OR_RETURN(const uint64_t number, ParseUnsigned("--partition", text));
    if (number > UINT32_MAX || !all.contains(static_cast<uint32_t>(number))) {
      return UsageError(
          absl::StrCat("--partition: there is no partition ", number));
    }
    chosen.insert(static_cast<uint32_t>(number));
  }
  if (!run.flags().Has("partition")) chosen = std::move(all);
  return std::vector<uint32_t>(chosen.begin(), chosen.end());
}

absl::StatusOr<admin::ChangeMembersResponse> MemberChanges::Ask(
    const admin::ChangeMembersRequest& request) {
  ASSIGN_OR_RETURN(client::Connection * first, run_.connection());
  ASSIGN_OR_RETURN(const absl::Duration patience,
                   run_.flags().Duration("timeout", kPatience));
  client::Timer& timer = first->timer();
  const int64_t end_ns = timer.NowNanos() + absl::ToInt64Nanoseconds(patience);
  while (true) {
    const absl::Duration left = absl::Nanoseconds(end_ns - timer.NowNanos());
    client::ConnectionOptions options = first->options();
    options.call_timeout = std::min(kSlice, left);
    const int64_t give_up_ns =
        timer.NowNanos() + absl::ToInt64Nanoseconds(options.call_timeout);
    client::Connection connection(std::move(options));
    auto response = client::ChangeMembers(connection, request);
    // Whoever leads goes on with it meanwhile, and asking again is safe. An
    // answer that came before we gave up is the server's, which waited as long
    // as it is worth.
    const bool gave_up = absl::IsUnavailable(response.status()) ||
                         (absl::IsDeadlineExceeded(response.status()) &&
                          timer.NowNanos() >= give_up_ns);
    if (!gave_up || left <= kSlice) return response;
    Progress(request.partition_id());
  }
}

void MemberChanges::Progress(uint32_t id) {
  if (run_.json()) return;
  const absl::StatusOr<ClusterView> view = ViewCluster(run_);
  if (!view.ok()) return;
  for (const PartitionView& partition : Partitions(*view)) {
    if (partition.id != id) continue;
    if (partition.leader.status == nullptr) {
      run_.err() << "partition " << id << ": nobody leads it ...\n";
      continue;
    }
    std::string text = absl::StrCat("partition ", id, ": members ",
                                    MembersText(partition.members));
    for (const admin::Member& member : partition.members) {
      if (member.vote() != admin::VOTE_NONE) continue;
      absl::StrAppend(&text, ", node ", member.node().node_id(), " has ",
                      member.match_index(), " of ",
                      partition.leader.status->last_index(), " entries");
    }
    run_.err() << text << " ...\n";
  }
  run_.err().flush();
}

absl::Status MemberChanges::Change(uint32_t partition,
                                   admin::ChangeMembersRequest request,
                                   const std::string& done) {
  ++tried_;
  request.set_partition_id(partition);
  request.set_force(run_.flags().Has("force"));
  ASSIGN_OR_RETURN(client::Connection * first, run_.connection());
  const int64_t start_ns = first->timer().NowNanos();
  const auto response = Ask(request);
  const int64_t took_us = (first->timer().NowNanos() - start_ns) / 1000;
  Json object;
  object["partition"] = partition;
  object["done"] = response.ok();
  object["took_us"] = took_us;
  if (!response.ok()) {
    Failed(partition, response.status(), std::move(object));
    return response.status();
  }
  object["members"] = Json::array();
  for (const admin::Member& member : response->members()) {
    object["members"].push_back(ToJson(member));
  }
  const std::vector<admin::Member> members(response->members().begin(),
                                           response->members().end());
  run_.Print(absl::StrCat("partition ", partition, ": ", done, "; members ",
                          MembersText(members), " (", took_us / 1000, " ms)\n"),
             object);
  run_.out().flush();
  return absl::OkStatus();
}

void MemberChanges::Unseen(uint32_t partition) {
  ++tried_;
  Json object;
  object["partition"] = partition;
  object["done"] = false;
  Failed(partition,
         absl::UnavailableError("no node that answers has a replica of it; see "
                                "`multiraftctl cluster status`"),
         std::move(object));
}

void MemberChanges::Failed(uint32_t partition, const absl::Status& status,
                           Json object) {
  failed_.push_back(status);
  object["code"] = absl::StatusCodeToString(status.code());
  object["error"] = std::string(status.message());
  const std::string prefix = absl::StrCat("partition ", partition, ": ");
  std::string why = OneLine(status.message());
  if (why.rfind(prefix, 0) != 0) why = prefix + why;
  run_.Print(why + "\n", object);
  run_.out().flush();
}

void MemberChanges::Skip(uint32_t partition, const std::string& why) {
  Json object;
  object["partition"] = partition;
  object["done"] = true;
  object["skipped"] = why;
  run_.Print(absl::StrCat("partition ", partition, ": ", why, "\n"), object);
}

absl::Status MemberChanges::Result() const {
  if (failed_.empty()) return absl::OkStatus();
  // Scripts that see "no answer" try again; a refusal wants a person.
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  for (const absl::Status& status : failed_) {
    if (ExitCodeOf(status) != kUnavailable) code = status.code();
  }
  return absl::Status(
      code, absl::StrCat(failed_.size(), " of ", tried_,
                         " partitions not done; when the reason is gone, the "
                         "same command goes on"));
}

}  // namespace cli
