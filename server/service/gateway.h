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
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "partition/caller.h"
#include "partition/executor.h"
#include "partition/partition.h"
#include "server/service/authorizer.h"
#include "server/service/options.h"
#include "server/service/primitive_stream.h"
#include "server/service/stream_call.h"

namespace server::service {

// Which partitions there are; partition::Host in a server.
struct Directory {
  // Null: not on this node.
  std::function<partition::Partition*(base::PartitionId)> find;
  std::function<std::vector<partition::Partition*>()> all;  // By id.
};

class Gateway {
 public:
  // The references must outlive it. `timer` runs what waits: held streams and
  // health watches.
  Gateway(const Options& options, Directory directory, Authorizer& authorizer,
          partition::Executor& timer, base::Clock& clock);

  // The partition an operation is for, if its caller may.
  partition::Reply<partition::Partition*> Enter(
      const grpc::CallbackServerContext& context,
      const DecodedOperation& operation);

  // All partitions, for an operation about the node.
  partition::Reply<std::vector<partition::Partition*>> EnterAll(
      const grpc::CallbackServerContext& context,
      const DecodedOperation& operation);

  // Refuses everything from now on, and ends all streams.
  void Close();
  bool closed() const { return closed_.load(); }

  // Refuses a stream; one that may pass later is held first.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* RefuseStream(
      grpc::CallbackServerContext& context, partition::Refusal refusal);

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
  partition::Refusal Admit(const grpc::CallbackServerContext& context,
                           const DecodedOperation& operation);

  const Options options_;
  const Directory directory_;
  Authorizer& authorizer_;
  partition::Executor& timer_;
  base::Clock& clock_;
  OpenStreams streams_;
  std::atomic<bool> closed_ = false;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_GATEWAY_H_
