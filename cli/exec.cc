#include <errno.h>
#include <signal.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/mutex.h"
#include "cli/exit_code.h"
#include "cli/held.h"
#include "cli/run.h"
#include "cli/subprocess.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

// What may end the command before it ends by itself.
class Watch {
 public:
  struct Seen {
    bool interrupted = false;
    bool lost = false;
    bool ended = false;
    bool operator==(const Seen&) const = default;
  };

  void Interrupt() {
    base::MutexLock lock(mu_);
    seen_.interrupted = true;
    changed_.SignalAll();
  }
  void LoseSession() {
    base::MutexLock lock(mu_);
    seen_.lost = true;
    changed_.SignalAll();
  }
  void End() {
    base::MutexLock lock(mu_);
    seen_.ended = true;
    changed_.SignalAll();
  }

  // Returns when something has come that is not in `before`, or at
  // `deadline_ns`.
  Seen Await(const Seen& before, client::Timer& timer, int64_t deadline_ns) {
    base::MutexLock lock(mu_);
    while (seen_ == before && timer.NowNanos() < deadline_ns) {
      timer.WaitUntil(mu_, changed_, deadline_ns);
    }
    return seen_;
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  Seen seen_ ABSL_GUARDED_BY(mu_);
};

// Waits for the end of `command`. An interrupt is passed on; without the
// session, which nobody may be sure of any more when it was not refreshed for
// its timeout, it is told to end and then ended. Returns its exit code, or that
// the session was lost.
absl::StatusOr<int> Supervise(Subprocess& command, client::Session& session,
                              Watch& watch, absl::Duration kill_after) {
  client::Timer& timer = session.connection().timer();
  std::thread reaper([&] {
    command.AwaitEnd();
    watch.End();
  });
  Watch::Seen seen;
  bool is_lost = false;
  std::optional<int64_t> kill_ns;
  while (!seen.ended) {
    const Watch::Seen now =
        watch.Await(seen, timer, kill_ns.value_or(session.SureUntilNanos()));
    if (now.interrupted && !seen.interrupted) command.Send(SIGTERM);
    seen = now;
    const int64_t now_ns = timer.NowNanos();
    if (!kill_ns.has_value()) {
      is_lost = now.lost || now_ns >= session.SureUntilNanos();
      if (!is_lost || now.ended) continue;
      command.Send(SIGTERM);
      kill_ns = now_ns + absl::ToInt64Nanoseconds(kill_after);
    } else if (now_ns >= *kill_ns) {
      command.Send(SIGKILL);
      kill_ns = INT64_MAX;
    }
  }
  reaper.join();
  const int code = command.ExitCode();
  if (!is_lost) return code;
  const absl::Status why = session.status();
  return client::IsSessionLost(why)
             ? why
             : client::SessionLostError(
                   "the server was out of reach for the session's timeout: the "
                   "lock may be somebody else's");
}

absl::Status Exec(Run& run) {
  const Arguments& flags = run.flags();
  if (!flags.Has("lock")) return UsageError("--lock=NAME is missing");
  if (flags.Has("session")) {
    return UsageError("exec has a session of its own, without --session");
  }
  ASSIGN_OR_RETURN(const auto limit, WaitLimit(run));
  ASSIGN_OR_RETURN(const absl::Duration kill_after,
                   flags.Duration("kill-after", absl::Seconds(10)));
  ASSIGN_OR_RETURN(const uint64_t conflict,
                   flags.Number("conflict-exit-code", kRefused));
  if (conflict > 255) return UsageError("--conflict-exit-code: at most 255");
  ASSIGN_OR_RETURN(const absl::Duration session_timeout,
                   flags.Duration("session-timeout", absl::Seconds(60)));
  ASSIGN_OR_RETURN(const uint32_t partition, run.partition());
  ASSIGN_OR_RETURN(client::Connection * connection, run.connection());
  std::vector<std::string> command;
  for (size_t i = 0; run.has_operand(i); ++i) command.push_back(run.operand(i));

  Watch watch;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<client::Client> client,
      client::Client::Connect(
          absl::StrSplit(connection->options().server, ',', absl::SkipEmpty()),
          {.session_timeout = session_timeout,
           .call_timeout = connection->options().call_timeout,
           .on_session_lost = [&](uint32_t,
                                  const absl::Status&) { watch.LoseSession(); },
           .on_retry = connection->options().on_retry,
           .timer = connection->options().timer}));
  ASSIGN_OR_RETURN(const std::shared_ptr<client::Session> session,
                   client->SessionIn(partition));
  client::PrimitiveName name(flags.Text("lock", ""));
  name.space = flags.Text("namespace", "");
  name.profile = flags.Text("profile", "");
  ASSIGN_OR_RETURN(client::Lock lock, client::Lock::Open(*session, name));
  auto held = run.UntilInterrupt([&](std::stop_token stop) {
    return lock.Acquire({.limit = limit, .stop = stop});
  });
  if (absl::IsAborted(held.status())) {
    if (!run.json()) {
      run.err() << "multiraftctl: " << OneLine(held.status().message()) << "\n";
    }
    return ExitWith(static_cast<int>(conflict));
  }
  RETURN_IF_ERROR(held.status());

  return run.WhileInterruptible(
      [&] { watch.Interrupt(); },
      [&]() -> absl::Status {
        Subprocess process;
        const int failed = process.Start(
            command,
            {{"MULTIRAFT_LOCK", name.name},
             {"MULTIRAFT_LOCK_TOKEN", absl::StrCat(held->fencing_token())}});
        if (failed != 0) {
          run.err() << "multiraftctl: " << OneLine(command[0]) << ": "
                    << ErrorText(failed) << "\n";
          return ExitWith(failed == ENOENT ? 127 : 126);
        }
        const absl::StatusOr<int> code =
            Supervise(process, *session, watch, kill_after);
        if (!code.ok()) {
          std::move(*held).Leave();  // There is nothing to release.
          return code.status();
        }
        // The next in line need not wait for the end of the session.
        const absl::Status released = held->Release();
        if (!released.ok() && !run.json()) {
          run.err() << "multiraftctl: the lock could not be released: "
                    << OneLine(released.message()) << "\n";
        }
        return ExitWith(*code);
      });
}

}  // namespace

const Group& ExecGroup() {
  static const Group& group = *new Group{
      .name = "exec",
      .summary = "Run a command while holding a lock",
      .details = "",
      .verbs = {
          {.name = "",
           .operands = "-- COMMAND [ARGS ...]",
           .operands_min = 1,
           .operands_max = SIZE_MAX,
           .summary = "Run a command while holding the lock --lock",
           .details =
               "As flock(1) and `consul lock` do, across machines: waits for "
               "the lock, runs the\ncommand, lets go, and exits with the "
               "command's exit code.\n"
               "\n"
               "  multiraftctl exec --lock=backup --wait=10s -- "
               "/usr/local/bin/backup --full\n"
               "\n"
               "The command finds in its environment\n"
               "  MULTIRAFT_LOCK         the name of the lock\n"
               "  MULTIRAFT_LOCK_TOKEN   its fencing token, higher than that "
               "of every earlier\n"
               "                         holder: what the command works on "
               "should refuse a lower one\n"
               "\n"
               "The lock is lost with the session: when no server was within "
               "reach for\n--session-timeout, or somebody expired it. Then the "
               "command gets SIGTERM, after\n--kill-after SIGKILL, and the "
               "exit code is 4. SIGINT, SIGTERM and SIGHUP are passed\non to "
               "the command as SIGTERM, and it still has the lock; if "
               "multiraftctl itself is\nkilled, the command is, too.\n"
               "\n"
               "Exit codes of its own: 1 the lock was not to be had "
               "(--conflict-exit-code), 3 no\nserver answers, 4 the session "
               "was lost, 126 and 127 the command cannot be run or is\nnot "
               "there, 128 + N signal N ended it. --server takes several, "
               "with commas.",
           .flags = {{"lock", "NAME", "The lock; created when first used"},
                     {"wait", "DURATION",
                      "Wait so long at most; default without limit"},
                     {"no-wait", "", "Do not wait"},
                     {"conflict-exit-code", "N",
                      "If the lock is not to be had; default 1"},
                     {"kill-after", "DURATION",
                      "Between SIGTERM and SIGKILL; default 10s"}},
           .run = Exec},
      }};
  return group;
}

}  // namespace cli
