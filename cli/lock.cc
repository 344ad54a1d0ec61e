#include <cstdint>
#include <stop_token>

#include "absl/strings/str_cat.h"
#include "cli/held.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::LockGuard;

void PrintToken(Run& run, uint64_t token) {
  Json object;
  object["name"] = run.operand(0);
  object["token"] = token;
  run.Print(absl::StrCat(token, "\n"), object);
}

absl::Status Acquire(Run& run) {
  ASSIGN_OR_RETURN(const auto limit, WaitLimit(run));
  ASSIGN_OR_RETURN(client::Lock lock, run.Open<client::Lock>(0));
  ASSIGN_OR_RETURN(LockGuard guard,
                   run.UntilInterrupt([&](std::stop_token stop) {
                     return lock.Acquire({.limit = limit, .stop = stop});
                   }));
  PrintToken(run, guard.fencing_token());
  const absl::Status held = HoldUntilInterrupt(run);
  // It goes with the session: at once if that is the command's own.
  std::move(guard).Leave();
  return held;
}

absl::Status Release(Run& run) {
  RETURN_IF_ERROR(WantsSession(run, "a lock goes with its session"));
  ASSIGN_OR_RETURN(client::Lock lock, run.Open<client::Lock>(0));
  RETURN_IF_ERROR(lock.Release());
  Json object;
  object["name"] = run.operand(0);
  object["released"] = true;
  run.Print("released\n", object);
  return absl::OkStatus();
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(client::Lock lock, run.Open<client::Lock>(0));
  ASSIGN_OR_RETURN(const uint64_t token, lock.Holder());
  PrintToken(run, token);
  return absl::OkStatus();
}

}  // namespace

const Group& LockGroup() {
  static const Group& group = *new Group{
      .name = "lock",
      .summary = "Locks: held by one session at a time",
      .details =
          "A lock is held by a session, until it is released or the session "
          "ends. What is\nprinted is the holder's fencing token, which is "
          "higher for every later holder.\nA lock is created when first used.",
      .verbs = {
          {.name = "acquire",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Wait for the lock, print its token, hold it until "
                      "Ctrl-C",
           .details = "With --session the session keeps the lock, and the "
                      "command ends when it has it.",
           .flags = WaitFlags(),
           .run = Acquire},
          {.name = "release",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Let go of a lock that --session holds",
           .run = Release},
          {.name = "get",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the token of the holder, or exit with 1",
           .run = Get},
      }};
  return group;
}

}  // namespace cli
