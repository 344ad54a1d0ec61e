// Lane is one stream to another node, as long as that node is a peer: what
// waits for it, the call that carries it, and the next call when that breaks.
//
//   kIdle -> kOpening -> kOpen -> kEnding -> kWaiting -> kOpening ...
//
// Everything that waits leaves as one frame. Nothing waits for a stream that
// cannot be opened: Raft repeats what matters, and old messages are of no use.
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_LANE_H_
#define SERVER_TRANSPORT_LANE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/random.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "partition/executor.h"
#include "raft/message.h"
#include "server/transport/channel_bin.h"
#include "server/transport/counters.h"
#include "server/transport/gate.h"
#include "server/transport/members.h"
#include "server/transport/options.h"
#include "server/transport/outbound.h"
#include "server/transport/pacer.h"

namespace server::transport {

// What all lanes of a node share; lives until the last is gone.
struct LaneShared {
  LaneShared(const Options& options, const Self& self,
             partition::Executor& timer, base::Clock& clock)
      : options(options),
        self(self),
        timer(timer),
        clock(clock),
        image_pacer(options.image_bytes_per_second) {}

  const Options options;
  Self self;  // Constant once the transport has started.
  partition::Executor& timer;
  base::Clock& clock;
  Counters counters;
  Pacer image_pacer;
  ChannelBin channels;  // Of calls that ended.
  Gate calls;           // Those that gRPC has.
  // Set before the first lane connects.
  std::string address;
  // The first frame of each control stream; may be null or empty.
  std::function<std::string()> greeting;
  // As GrpcTransport::Sink::on_connection.
  std::function<void(const std::string& address, bool carries_images,
                     bool established)>
      on_connection;
};

class Lane final : public OutboundOwner,
                   public std::enable_shared_from_this<Lane> {
 public:
  using Kind = multiraft::peer::v1::StreamKind;

  Lane(std::shared_ptr<LaneShared> shared, Remote remote, Kind kind,
       uint64_t queue_bytes_max, uint64_t seed);

  // Opens the stream although nothing waits for it.
  void Connect() ABSL_LOCKS_EXCLUDED(mu_);

  // The peer was seen alive: what waits to be opened again is opened now.
  void Retry() ABSL_LOCKS_EXCLUDED(mu_);

  // Queues a message; Flush sends it. Dropped if there is no room or no peer.
  void Push(base::PartitionId partition, const raft::Message& message)
      ABSL_LOCKS_EXCLUDED(mu_);
  // As Push, for a frame that is encoded already and leaves as it is.
  void PushFrame(std::string frame) ABSL_LOCKS_EXCLUDED(mu_);

  // Sends what waits: now, or with the next that cannot wait, but at the latest
  // heartbeat_hold_ns from now.
  void Flush(bool can_wait) ABSL_LOCKS_EXCLUDED(mu_);

  // Ends the stream for good.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

  struct State {
    bool open = false;
    uint64_t queued_bytes = 0;
    std::string problem;  // Why the last stream ended; empty while open.
  };
  State state() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class Phase : uint8_t {
    kIdle,     // Never needed yet.
    kOpening,  // Up to the Welcome.
    kOpen,
    kEnding,   // Broken; gRPC is not done with it.
    kWaiting,  // To open again.
    kClosed,
  };

  // OutboundOwner:
  void OnWelcome(Outbound& call) override;
  void OnWritten(Outbound& call) override;
  void OnBroken(Outbound& call) override;
  void OnEnded(std::shared_ptr<grpc::Channel> channel,
               const absl::Status& status) override;

  // For those who watch. Append streams come and go with the control stream,
  // and are not told.
  void TellConnection(bool established) const;
  // False: that call is over.
  bool Opened(Outbound& call) ABSL_LOCKS_EXCLUDED(mu_);

  // Room for `size` more bytes, or null: dropped.
  std::string* RoomLocked(uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void After(uint64_t delay_ns, void (Lane::*task)(uint64_t generation))
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tasks of the timer; nothing if the generation is another by now.
  void OpenTimeout(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  void HoldOver(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  void PaceOver(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  void Reopen(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);

  const std::shared_ptr<LaneShared> shared_;
  const Remote remote_;
  const Kind kind_;
  const uint64_t queue_bytes_max_;

  mutable base::Mutex mu_;
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kIdle;
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;   // Of the call.
  Outbound* call_ ABSL_GUARDED_BY(mu_) = nullptr;  // Null once broken.
  bool welcomed_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;  // Or waits for the pacer.
  bool due_ ABSL_GUARDED_BY(mu_) = false;      // Something cannot wait.
  bool holding_ ABSL_GUARDED_BY(mu_) = false;  // HoldOver will come.
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mu_);  // Frames.
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::string paced_ ABSL_GUARDED_BY(mu_);  // The frame PaceOver writes.
  uint64_t backoff_ns_ ABSL_GUARDED_BY(mu_);
  std::string problem_ ABSL_GUARDED_BY(mu_);
  base::Random random_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_LANE_H_
