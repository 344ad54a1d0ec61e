#include "server/service/forwarded_stream.h"

#include <memory>

#include "atomix/multiraft/v1/headers.pb.h"
#include "google/protobuf/io/coded_stream.h"

namespace server::service {
namespace {

// How often a stream without a leader looks for one.
constexpr uint64_t kLookEveryNs = 25'000'000;
// What a refusal suggests: about an election.
constexpr uint32_t kRetryAfterMs = 500;

Error Unavailable(absl::string_view message) {
  return {.refusal = {.status = absl::UnavailableError(message),
                      .outcome = partition::Outcome::kNotProposed,
                      .retry_after_ms = kRetryAfterMs}};
}

}  // namespace

void ForwardedStream::Attach() {
  const std::optional<transport::Route> route =
      outbound_.routes.Find(wanted_.request.partition);
  if (!route.has_value()) {
    if (!AttachLater()) End(Unavailable("the partition has no leader"));
    return;
  }
  // Also if this node leads by now: its own peer port serves it.
  auto* const attempt = new StreamAttempt(
      outbound_.calls,
      std::static_pointer_cast<ForwardedStream>(shared_from_this()),
      wanted_.request, luggage_, *route);
  absl::Status started;
  {
    // Whatever the attempt says first waits until it is known here.
    base::MutexLock lock(mu_);
    started = gone_ ? absl::CancelledError() : attempt->Start();
    if (started.ok()) {
      attempt_ = attempt;
      attached_ns_ = outbound_.clock.MonotonicNanos();
      return;
    }
  }
  delete attempt;
  End(Unavailable(started.message()));
}

bool ForwardedStream::AttachLater() {
  const int64_t now = outbound_.clock.MonotonicNanos();
  const auto hold_ns = static_cast<int64_t>(wanted_.hold_ns);
  {
    base::MutexLock lock(mu_);
    if (gone_) return true;
    // A stream may be silent for long: it was attached if it lasted.
    if (attached_ns_.has_value() && now - *attached_ns_ > hold_ns) {
      failing_since_ns_.reset();
    }
    attached_ns_.reset();
    if (!failing_since_ns_.has_value()) failing_since_ns_ = now;
    if (now - *failing_since_ns_ >= hold_ns) return false;
  }
  outbound_.timer.PostAfter(
      kLookEveryNs,
      [weak = std::weak_ptr<ForwardedStream>(
           std::static_pointer_cast<ForwardedStream>(shared_from_this()))] {
        if (auto held = weak.lock()) held->Attach();
      });
  return true;
}

bool ForwardedStream::IsNew(absl::string_view output) {
  if (!wanted_.numbered) return true;
  const uint64_t number = OutputNumberOf(output);
  if (number == 0) return true;
  if (number <= last_number_) return false;
  last_number_ = number;
  return true;
}

void ForwardedStream::Received(StreamAttempt& attempt,
                               absl::string_view output) {
  {
    base::MutexLock lock(mu_);
    failing_since_ns_.reset();
    // Cancelled, and perhaps over at any moment.
    if (gone_) return;
    // It came from an earlier attempt, too.
    if (!IsNew(output)) return attempt.ReadNext();
    passed_any_ = true;
  }
  // Dropped if the stream has ended: then Gone comes.
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

void ForwardedStream::Ended(const Error& error) {
  bool may_go_on = absl::IsUnavailable(error.refusal.status);
  {
    base::MutexLock lock(mu_);
    attempt_ = nullptr;
    if (gone_) return;
    // The outputs of a query have no numbers: its client lists again.
    may_go_on = may_go_on && (wanted_.numbered || !passed_any_);
  }
  if (!may_go_on || !AttachLater()) End(error);
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

}  // namespace server::service
