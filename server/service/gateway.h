// Gateway is the door between gRPC and the partitions of this node: every
// request passes it, and with it the Authorizer. No other code of the services
// reaches a partition.
//
// Thread-safe.

#ifndef SERVER_SERVICE_GATEWAY_H_
#define SERVER_SERVICE_GATEWAY_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "partition/caller.h"
#include "partition/executor.h"
#include "partition/partition.h"
#include "server/service/authorizer.h"
#include "server/service/error.h"
#include "server/service/forwarder.h"
#include "server/service/options.h"
#include "server/service/places.h"
#include "server/service/primitive_stream.h"
#include "server/service/stream_call.h"
#include "server/service/unary_call.h"

namespace server::service {

// Which partitions there are; partition::Host in a server.
struct Directory {
  // Null: not on this node.
  std::function<std::shared_ptr<partition::Partition>(base::PartitionId)> find;
  std::function<std::vector<std::shared_ptr<partition::Partition>>()>
      all;  // By id.
};

// What a node has of what it has only so much of, whatever door it is asked at.
struct NodePlaces {
  explicit NodePlaces(const Options& options)
      : query_streams(options.query_streams_max),
        watches(options.watches_max) {}

  Places query_streams;
  Places watches;
};

// Who comes in.
struct Door {
  // Passes on what other nodes lead; null: it is refused. Must outlive the
  // gateway.
  Forwarder* forwarder = nullptr;
  // Other nodes of the cluster: who they say asked them is believed.
  bool for_nodes = false;
  // Shared with the node's other doors; must outlive the gateway, and what took
  // a place. Null: there is no other door.
  NodePlaces* places = nullptr;
};

class Gateway {
 public:
  // The references must outlive it. `timer` runs what waits: held streams and
  // health watches.
  Gateway(const Options& options, Directory directory, Authorizer& authorizer,
          partition::Executor& timer, base::Clock& clock, Door door);
  // The door of clients, who are refused what is not here.
  Gateway(const Options& options, Directory directory, Authorizer& authorizer,
          partition::Executor& timer, base::Clock& clock)
      : Gateway(options, std::move(directory), authorizer, timer, clock,
                Door{}) {}

  // Takes a request where it belongs: to its partition here (a read to any
  // replica, a write to the leader), or, as `bytes`, to the node that leads it,
  // where it is checked whether it may. Null: it was passed on, or refused; the
  // call is taken care of.
  std::shared_ptr<partition::Partition> Route(
      const std::shared_ptr<UnaryCall>& call, const DecodedOperation& operation,
      absl::string_view bytes);

  // As Route, for a stream, whose outputs are numbered if it writes. One whose
  // partition has no leader waits for one (semantics 8.4).
  struct StreamRoute {
    std::shared_ptr<partition::Partition> here;
    // Null if it is for here; otherwise what takes care of the call.
    grpc::ServerWriteReactor<grpc::ByteBuffer>* reactor = nullptr;
  };
  StreamRoute RouteStream(grpc::CallbackServerContext& context,
                          const DecodedOperation& operation,
                          absl::string_view bytes, const ErrorProfile& profile);

  // The partition an operation is for, if it is here and its caller may. Who
  // keeps it over time keeps a weak_ptr: it may be removed from this node.
  partition::Reply<std::shared_ptr<partition::Partition>> Enter(
      const grpc::CallbackServerContext& context,
      const DecodedOperation& operation);

  // All partitions, for an operation about the node.
  partition::Reply<std::vector<std::shared_ptr<partition::Partition>>> EnterAll(
      const grpc::CallbackServerContext& context,
      const DecodedOperation& operation);

  // Refuses everything from now on, and ends all streams.
  void Close();
  bool closed() const { return closed_.load(); }

  // The node's stream queries, and its watches: each takes a place.
  Places& query_streams() { return places_.query_streams; }
  Places& watches() { return places_.watches; }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* RefuseWatch(
      grpc::CallbackServerContext& context);

  // Refuses a stream; one that may pass later is held first, unless another
  // node asks while this one stops: that one paces itself, and looks for the
  // next leader.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* RefuseStream(
      grpc::CallbackServerContext& context, partition::Refusal refusal,
      const ErrorProfile& profile);

  // For health, which everybody may ask. All partitions here are available;
  // this one is; nullopt: there is no such.
  bool AllServing() const;
  std::optional<bool> Serving(base::PartitionId id) const;

  const Options& options() const { return options_; }
  OpenStreams& streams() { return streams_; }
  StreamPace stream_pace() {
    return {
        .timer = timer_, .clock = clock_, .hold_ns = options_.stream_hold_ns};
  }
  partition::Executor& timer() { return timer_; }
  base::Clock& clock() { return clock_; }

 private:
  Caller CallerOf(const grpc::CallbackServerContext& context) const;
  // It is for another node: the partition, if it is here at all, cannot do it.
  bool IsForElsewhere(const DecodedOperation& operation) const;
  partition::Refusal Admit(const grpc::CallbackServerContext& context,
                           const DecodedOperation& operation);

  const Options options_;
  const Directory directory_;
  Authorizer& authorizer_;
  partition::Executor& timer_;
  base::Clock& clock_;
  const Door door_;
  OpenStreams streams_;
  std::atomic<bool> closed_ = false;
  NodePlaces own_places_;
  NodePlaces& places_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_GATEWAY_H_
