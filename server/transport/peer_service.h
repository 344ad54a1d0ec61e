// PeerService is the receiving side of the streams between nodes: it reads
// frames and hands them on.
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_PEER_SERVICE_H_
#define SERVER_TRANSPORT_PEER_SERVICE_H_

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "multiraft/peer/v1/peer.grpc.pb.h"
#include "server/transport/gate.h"
#include "server/transport/members.h"

namespace server::transport {

// What arrives. Called from gRPC's threads, from several at once but not for
// one stream; must not block.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;

  // A stream opens. The version it is to have, or why it is refused.
  virtual absl::StatusOr<uint32_t> Open(
      const multiraft::peer::v1::Hello& hello) = 0;

  // A frame of a stream that was opened by `sender`. `frame` may be changed.
  virtual void Deliver(const Remote& sender,
                       multiraft::peer::v1::Frame& frame) = 0;
  // Something that is not a frame; its stream ends.
  virtual void Malformed(const Remote& sender) = 0;
};

class PeerService final
    : public multiraft::peer::v1::Peer::WithRawCallbackMethod_Deliver<
          multiraft::peer::v1::Peer::Service> {
 public:
  // `handler` must outlive it.
  explicit PeerService(FrameHandler& handler) : handler_(handler) {}

  // Ends all streams, refuses new ones, and waits until the handler is not
  // called any more.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Inbound;

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Deliver(
      grpc::CallbackServerContext* context) override;

  // False: the service has stopped.
  bool Add(Inbound* stream) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(Inbound* stream) ABSL_LOCKS_EXCLUDED(mu_);

  FrameHandler& handler_;
  Gate streams_;

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<Inbound*> open_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_PEER_SERVICE_H_
