#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "cli/arguments.h"
#include "cli/cluster.h"
#include "cli/exit_code.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

absl::StatusOr<client::Session*> OfOperand(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t id, ParseUnsigned("ID", run.operand(0)));
  if (id == 0) return UsageError("ID: 0 is no session");
  return run.AttachSession(id, /*keep_alive=*/false);
}

Json ToJson(const client::Session& session) {
  Json object;
  object["session"] = session.id();
  object["partition"] = session.partition();
  return object;
}

absl::Status Open(Run& run) {
  ASSIGN_OR_RETURN(client::Session * session, run.OpenSession());
  Json object = ToJson(*session);
  object["timeout_ms"] = absl::ToInt64Milliseconds(session->timeout());
  run.Print(absl::StrCat(session->id(), "\n"), object);
  run.out().flush();
  if (run.flags().Has("keep")) return run.AwaitInterrupt();
  run.LeaveSessionOpen();
  return absl::OkStatus();
}

absl::Status KeepAlive(Run& run) {
  ASSIGN_OR_RETURN(client::Session * session, OfOperand(run));
  RETURN_IF_ERROR(session->KeepAlive());
  Json object = ToJson(*session);
  object["alive"] = true;
  run.Print(absl::StrCat("session ", session->id(), " is alive\n"), object);
  return absl::OkStatus();
}

absl::Status Close(Run& run) {
  ASSIGN_OR_RETURN(client::Session * session, OfOperand(run));
  // Closing says nothing about a session that is gone already.
  RETURN_IF_ERROR(session->KeepAlive());
  RETURN_IF_ERROR(session->Close());
  Json object = ToJson(*session);
  object["closed"] = true;
  run.Print(absl::StrCat("session ", session->id(), " is closed\n"), object);
  return absl::OkStatus();
}

// The partitions that the line is about: that of --partition, else all.
absl::StatusOr<std::vector<uint32_t>> PartitionsOf(Run& run,
                                                   const ClusterView& view) {
  if (run.flags().Has("partition")) {
    ASSIGN_OR_RETURN(const uint32_t one, run.partition());
    return std::vector<uint32_t>{one};
  }
  const std::set<uint32_t> all = AllPartitions(view);
  return std::vector<uint32_t>(all.begin(), all.end());
}

// Asks the leader of a partition, page by page, for the sessions with ids above
// `after`; `visit` may return false to end it.
absl::Status ForEachSession(
    Run& run, const ClusterView& view, uint32_t partition, uint64_t after,
    uint32_t page, absl::FunctionRef<bool(const admin::SessionStatus&)> visit) {
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
  while (true) {
    ASSIGN_OR_RETURN(const admin::ListSessionsResponse response,
                     client::ListSessions(connection, partition, after, page));
    for (const admin::SessionStatus& one : response.sessions()) {
      if (!visit(one)) return absl::OkStatus();
      after = one.session_id();
    }
    if (!response.more() || response.sessions().empty()) {
      return absl::OkStatus();
    }
  }
}

Json ToJson(uint32_t partition, const admin::SessionStatus& session) {
  Json object;
  object["session"] = session.session_id();
  object["partition"] = partition;
  object["timeout_ms"] = session.timeout_ms();
  object["expires_in_ms"] = session.expires_in_ms();
  object["open_commands"] = session.open_commands();
  object["cached_bytes"] = session.cached_bytes();
  return object;
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t limit,
                   run.flags().Number("limit", UINT64_MAX));
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> partitions,
                   PartitionsOf(run, view));
  std::vector<std::vector<std::string>> rows = {
      {"SESSION", "PARTITION", "TIMEOUT", "EXPIRES IN", "OPEN", "CACHED"}};
  uint64_t left = limit;
  for (const uint32_t partition : partitions) {
    if (left == 0) break;
    RETURN_IF_ERROR(ForEachSession(
        run, view, partition, /*after=*/0, /*page=*/1000,
        [&](const admin::SessionStatus& one) {
          if (run.json()) {
            run.Print("", ToJson(partition, one));
          } else {
            rows.push_back(
                {absl::StrCat(one.session_id()), absl::StrCat(partition),
                 Age(one.timeout_ms()), Age(one.expires_in_ms()),
                 absl::StrCat(one.open_commands()), Bytes(one.cached_bytes())});
          }
          return --left > 0;
        }));
  }
  if (run.json()) return absl::OkStatus();
  run.out() << (rows.size() == 1 ? "(no sessions)\n" : Table(rows));
  return absl::OkStatus();
}

absl::Status Show(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t id, ParseUnsigned("ID", run.operand(0)));
  if (id == 0) return UsageError("ID: 0 is no session");
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> partitions,
                   PartitionsOf(run, view));
  bool found = false;
  for (const uint32_t partition : partitions) {
    RETURN_IF_ERROR(ForEachSession(
        run, view, partition, id - 1, /*page=*/1,
        [&](const admin::SessionStatus& one) {
          if (one.session_id() != id) return false;
          found = true;
          run.Print(absl::StrCat("session        ", id, "\npartition      ",
                                 partition, "\ntimeout        ",
                                 Age(one.timeout_ms()), "\nexpires in     ",
                                 Age(one.expires_in_ms()), "\nopen commands  ",
                                 one.open_commands(), "\ncached         ",
                                 Bytes(one.cached_bytes()), "\n"),
                    ToJson(partition, one));
          return false;
        }));
  }
  if (found) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no session ", id));
}

absl::Status Expire(Run& run) {
  std::vector<uint64_t> ids;
  for (size_t i = 0; run.has_operand(i); ++i) {
    ASSIGN_OR_RETURN(ids.emplace_back(), ParseUnsigned("ID", run.operand(i)));
    if (ids.back() == 0) return UsageError("ID: 0 is no session");
  }
  absl::Status result;
  for (const uint64_t id : ids) {
    ASSIGN_OR_RETURN(client::Session * session,
                     run.AttachSession(id, /*keep_alive=*/false));
    // Closing says nothing about a session that is gone already.
    absl::Status ended = session->KeepAlive();
    if (ended.ok()) ended = session->Close();
    if (!ended.ok()) {
      if (result.ok()) result = ended;
      continue;
    }
    Json object = ToJson(*session);
    object["expired"] = true;
    run.Print(absl::StrCat("session ", id, " is expired\n"), object);
  }
  return result;
}

}  // namespace

const Group& SessionGroup() {
  static const Group& group = *new Group{
      .name = "session",
      .summary = "Sessions: what commands are applied once in",
      .details =
          "Every command opens a session of its own and closes it. To see what "
          "a session\ndoes, open one and name it: a number that is used again "
          "gets its first answer.\n"
          "\n"
          "  multiraftctl session open                 # prints 17, say\n"
          "  multiraftctl counter inc c --session=17 --sequence=1   # 1\n"
          "  multiraftctl counter inc c --session=17 --sequence=1   # still 1\n"
          "\n"
          "Such a command takes two numbers: N to open the counter, N + 1 to "
          "count.",
      .verbs = {
          {.name = "list",
           .summary = "List the sessions that are open",
           .details = "Of all partitions, or that of --partition, as their "
                      "leaders have them. EXPIRES IN is\nhow long it may go "
                      "unheard of; OPEN counts the calls that wait and the "
                      "event\nstreams, CACHED what is kept for it to ask "
                      "again.",
           .flags = {{"limit", "N", "At most so many"}},
           .run = List},
          {.name = "show",
           .operands = "ID",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print what is known of a session, or exit with 1",
           .details = "Numbers are of a partition: without --partition, of "
                      "each that has it.",
           .run = Show},
          {.name = "expire",
           .operands = "ID [ID ...]",
           .operands_min = 1,
           .operands_max = SIZE_MAX,
           .summary = "End sessions of others, as if they had timed out",
           .details =
               "Of the partition --partition. Each is closed in its client's "
               "name, through the log:\nits streams end, its locks and "
               "candidacies pass on, data stays. Its client learns\nof it by "
               "its next call, and opens a new one if it is made so. Until "
               "then it may\nbelieve that it holds what it held: that is what "
               "fencing tokens are for.",
           .run = Expire},
          {.name = "open",
           .summary = "Open a session and print its id",
           .flags = {{"keep", "",
                      "Stay, keep it alive, and close it at Ctrl-C"}},
           .run = Open},
          {.name = "keepalive",
           .operands = "ID",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Start the timeout of a session anew",
           .run = KeepAlive},
          {.name = "close",
           .operands = "ID",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "End a session",
           .details = "Its streams end and its locks pass on; data stays.",
           .run = Close},
      }};
  return group;
}

}  // namespace cli
