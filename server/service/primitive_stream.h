// PrimitiveStream carries the outputs of a stream operation to its client: the
// partition writes one when the client has taken the one before.
//
// Thread-safe: gRPC, the partition's worker and the opener use it.

#ifndef SERVER_SERVICE_PRIMITIVE_STREAM_H_
#define SERVER_SERVICE_PRIMITIVE_STREAM_H_

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "partition/partition.h"
#include "server/service/envelope.h"
#include "server/service/stream_call.h"

namespace server::service {

class PrimitiveStream : public StreamCall, public partition::StreamSink {
 public:
  // `partition` must outlive the call.
  PrimitiveStream(grpc::CallbackServerContext& context, OpenStreams& streams,
                  partition::Partition& partition, HeaderKind kind)
      : StreamCall(context, streams), partition_(partition), kind_(kind) {}

  // The partition's name of the stream that was opened with this sink. Its
  // outputs may come before its name.
  void Opened(partition::StreamId id) ABSL_LOCKS_EXCLUDED(mu_);

  // partition::StreamSink:
  void Write(session::CommandOutput output) override;
  void End(partition::Refusal refusal) override;

 private:
  void Writable() override;
  void Gone() override;

  partition::Partition& partition_;
  const HeaderKind kind_;

  base::Mutex mu_;
  bool opened_ ABSL_GUARDED_BY(mu_) = false;
  bool writable_ ABSL_GUARDED_BY(mu_) = false;  // Said so before opened_.
  bool ended_ ABSL_GUARDED_BY(mu_) = false;     // By the partition.
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  partition::StreamId id_ ABSL_GUARDED_BY(mu_){};
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PRIMITIVE_STREAM_H_
