#include "absl/strings/str_cat.h"
#include "cli/exit_code.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

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
