// PrimitiveStream carries the outputs of a stream operation to its client: the
// partition writes one when the client has taken the one before.
//
// Thread-safe: gRPC, the partition's worker and the opener use it.

#ifndef SERVER_SERVICE_PRIMITIVE_STREAM_H_
#define SERVER_SERVICE_PRIMITIVE_STREAM_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "partition/executor.h"
#include "partition/partition.h"
#include "server/service/envelope.h"
#include "server/service/error.h"
#include "server/service/stream_call.h"

namespace server::service {

// How long a stream lives at least before it ends with Unavailable: a driver
// opens it again at once, and would do nothing else (semantics 8.4). Both
// references outlive the call.
struct StreamPace {
  partition::Executor& timer;
  base::Clock& clock;
  uint64_t hold_ns = 0;
};

class PrimitiveStream : public StreamCall, public partition::StreamSink {
 public:
  // `place`, if any, is given back with it.
  PrimitiveStream(grpc::CallbackServerContext& context, OpenStreams& streams,
                  const ErrorProfile& profile,
                  std::weak_ptr<partition::Partition> partition,
                  HeaderKind kind, const StreamPace& pace,
                  std::shared_ptr<const void> place)
      : StreamCall(context, streams, profile),
        partition_(std::move(partition)),
        kind_(kind),
        pace_(pace),
        started_ns_(pace.clock.MonotonicNanos()),
        place_(std::move(place)) {}

  // The partition's name of the stream that was opened with this sink. Its
  // outputs may come before its name.
  void Opened(partition::StreamId id) ABSL_LOCKS_EXCLUDED(mu_);

  // partition::StreamSink:
  void Write(session::CommandOutput output) override;
  void End(partition::Refusal refusal) override;

 private:
  void Writable() override;
  void Gone() override;
  void TellWritable(partition::StreamId id);
  void TellClosed(partition::StreamId id);

  // It ends the stream before it goes.
  const std::weak_ptr<partition::Partition> partition_;
  const HeaderKind kind_;
  const StreamPace pace_;
  const int64_t started_ns_;
  std::shared_ptr<const void> place_;  // Until Gone.

  base::Mutex mu_;
  bool opened_ ABSL_GUARDED_BY(mu_) = false;
  bool writable_ ABSL_GUARDED_BY(mu_) = false;  // Said so before opened_.
  bool ended_ ABSL_GUARDED_BY(mu_) = false;     // By the partition.
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  partition::StreamId id_ ABSL_GUARDED_BY(mu_){};
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PRIMITIVE_STREAM_H_
