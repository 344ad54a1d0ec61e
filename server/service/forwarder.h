// Forwarder passes requests on to the node that leads their partition, so that
// a client may ask any node.
//
// A request travels as the call it is, to the same services on the other node's
// peer port, with its deadline; metadata says who asked (kCallerPeer). What is
// asked there is never passed on again, so a request makes one hop at most.
//
// Thread-safe.

#ifndef SERVER_SERVICE_FORWARDER_H_
#define SERVER_SERVICE_FORWARDER_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "partition/executor.h"
#include "server/service/error.h"
#include "server/service/stream_call.h"
#include "server/service/unary_call.h"
#include "server/transport/gate.h"
#include "server/transport/routes.h"

namespace server::service {

// Metadata of a forwarded request: the caller, as gRPC named it where it came
// in. Believed on the peer port only.
inline constexpr char kCallerPeer[] = "multiraft-caller-peer";
inline constexpr char kRequestId[] = "x-request-id";
inline constexpr char kTraceParent[] = "traceparent";

// How a failed forwarded call is told to its client. Without our metadata it
// was gRPC that failed: the outcome is unknown, unless the request was never
// sent.
Error ForwardedError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers,
    const transport::Route& route);

// The number of an output of a stream command; 0: it has none.
uint64_t OutputNumberOf(absl::string_view response);

class Forwarder {
 public:
  // The references must outlive it.
  Forwarder(const transport::Routes& routes, base::NodeId self,
            partition::Executor& timer, base::Clock& clock);
  // REQUIRES: stopped.
  ~Forwarder();

  // What a client asked for.
  struct Request {
    std::string method;  // "/atomix.multiraft.map.v1.Map/Put"
    std::string bytes;
    base::PartitionId partition;
  };

  // The leader's node, if it is known and another one.
  std::optional<transport::Route> Elsewhere(base::PartitionId partition) const;

  void Forward(const std::shared_ptr<UnaryCall>& call, Request request,
               const transport::Route& route);

  // Attaches to the leader's node, now or when there is one, which must be
  // within `hold_ns`. If it fails, so again and again; a stream of numbered
  // outputs goes on behind the last one that was passed on, another one ends if
  // anything was.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ForwardStream(
      grpc::CallbackServerContext& context, OpenStreams& streams,
      Request request, bool numbered, uint64_t hold_ns);

  // Cancels what is under way, and waits for it; what comes later is refused.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class ForwardedUnary;
  friend class ForwardedStream;
  friend class StreamAttempt;

  using Deadline = std::chrono::system_clock::time_point;

  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address)
      ABSL_LOCKS_EXCLUDED(mu_);
  // A call of gRPC's begins and ends; false: stopped.
  bool Enter(grpc::ClientContext& context) ABSL_LOCKS_EXCLUDED(mu_);
  void Forgotten(grpc::ClientContext& context) ABSL_LOCKS_EXCLUDED(mu_);

  const transport::Routes& routes_;
  const base::NodeId self_;
  partition::Executor& timer_;
  base::Clock& clock_;
  transport::Gate calls_;

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<grpc::ClientContext*> open_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDER_H_
