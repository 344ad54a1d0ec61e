#include "server/service/forwarder.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "google/protobuf/io/coded_stream.h"

namespace server::service {
namespace {

using partition::Outcome;
using transport::Route;

constexpr int kPingEveryMs = 2'000;
constexpr int kReconnectMsMax = 500;

// How often a stream without a leader looks for one.
constexpr uint64_t kLookEveryNs = 25'000'000;
// What a refusal suggests: about an election.
constexpr uint32_t kRetryAfterMs = 500;

grpc::ByteBuffer BufferOf(absl::string_view bytes) {
  grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() &&
      !buffer.DumpToSingleSlice(&slice).ok()) {
    return "";
  }
  return std::string(reinterpret_cast<const char*>(slice.begin()),
                     slice.size());
}

// What goes along with a request, taken from how it came in.
struct Luggage {
  std::chrono::system_clock::time_point deadline;
  std::vector<std::pair<std::string, std::string>> metadata;

  explicit Luggage(const grpc::CallbackServerContext& context)
      : deadline(context.deadline()) {
    metadata.emplace_back(kCallerPeer, context.peer());
    for (const char* const key : {kRequestId, kTraceParent}) {
      const auto found = context.client_metadata().find(key);
      if (found == context.client_metadata().end()) continue;
      metadata.emplace_back(
          key, std::string(found->second.data(), found->second.size()));
    }
  }

  void PutInto(grpc::ClientContext& context) const {
    if (deadline != std::chrono::system_clock::time_point::max()) {
      context.set_deadline(deadline);
    }
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
  }
};

Error Unavailable(absl::string_view message) {
  return {.refusal = {.status = absl::UnavailableError(message),
                      .outcome = Outcome::kNotProposed,
                      .retry_after_ms = kRetryAfterMs}};
}

}  // namespace

Error ForwardedError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers,
    const Route& route) {
  Error error = DecodeError(status, trailers);
  if (error.refusal.leader.empty()) error.refusal.leader = route.api_address;
  if (status.ok() || trailers.find("multiraft-outcome") != trailers.end()) {
    return error;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return error;
  error.refusal.status = absl::UnavailableError(absl::StrCat(
      "node ", route.node.value(), ", which leads partition ",
      route.partition.value(), ", did not answer: ", status.error_message()));
  error.refusal.retry_after_ms = kRetryAfterMs;
  // gRPC says so only of a call that it did not start to send.
  if (absl::StartsWith(status.error_message(), "failed to connect to all")) {
    error.refusal.outcome = Outcome::kNotProposed;
  }
  return error;
}

uint64_t OutputNumberOf(absl::string_view response) {
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const uint8_t*>(response.data()),
      static_cast<int>(response.size()));
  // Headers come first: field 1, length-delimited.
  uint32_t size = 0;
  std::string bytes;
  if (in.ReadTag() != (1 << 3 | 2) || !in.ReadVarint32(&size) ||
      !in.ReadString(&bytes, static_cast<int>(size))) {
    return 0;
  }
  atomix::multiraft::v1::CommandResponseHeaders headers;
  if (!headers.ParseFromString(bytes)) return 0;
  return headers.output_sequence_num();
}

// --- Unary calls ------------------------------------------------------------

// One unary request at another node; deletes itself when it is answered.
class ForwardedUnary final : public grpc::ClientUnaryReactor {
 public:
  ForwardedUnary(Forwarder& forwarder, std::shared_ptr<UnaryCall> call,
                 Forwarder::Request request, const Route& route)
      : forwarder_(forwarder),
        call_(std::move(call)),
        method_(std::move(request.method)),
        route_(route),
        stub_(forwarder.ChannelTo(route.peer_address)),
        request_(BufferOf(request.bytes)) {
    Luggage(call_->context()).PutInto(context_);
  }

  void Start() {
    if (!forwarder_.Enter(context_)) {
      call_->Fail(Unavailable("the server is shutting down"));
      delete this;
      return;
    }
    stub_.PrepareUnaryCall(&context_, method_, {}, &request_, &response_, this);
    StartCall();
  }

 private:
  void OnDone(const grpc::Status& status) override {
    if (status.ok()) {
      call_->Answer(BytesOf(response_));
    } else {
      call_->Fail(
          ForwardedError(status, context_.GetServerTrailingMetadata(), route_));
    }
    Forwarder& forwarder = forwarder_;
    forwarder.Forgotten(context_);
    delete this;
    forwarder.calls_.Leave();
  }

  Forwarder& forwarder_;
  const std::shared_ptr<UnaryCall> call_;
  const std::string method_;
  const Route route_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

// --- Streams ----------------------------------------------------------------

class StreamAttempt;

// A client's stream whose outputs come from another node: from one attempt
// after the other.
class ForwardedStream final : public StreamCall {
 public:
  ForwardedStream(grpc::CallbackServerContext& context, OpenStreams& streams,
                  Forwarder& forwarder, Forwarder::Request request,
                  bool numbered, uint64_t hold_ns)
      : StreamCall(context, streams),
        forwarder_(forwarder),
        luggage_(context),
        request_(std::move(request)),
        numbered_(numbered),
        hold_ns_(hold_ns) {}

  // Looks for the leader, and attaches to it.
  void Attach() ABSL_LOCKS_EXCLUDED(mu_);

  // From the attempt:
  void Received(StreamAttempt& attempt, absl::string_view output)
      ABSL_LOCKS_EXCLUDED(mu_);
  // It must not be touched any more.
  void Broken() ABSL_LOCKS_EXCLUDED(mu_);
  void Ended(const Error& error) ABSL_LOCKS_EXCLUDED(mu_);

  const Luggage& luggage() const { return luggage_; }
  const Forwarder::Request& request() const { return request_; }

 private:
  void Writable() override ABSL_LOCKS_EXCLUDED(mu_);
  void Gone() override ABSL_LOCKS_EXCLUDED(mu_);
  // True: it will be tried again.
  bool AttachLater() ABSL_LOCKS_EXCLUDED(mu_);

  Forwarder& forwarder_;
  const Luggage luggage_;
  const Forwarder::Request request_;
  const bool numbered_;
  const uint64_t hold_ns_;

  base::Mutex mu_;
  StreamAttempt* attempt_ ABSL_GUARDED_BY(mu_) = nullptr;  // Null once broken.
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  bool passed_any_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;  // Passed on.
  std::optional<int64_t> attached_ns_ ABSL_GUARDED_BY(mu_);
  std::optional<int64_t> failing_since_ns_ ABSL_GUARDED_BY(mu_);
};

// One call to one node on behalf of a ForwardedStream; deletes itself.
class StreamAttempt final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  StreamAttempt(Forwarder& forwarder, std::shared_ptr<ForwardedStream> stream,
                const Route& route)
      : forwarder_(forwarder),
        stream_(std::move(stream)),
        route_(route),
        stub_(forwarder.ChannelTo(route.peer_address)),
        request_(BufferOf(stream_->request().bytes)) {
    stream_->luggage().PutInto(context_);
  }

  // REQUIRES: the forwarder was entered with context().
  void Start() {
    stub_.PrepareBidiStreamingCall(&context_, stream_->request().method, {},
                                   this);
    // Reads are asked for by the client's side, too.
    AddHold();
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&response_);
    StartCall();
  }

  // REQUIRES for both: not broken.
  void ReadNext() { StartRead(&response_); }
  void Cancel() { context_.TryCancel(); }

  grpc::ClientContext& context() { return context_; }

 private:
  void OnReadDone(bool ok) override {
    if (ok) return stream_->Received(*this, BytesOf(response_));
    stream_->Broken();
    RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    const Error error =
        status.ok() ? Error{}
                    : ForwardedError(
                          status, context_.GetServerTrailingMetadata(), route_);
    const std::shared_ptr<ForwardedStream> stream = stream_;
    Forwarder& forwarder = forwarder_;
    forwarder.Forgotten(context_);
    delete this;
    stream->Ended(error);
    forwarder.calls_.Leave();
  }

  Forwarder& forwarder_;
  const std::shared_ptr<ForwardedStream> stream_;
  const Route route_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

void ForwardedStream::Attach() {
  const std::optional<Route> route =
      forwarder_.routes_.Find(request_.partition);
  if (!route.has_value()) {
    if (!AttachLater()) End(Unavailable("the partition has no leader"));
    return;
  }
  // Also if this node leads by now: its own peer port serves it.
  auto* const attempt = new StreamAttempt(
      forwarder_, std::static_pointer_cast<ForwardedStream>(shared_from_this()),
      *route);
  base::MutexLock lock(mu_);
  if (gone_ || !forwarder_.Enter(attempt->context())) {
    delete attempt;
    return;
  }
  attempt_ = attempt;
  attached_ns_ = forwarder_.clock_.MonotonicNanos();
  attempt->Start();
}

bool ForwardedStream::AttachLater() {
  const int64_t now = forwarder_.clock_.MonotonicNanos();
  {
    base::MutexLock lock(mu_);
    if (gone_) return true;
    // A stream may be silent for long: it was attached if it lasted.
    if (attached_ns_.has_value() &&
        now - *attached_ns_ > static_cast<int64_t>(hold_ns_)) {
      failing_since_ns_.reset();
    }
    attached_ns_.reset();
    if (!failing_since_ns_.has_value()) failing_since_ns_ = now;
    if (now - *failing_since_ns_ >= static_cast<int64_t>(hold_ns_)) {
      return false;
    }
  }
  forwarder_.timer_.PostAfter(
      kLookEveryNs,
      [weak = std::weak_ptr<ForwardedStream>(
           std::static_pointer_cast<ForwardedStream>(shared_from_this()))] {
        if (auto held = weak.lock()) held->Attach();
      });
  return true;
}

void ForwardedStream::Received(StreamAttempt& attempt,
                               absl::string_view output) {
  {
    base::MutexLock lock(mu_);
    failing_since_ns_.reset();
    if (numbered_) {
      const uint64_t number = OutputNumberOf(output);
      if (number != 0 && number <= last_number_) {
        // The client has it, from an earlier attempt.
        if (attempt_ == &attempt) attempt.ReadNext();
        return;
      }
      if (number != 0) last_number_ = number;
    }
    passed_any_ = true;
  }
  Send(output);
}

void ForwardedStream::Writable() {
  base::MutexLock lock(mu_);
  if (attempt_ != nullptr) attempt_->ReadNext();
}

void ForwardedStream::Gone() {
  base::MutexLock lock(mu_);
  gone_ = true;
  if (attempt_ != nullptr) attempt_->Cancel();
}

void ForwardedStream::Broken() {
  base::MutexLock lock(mu_);
  attempt_ = nullptr;
}

void ForwardedStream::Ended(const Error& error) {
  bool may_go_on = absl::IsUnavailable(error.refusal.status);
  {
    base::MutexLock lock(mu_);
    if (gone_) return;
    // The outputs of a query have no numbers: its client lists again.
    may_go_on = may_go_on && (numbered_ || !passed_any_);
  }
  if (!may_go_on || !AttachLater()) End(error);
}

// --- The forwarder ----------------------------------------------------------

Forwarder::Forwarder(const transport::Routes& routes, base::NodeId self,
                     partition::Executor& timer, base::Clock& clock)
    : routes_(routes), self_(self), timer_(timer), clock_(clock) {}

Forwarder::~Forwarder() = default;

std::optional<Route> Forwarder::Elsewhere(base::PartitionId partition) const {
  std::optional<Route> route = routes_.Find(partition);
  if (route.has_value() && route->node == self_) return std::nullopt;
  return route;
}

void Forwarder::Forward(const std::shared_ptr<UnaryCall>& call, Request request,
                        const Route& route) {
  (new ForwardedUnary(*this, call, std::move(request), route))->Start();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Forwarder::ForwardStream(
    grpc::CallbackServerContext& context, OpenStreams& streams, Request request,
    bool numbered, uint64_t hold_ns) {
  auto stream = StreamCall::Start<ForwardedStream>(
      context, streams, *this, std::move(request), numbered, hold_ns);
  stream->Attach();
  return stream.get();
}

void Forwarder::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
    for (grpc::ClientContext* const context : open_) context->TryCancel();
  }
  calls_.WaitUntilEmpty();
  // On this thread: see transport/channel_bin.h.
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
  base::MutexLock lock(mu_);
  channels.swap(channels_);
}

std::shared_ptr<grpc::Channel> Forwarder::ChannelTo(
    const std::string& address) {
  base::MutexLock lock(mu_);
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // A node that takes and never answers is noticed (U37).
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingEveryMs);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                     kReconnectMsMax / 5);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    channel = grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), arguments);
  }
  return channel;
}

bool Forwarder::Enter(grpc::ClientContext& context) {
  base::MutexLock lock(mu_);
  if (stopped_) return false;
  open_.insert(&context);
  calls_.Enter();
  return true;
}

void Forwarder::Forgotten(grpc::ClientContext& context) {
  base::MutexLock lock(mu_);
  open_.erase(&context);
}

}  // namespace server::service
