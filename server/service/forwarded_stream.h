// ForwardedStream is a client's stream whose outputs come from another node:
// from one StreamAttempt after the other, until one ends for good.
//
// An output makes one way: the attempt reads it (Received), the client takes it
// (Writable), the attempt reads the next one. If the client leaves, or the
// stream is ended here, nobody takes it: then Gone comes, once, and cancels the
// attempt. Nothing is begun behind that.
//
// Thread-safe, as every StreamCall.

#ifndef SERVER_SERVICE_FORWARDED_STREAM_H_
#define SERVER_SERVICE_FORWARDED_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "partition/executor.h"
#include "server/service/error.h"
#include "server/service/forwarded_request.h"
#include "server/service/luggage.h"
#include "server/service/outbound_calls.h"
#include "server/service/stream_attempt.h"
#include "server/service/stream_call.h"
#include "server/transport/routes.h"

namespace server::service {

// What streams to other nodes use; it outlives them.
struct Outbound {
  const transport::Routes& routes;
  OutboundCalls& calls;
  partition::Executor& timer;
  base::Clock& clock;
};

class ForwardedStream final : public StreamCall,
                              public StreamAttempt::Listener {
 public:
  struct Wanted {
    ForwardedRequest request;
    // Its outputs have numbers: it goes on behind the last one that was passed
    // on. Another stream ends if anything was.
    bool numbered = false;
    // A leader must be found within.
    uint64_t hold_ns = 0;
  };

  ForwardedStream(grpc::CallbackServerContext& context, OpenStreams& streams,
                  const Outbound& outbound, Wanted wanted)
      : StreamCall(context, streams),
        outbound_(outbound),
        luggage_(context),
        wanted_(std::move(wanted)) {}

  // Looks for the leader, and attaches to it.
  void Attach() ABSL_LOCKS_EXCLUDED(mu_);

  // StreamAttempt::Listener:
  void Received(StreamAttempt& attempt, absl::string_view output) override
      ABSL_LOCKS_EXCLUDED(mu_);
  void Ended(const Error& error) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Writable() override ABSL_LOCKS_EXCLUDED(mu_);
  void Gone() override ABSL_LOCKS_EXCLUDED(mu_);
  // False: a leader was looked for too long.
  bool AttachLater() ABSL_LOCKS_EXCLUDED(mu_);
  // False: the client has this output.
  bool IsNew(absl::string_view output) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Outbound outbound_;
  const Luggage luggage_;
  const Wanted wanted_;

  base::Mutex mu_;
  StreamAttempt* attempt_ ABSL_GUARDED_BY(mu_) = nullptr;  // Null once ended.
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  bool passed_any_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;  // Passed on.
  std::optional<int64_t> attached_ns_ ABSL_GUARDED_BY(mu_);
  std::optional<int64_t> failing_since_ns_ ABSL_GUARDED_BY(mu_);
};

// The number of an output of a stream command; 0: it has none.
uint64_t OutputNumberOf(absl::string_view response);

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDED_STREAM_H_
