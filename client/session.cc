#include "client/session.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "base/bloom.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/call.h"
#include "client/status.h"
#include "grpcpp/client_context.h"

namespace client {
namespace {

namespace api = atomix::multiraft::v1;

void SetDuration(int64_t ns, google::protobuf::Duration* duration) {
  duration->set_seconds(ns / 1'000'000'000);
  duration->set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
}

void FillInput(const Progress& progress, api::KeepAliveInput& input) {
  input.set_input_filter(base::BloomJson(base::BuildBloom(progress.open)));
  input.set_last_input_sequence_num(progress.last_sequence);
  for (const auto& [sequence, output] : progress.received) {
    (*input.mutable_last_output_sequence_nums())[sequence] = output;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Open(
    Connection& connection, const SessionOptions& options) {
  const int64_t timeout_ns = absl::ToInt64Nanoseconds(options.timeout);
  api::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(options.partition);
  SetDuration(timeout_ns, request.mutable_input()->mutable_timeout());
  api::OpenSessionResponse response;

  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos(),
                         .retry_server_timeouts = true});
  int64_t sent_ns = 0;
  while (true) {
    grpc::ClientContext context;
    RETURN_IF_ERROR(call.Begin(context));
    // The server counts from when it gets this, so later than now.
    sent_ns = connection.timer().NowNanos();
    const auto stub = api::Partition::NewStub(call.channel());
    const grpc::Status status = stub->OpenSession(&context, request, &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    RETURN_IF_ERROR(*end);
    break;
  }
  if (response.output().session_id() == 0) {
    return absl::InternalError("OpenSession gave no session id");
  }
  std::unique_ptr<Session> session(
      new Session(connection, Kind::kOwned, response.output().session_id(),
                  options.partition, options.timeout, /*last_sequence=*/0,
                  sent_ns, options.on_lost));
  session->Observe(response.headers().index());
  if (options.keep_alive) session->StartKeepAlives();
  return session;
}

std::unique_ptr<Session> Session::Attach(Connection& connection, uint64_t id,
                                         const AttachOptions& options) {
  CHECK_GT(options.first_sequence, 0u);
  std::unique_ptr<Session> session(
      new Session(connection, Kind::kAttached, id, options.partition,
                  options.timeout, options.first_sequence - 1,
                  connection.timer().NowNanos(), /*on_lost=*/nullptr));
  if (options.keep_alive) session->StartKeepAlives();
  return session;
}

Session::Session(Connection& connection, Kind kind, uint64_t id,
                 uint32_t partition, absl::Duration timeout,
                 uint64_t last_sequence, int64_t opened_ns,
                 std::function<void(const absl::Status&)> on_lost)
    : connection_(connection),
      kind_(kind),
      id_(id),
      partition_(partition),
      timeout_ns_(absl::ToInt64Nanoseconds(timeout)),
      on_lost_(std::move(on_lost)),
      due_ns_(opened_ns + timeout_ns_ / 4),
      refreshed_ns_(opened_ns),
      observed_index_(id),
      requests_(last_sequence) {}

Session::~Session() {
  {
    base::MutexLock lock(mu_);
    if (state_ == State::kOpen) {
      EndLocked(State::kClosed, absl::CancelledError(absl::StrCat(
                                    "session ", id_, " was let go")));
    }
  }
  StopKeepAlives();
  base::MutexLock lock(mu_);
  CHECK(calls_.empty()) << "session " << id_ << " is still in use";
}

absl::Duration Session::timeout() const {
  return absl::Nanoseconds(timeout_ns_);
}

absl::Status Session::status() const {
  base::MutexLock lock(mu_);
  return ended_;
}

int64_t Session::SureUntilNanos() const {
  base::MutexLock lock(mu_);
  return refreshed_ns_ + timeout_ns_;
}

absl::Status Session::Close() {
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kOpen) return absl::OkStatus();
    EndLocked(State::kClosed, absl::CancelledError(
                                  absl::StrCat("session ", id_, " is closed")));
  }
  StopKeepAlives();

  api::CloseSessionRequest request;
  request.mutable_headers()->set_partition_id(partition_);
  request.mutable_input()->set_session_id(id_);
  Call call(connection_, {.deadline_ns = connection_.CallDeadlineNanos(),
                          .retry_server_timeouts = true});
  while (true) {
    grpc::ClientContext context;
    api::CloseSessionResponse response;
    RETURN_IF_ERROR(call.Begin(context));
    const auto stub = api::Partition::NewStub(call.channel());
    const grpc::Status status =
        stub->CloseSession(&context, request, &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    // Expired before, or the answer of an earlier attempt was lost.
    if (SaysSessionIsGone(*end)) return absl::OkStatus();
    return *end;
  }
}

absl::Status Session::KeepAlive() {
  return KeepAliveUntil(connection_.CallDeadlineNanos());
}

absl::Status Session::KeepAliveUntil(int64_t deadline_ns) {
  Call call(connection_, {.deadline_ns = deadline_ns});
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kOpen) return ended_;
    calls_.insert(&call);
  }
  absl::Status result;
  while (true) {
    grpc::ClientContext context;
    result = call.Begin(context);
    if (!result.ok()) break;
    // Each attempt says what is true now.
    Progress progress;
    if (kind_ == Kind::kOwned) {
      base::MutexLock lock(mu_);
      progress = requests_.Now();
    }
    api::KeepAliveRequest request;
    request.mutable_headers()->set_partition_id(partition_);
    request.mutable_input()->set_session_id(id_);
    FillInput(progress, *request.mutable_input());
    api::KeepAliveResponse response;
    const int64_t sent_ns = connection_.timer().NowNanos();
    const auto stub = api::Partition::NewStub(call.channel());
    const grpc::Status status = stub->KeepAlive(&context, request, &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    result = *end;
    if (result.ok()) {
      Observe(response.headers().index());
      base::MutexLock lock(mu_);
      requests_.Reported(progress);
      due_ns_ = std::max(due_ns_, sent_ns + period_ns());
      refreshed_ns_ = std::max(refreshed_ns_, sent_ns);
    }
    break;
  }
  {
    base::MutexLock lock(mu_);
    calls_.erase(&call);
  }
  // Here even a plain refusal means that nothing keeps the session alive.
  if (SaysSessionIsGone(result) ||
      result.code() == absl::StatusCode::kPermissionDenied) {
    return Lose(result);
  }
  return result;
}

void Session::StartKeepAlives() {
  keep_alives_ = std::thread([this] { KeepAliveLoop(); });
}

void Session::StopKeepAlives() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (keep_alives_.joinable()) keep_alives_.join();
}

void Session::KeepAliveLoop() {
  Timer& timer = connection_.timer();
  while (true) {
    int64_t sent_ns = 0;
    {
      base::MutexLock lock(mu_);
      while (!stopping_ && state_ == State::kOpen &&
             timer.NowNanos() < due_ns_) {
        timer.WaitUntil(mu_, changed_, due_ns_);
      }
      if (stopping_ || state_ != State::kOpen) return;
      sent_ns = timer.NowNanos();
    }
    // Retries fill the time until the next one is due anyway. How it ended is
    // in the state: a session that cannot be refreshed now may be alive, since
    // the server gives every session its full time again after an outage.
    KeepAliveUntil(sent_ns + std::max<int64_t>(period_ns(), 1)).IgnoreError();
    base::MutexLock lock(mu_);
    due_ns_ = std::max(due_ns_, sent_ns + period_ns());
  }
}

absl::StatusOr<uint64_t> Session::Start(Call& call) {
  base::MutexLock lock(mu_);
  if (state_ != State::kOpen) return ended_;
  calls_.insert(&call);
  return requests_.Start();
}

void Session::Received(uint64_t sequence, uint64_t output) {
  base::MutexLock lock(mu_);
  requests_.Received(sequence, output);
}

void Session::Finish(uint64_t sequence, Call& call) {
  base::MutexLock lock(mu_);
  requests_.Finish(sequence);
  calls_.erase(&call);
}

void Session::Observe(uint64_t index) {
  base::MutexLock lock(mu_);
  observed_index_ = std::max(observed_index_, index);
}

uint64_t Session::observed_index() const {
  base::MutexLock lock(mu_);
  return observed_index_;
}

absl::Status Session::Lose(const absl::Status& answer) {
  absl::Status lost;
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kOpen) return ended_;
    lost = SessionLostError(absl::StrCat("session ", id_, " of partition ",
                                         partition_,
                                         " is gone: ", answer.message()));
    EndLocked(State::kLost, lost);
  }
  if (on_lost_) on_lost_(lost);
  return lost;
}

void Session::EndLocked(State state, absl::Status why) {
  state_ = state;
  ended_ = std::move(why);
  for (Call* call : calls_) call->Cancel(ended_);
  changed_.SignalAll();
}

}  // namespace client
