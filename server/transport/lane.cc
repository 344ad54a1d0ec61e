#include "server/transport/lane.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/codec.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;

int Millis(uint64_t ns) { return static_cast<int>(ns / 1'000'000); }

// A channel of its own for each stream, so that none waits for the bytes of
// another, and a new one for each attempt: it connects at once, and how long to
// wait before the next is the lane's alone to decide.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address,
                                         const Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keep_alive_ns));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   Millis(options.keep_alive_timeout_ns));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // How long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   Millis(options.open_timeout_ns));
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

const char* KindName(v1::StreamKind kind) {
  switch (kind) {
    case v1::STREAM_CONTROL:
      return "control";
    case v1::STREAM_APPEND:
      return "append";
    case v1::STREAM_IMAGE:
      return "image";
    default:
      return "unknown";
  }
}

std::string HelloFrame(const LaneShared& shared, const Remote& remote,
                       v1::StreamKind kind) {
  v1::Frame frame;
  v1::Hello& hello = *frame.mutable_hello();
  hello.set_cluster(shared.self.cluster);
  hello.set_from_node(shared.self.node.value());
  hello.set_from_incarnation(shared.self.incarnation);
  hello.set_from_address(shared.address);
  hello.set_to_node(remote.node.value());
  hello.set_to_incarnation(remote.incarnation);
  hello.set_version_min(shared.options.version_min);
  hello.set_version_max(shared.options.version_max);
  hello.set_kind(kind);
  return frame.SerializeAsString();
}

}  // namespace

Lane::Lane(std::shared_ptr<LaneShared> shared, Remote remote, Kind kind,
           uint64_t queue_bytes_max, uint64_t seed)
    : shared_(std::move(shared)),
      remote_(std::move(remote)),
      kind_(kind),
      queue_bytes_max_(queue_bytes_max),
      backoff_ns_(shared_->options.backoff_ns_min),
      random_(seed) {}

void Lane::Connect() {
  base::MutexLock lock(mu_);
  if (phase_ == Phase::kIdle) OpenLocked();
}

void Lane::Retry() {
  base::MutexLock lock(mu_);
  if (phase_ == Phase::kWaiting) OpenLocked();
}

// --- What waits -------------------------------------------------------------

std::string* Lane::RoomLocked(uint64_t size) {
  switch (phase_) {
    case Phase::kIdle:
      OpenLocked();
      break;
    case Phase::kOpening:
    case Phase::kOpen:
      break;
    case Phase::kEnding:
    case Phase::kWaiting:
    case Phase::kClosed:
      shared_->counters.Count(Drop::kUnreachable);
      return nullptr;
  }
  // Whatever the bound, one message passes.
  if (queued_bytes_ > 0 && queued_bytes_ + size > queue_bytes_max_) {
    shared_->counters.Count(Drop::kQueueFull);
    return nullptr;
  }
  if (queue_.empty() ||
      queue_.back().size() + size > shared_->options.frame_bytes_max) {
    queue_.emplace_back();
  }
  return &queue_.back();
}

void Lane::Push(base::PartitionId partition, const raft::Message& message) {
  base::MutexLock lock(mu_);
  std::string* const frame = RoomLocked(raft::EncodedSize(message));
  if (frame == nullptr) return;
  const size_t before = frame->size();
  raft::AppendMessage(partition, message, *frame);
  queued_bytes_ += frame->size() - before;
  shared_->counters.messages_sent.fetch_add(1, std::memory_order_relaxed);
}

void Lane::PushFrame(std::string bytes) {
  base::MutexLock lock(mu_);
  std::string* const frame = RoomLocked(bytes.size());
  if (frame == nullptr) return;
  queued_bytes_ += bytes.size();
  if (frame->empty()) {
    *frame = std::move(bytes);
  } else {
    queue_.push_back(std::move(bytes));
  }
  shared_->counters.messages_sent.fetch_add(1, std::memory_order_relaxed);
}

void Lane::Flush(bool can_wait) {
  base::MutexLock lock(mu_);
  if (queue_.empty()) return;
  if (!can_wait) {
    due_ = true;
    WriteLocked();
  } else if (!due_ && !holding_) {
    holding_ = true;
    After(shared_->options.heartbeat_hold_ns, &Lane::HoldOver);
  }
}

void Lane::HoldOver(uint64_t) {
  base::MutexLock lock(mu_);
  holding_ = false;
  if (queue_.empty()) return;
  due_ = true;
  WriteLocked();
}

// --- The stream -------------------------------------------------------------

void Lane::After(uint64_t delay_ns, void (Lane::*task)(uint64_t)) {
  shared_->timer.PostAfter(
      delay_ns, [lane = weak_from_this(), task, generation = generation_] {
        if (auto held = lane.lock()) ((*held).*task)(generation);
      });
}

void Lane::OpenLocked() {
  phase_ = Phase::kOpening;
  ++generation_;
  welcomed_ = false;
  writing_ = false;
  shared_->calls.Enter();
  call_ = new Outbound(shared_from_this(),
                       ChannelTo(remote_.address, shared_->options));
  call_->Start(HelloFrame(*shared_, remote_, kind_));
  After(shared_->options.open_timeout_ns, &Lane::OpenTimeout);
}

void Lane::OpenTimeout(uint64_t generation) {
  base::MutexLock lock(mu_);
  if (generation != generation_ || phase_ != Phase::kOpening) return;
  if (call_ != nullptr) call_->Cancel();
}

void Lane::TellConnection(bool established) const {
  if (shared_->on_connection == nullptr || kind_ == v1::STREAM_APPEND) return;
  shared_->on_connection(remote_.address, kind_ == v1::STREAM_IMAGE,
                         established);
}

void Lane::OnWelcome(Outbound& call) {
  if (Opened(call)) TellConnection(/*established=*/true);
}

bool Lane::Opened(Outbound& call) {
  base::MutexLock lock(mu_);
  if (call_ != &call || phase_ != Phase::kOpening) return false;
  phase_ = Phase::kOpen;
  welcomed_ = true;
  backoff_ns_ = shared_->options.backoff_ns_min;
  shared_->counters.streams_opened.fetch_add(1, std::memory_order_relaxed);
  if (!problem_.empty()) {
    LOG(INFO) << "node " << remote_.node << " at " << remote_.address
              << ": the " << KindName(kind_) << " stream is open again";
    problem_.clear();
  }
  if (kind_ == v1::STREAM_CONTROL && shared_->greeting != nullptr) {
    if (std::string frame = shared_->greeting(); !frame.empty()) {
      queued_bytes_ += frame.size();
      queue_.push_front(std::move(frame));
      due_ = true;
    }
  }
  WriteLocked();
  return true;
}

void Lane::WriteLocked() {
  if (phase_ != Phase::kOpen || writing_ || !due_ || queue_.empty()) return;
  std::string frame = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= frame.size();
  if (queue_.empty()) due_ = false;
  writing_ = true;
  shared_->counters.frames_sent.fetch_add(1, std::memory_order_relaxed);
  shared_->counters.bytes_sent.fetch_add(frame.size(),
                                         std::memory_order_relaxed);
  if (kind_ == v1::STREAM_IMAGE) {
    const int64_t now = shared_->clock.MonotonicNanos();
    const int64_t at = shared_->image_pacer.Reserve(now, frame.size());
    if (at > now) {
      paced_ = std::move(frame);
      After(static_cast<uint64_t>(at - now), &Lane::PaceOver);
      return;
    }
  }
  call_->Write(std::move(frame));
}

void Lane::PaceOver(uint64_t generation) {
  base::MutexLock lock(mu_);
  if (generation != generation_ || phase_ != Phase::kOpen) return;
  call_->Write(std::exchange(paced_, {}));
}

void Lane::OnWritten(Outbound& call) {
  base::MutexLock lock(mu_);
  if (call_ != &call) return;
  writing_ = false;
  WriteLocked();
}

void Lane::OnBroken(Outbound& call) {
  base::MutexLock lock(mu_);
  if (call_ != &call) return;
  call_ = nullptr;
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kEnding;
  // The peer may be gone for long.
  queue_.clear();
  queued_bytes_ = 0;
  paced_.clear();
  due_ = false;
}

void Lane::OnEnded(std::shared_ptr<grpc::Channel> channel,
                   const absl::Status& status) {
  shared_->channels.Add(std::move(channel));
  bool is_news = false;
  {
    base::MutexLock lock(mu_);
    shared_->counters.streams_failed.fetch_add(1, std::memory_order_relaxed);
    if (phase_ != Phase::kClosed) {
      std::string problem = absl::StrCat(
          welcomed_ ? "broken: " : "not opened: ",
          status.ok() ? "ended by the peer" : std::string(status.message()));
      if (problem != problem_) {
        LOG(WARNING) << "node " << remote_.node << " at " << remote_.address
                     << ": the " << KindName(kind_) << " stream is " << problem;
        problem_ = std::move(problem);
        is_news = true;
      }
      WaitLocked();
    }
  }
  if (is_news) TellConnection(/*established=*/false);
  shared_->calls.Leave();
}

// Random, so that peers that lost each other do not come back in step.
void Lane::WaitLocked() {
  phase_ = Phase::kWaiting;
  const uint64_t delay = random_.Between(backoff_ns_ / 2, backoff_ns_);
  backoff_ns_ = std::min(backoff_ns_ * 2, shared_->options.backoff_ns_max);
  After(delay, &Lane::Reopen);
}

void Lane::Reopen(uint64_t generation) {
  shared_->channels.Empty();
  base::MutexLock lock(mu_);
  if (generation != generation_ || phase_ != Phase::kWaiting) return;
  OpenLocked();
}

void Lane::Close() {
  base::MutexLock lock(mu_);
  phase_ = Phase::kClosed;
  queue_.clear();
  queued_bytes_ = 0;
  if (call_ != nullptr) call_->Cancel();
}

Lane::State Lane::state() const {
  base::MutexLock lock(mu_);
  return {.open = phase_ == Phase::kOpen,
          .queued_bytes = queued_bytes_,
          .problem = problem_};
}

}  // namespace server::transport
