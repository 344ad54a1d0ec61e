// Call is one logical RPC, however many attempts it takes: it waits between
// them, ends them at its deadline, and can be cancelled from any thread.
//
//   Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
//   while (true) {
//     grpc::ClientContext context;
//     RETURN_IF_ERROR(call.Begin(context));
//     const auto stub = api::Map::NewStub(call.channel());
//     const grpc::Status status = stub->Get(&context, request, &response);
//     if (const auto end = call.End(status, context)) return *end;
//   }
//
// UNAVAILABLE is tried again, at the server that the connection's route then
// picks; everything else is an answer. (One that says "not proposed" says
// nothing of the attempts before it.) Whether an attempt
// may be repeated at all (a sequence number makes it so) is the caller's
// matter.
//
// Driven by one thread; Cancel is for the others.

#ifndef CLIENT_CALL_H_
#define CLIENT_CALL_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/route.h"

namespace grpc {
class ChannelInterface;
class ClientContext;
class Status;
}  // namespace grpc

namespace client {

struct CallLimits {
  // On the connection's timer.
  int64_t deadline_ns = std::numeric_limits<int64_t>::max();

  // DEADLINE_EXCEEDED before our own deadline is tried again too: the server
  // says so where it does not know the outcome and there is no number.
  bool retry_server_timeouts = false;

  // A failure leaves open whether the call had an effect (IsOutcomeUnknown).
  bool is_command = false;
};

class Call {
 public:
  // `connection` outlives the call.
  Call(Connection& connection, CallLimits limits);

  // Waits until the next attempt is due and prepares its context. An error ends
  // the call: cancelled, or the deadline has passed.
  absl::Status Begin(grpc::ClientContext& context);

  // Where the attempt of the last Begin goes. For the thread that drives.
  const std::shared_ptr<grpc::ChannelInterface>& channel() const {
    return server_->channel();
  }

  // Some attempt may have reached a server that took it. For the thread that
  // drives, between attempts.
  bool maybe_taken() const;

  // The attempt of the last Begin is over. Returns how the call ended, or
  // nothing if it is to be tried again.
  std::optional<absl::Status> End(const grpc::Status& status,
                                  const grpc::ClientContext& context);

  // The attempt under way is of no use and was ended by us because of
  // `failure`: the next one follows after the usual wait.
  void Abandon(absl::Status failure);

  // The attempt under way has brought something: a later failure is the first.
  void Progressed();

  // Ends the call with `why` as soon as it can be. The first cancel wins.
  // Thread-safe; the attempt's context must live until End or Abandon.
  void Cancel(absl::Status why);

 private:
  // Gives a broken channel some time to connect.
  void AwaitConnection() ABSL_LOCKS_EXCLUDED(mu_);
  std::string address() const;
  absl::Status DeadlineError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Final(absl::Status status) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t PlanRetry(absl::Status failure, int64_t at_least_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Connection& connection_;  // Constant after construction.
  const CallLimits limits_;

  // The thread that drives: where the last attempt went; null before the first.
  std::shared_ptr<const Server> server_;

  mutable base::Mutex mu_;  // Held briefly; never across an attempt.
  base::CondVar changed_;
  Backoff backoff_ ABSL_GUARDED_BY(mu_);
  int64_t next_attempt_ns_ ABSL_GUARDED_BY(mu_) = 0;
  // Of the attempt under way, else null.
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  absl::Status cancelled_ ABSL_GUARDED_BY(mu_);     // OK: it is not.
  absl::Status last_failure_ ABSL_GUARDED_BY(mu_);  // OK: none yet.
  // Some attempt may have reached a server that took it.
  bool maybe_taken_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace client

#endif  // CLIENT_CALL_H_
