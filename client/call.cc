#include "client/call.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/status.h"
#include "grpc/support/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace client {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// How long an attempt waits for a connection before it fails without one, and
// how long a cancel may go unnoticed meanwhile.
constexpr int kConnectSlices = 10;
constexpr int64_t kConnectSliceNs = 50'000'000;

// The same failure, saying whom we asked.
absl::Status From(const std::string& server, const absl::Status& failure) {
  return absl::Status(failure.code(),
                      absl::StrCat(server, ": ", failure.message()));
}

}  // namespace

Call::Call(Connection& connection, CallLimits limits)
    : connection_(connection),
      limits_(limits),
      backoff_(connection.NewBackoff()) {}

absl::Status Call::Begin(grpc::ClientContext& context) {
  Timer& timer = connection_.timer();
  bool is_retry = false;
  {
    base::MutexLock lock(mu_);
    is_retry = next_attempt_ns_ != 0;
    while (cancelled_.ok() && timer.NowNanos() < next_attempt_ns_) {
      timer.WaitUntil(mu_, changed_, next_attempt_ns_);
    }
  }
  const std::shared_ptr<const Server> before =
      std::exchange(server_, connection_.route().Pick());
  // Another server is not waited for: there may be a third.
  if (is_retry && before == server_) AwaitConnection();
  base::MutexLock lock(mu_);
  if (!cancelled_.ok()) return Final(cancelled_);
  const int64_t now_ns = timer.NowNanos();
  if (now_ns >= limits_.deadline_ns) return DeadlineError();
  if (limits_.deadline_ns != kNever) {
    context.set_deadline(gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC),
        gpr_time_from_nanos(limits_.deadline_ns - now_ns, GPR_TIMESPAN)));
  }
  context_ = &context;
  return absl::OkStatus();
}

void Call::AwaitConnection() {
  // gRPC reads its sockets while somebody waits in it. A call on a broken
  // channel fails at once, so without this a new connection could be made and
  // not be noticed for seconds.
  for (int i = 0; i < kConnectSlices; ++i) {
    {
      base::MutexLock lock(mu_);
      if (!cancelled_.ok() ||
          connection_.timer().NowNanos() >= limits_.deadline_ns) {
        return;
      }
    }
    const gpr_timespec slice_end =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_nanos(kConnectSliceNs, GPR_TIMESPAN));
    if (channel()->WaitForConnected(slice_end)) return;
  }
}

std::optional<absl::Status> Call::End(const grpc::Status& status,
                                      const grpc::ClientContext& context) {
  int64_t wait_ns = 0;
  AttemptEnd end = ReadEnd(status, context);
  if (end.status.code() == absl::StatusCode::kUnavailable) {
    connection_.route().Failed(
        *server_, {.answered = end.answered, .leader = end.leader});
  }
  {
    base::MutexLock lock(mu_);
    context_ = nullptr;
    if (end.status.ok()) return absl::OkStatus();
    if (!end.not_proposed) maybe_taken_ = true;
    if (!cancelled_.ok()) return Final(cancelled_);
    const bool late = connection_.timer().NowNanos() >= limits_.deadline_ns;
    const absl::StatusCode code = end.status.code();
    if (code == absl::StatusCode::kDeadlineExceeded) {
      if (late) return DeadlineError();
      // The server waited for something, and says for what.
      if (!limits_.retry_server_timeouts) {
        return Final(From(address(), end.status));
      }
    } else if (code != absl::StatusCode::kUnavailable) {
      // An answer: the outcome is known, unless it is that of this attempt
      // alone, and one before it may have been taken.
      return end.not_proposed ? Final(end.status) : end.status;
    }
    wait_ns = PlanRetry(end.status, end.retry_after_ns);
    if (next_attempt_ns_ >= limits_.deadline_ns) {
      return Final(From(address(), end.status));
    }
  }
  if (connection_.options().on_retry) {
    connection_.options().on_retry(From(address(), end.status),
                                   absl::Nanoseconds(wait_ns));
  }
  return std::nullopt;
}

void Call::Abandon(absl::Status failure) {
  base::MutexLock lock(mu_);
  context_ = nullptr;
  PlanRetry(std::move(failure), 0);
}

void Call::Progressed() {
  base::MutexLock lock(mu_);
  backoff_.Reset();
}

void Call::Cancel(absl::Status why) {
  base::MutexLock lock(mu_);
  if (!cancelled_.ok()) return;
  cancelled_ = std::move(why);
  if (context_ != nullptr) context_->TryCancel();
  changed_.SignalAll();
}

bool Call::maybe_taken() const {
  base::MutexLock lock(mu_);
  return maybe_taken_;
}

std::string Call::address() const {
  return server_ == nullptr ? connection_.options().server : server_->address();
}

absl::Status Call::DeadlineError() const {
  const std::string server = address();
  if (last_failure_.ok()) {
    return Final(absl::DeadlineExceededError(
        absl::StrCat(server, ": no answer in time")));
  }
  return Final(absl::DeadlineExceededError(
      absl::StrCat(server, ": no answer in time; the last attempt said: ",
                   last_failure_.message())));
}

absl::Status Call::Final(absl::Status status) const {
  if (!limits_.is_command || !maybe_taken_) return status;
  return WithUnknownOutcome(std::move(status));
}

int64_t Call::PlanRetry(absl::Status failure, int64_t at_least_ns) {
  const int64_t wait_ns = backoff_.NextNanos(at_least_ns);
  next_attempt_ns_ = connection_.timer().NowNanos() + wait_ns;
  last_failure_ = std::move(failure);
  return wait_ns;
}

}  // namespace client
