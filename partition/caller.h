// How a caller hears from a partition: a Completion for one answer, a
// StreamSink for many.

#ifndef PARTITION_CALLER_H_
#define PARTITION_CALLER_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "session/state_machine.h"

namespace partition {

// What an error says about the command. Trailing metadata multiraft-outcome.
enum class Outcome : uint8_t {
  kNotProposed,  // It did not and will not take effect.
  kUnknown,      // It may have committed, or still commit: only the same
                 // sequence number may retry it.
};

// Why a request did not get its result.
struct Refusal {
  absl::Status status;  // Not OK.
  Outcome outcome = Outcome::kNotProposed;
  // When a retry may succeed; 0: no hint. multiraft-retry-after-ms.
  uint32_t retry_after_ms = 0;
  // Where clients reach the leader, if that is known. multiraft-leader.
  std::string leader;
  // The replica that was asked does not lead. multiraft-not-leader.
  bool not_leader = false;
};

// The refusal of a request whose session does not exist. Its code is NotFound,
// and no other refusal has that code: what a client is told depends on the API
// generation (semantics 1.8).
Refusal UnknownSession();

// What an applied command means to its caller if it brought no output: an
// unknown session, a number given up, another content, a limit. OK otherwise.
Refusal RefusalOf(const session::Applied& applied);

// The answer to one request: `refusal.status` is OK exactly if `value` counts.
template <class T>
struct Reply {
  Refusal refusal;
  T value{};

  bool ok() const { return refusal.status.ok(); }
};

// Completion is called exactly once. Destroying one that was not called
// completes it as Unavailable with outcome unknown. Runs in the partition's
// turns, last in each, or, when the request is refused at the door (mailbox
// full, stopped), on the calling thread; must not block.
template <class T>
class Completion {
 public:
  using Function = absl::AnyInvocable<void(Reply<T>) &&>;

  Completion() = default;
  explicit Completion(Function function) : function_(std::move(function)) {}
  Completion(Completion&& other) noexcept { *this = std::move(other); }
  Completion& operator=(Completion&& other) noexcept {
    Abandon();
    function_ = std::exchange(other.function_, nullptr);
    return *this;
  }
  ~Completion() { Abandon(); }

  void Complete(T value) && {
    std::exchange(function_, nullptr)(Reply<T>{.value = std::move(value)});
  }
  void Refuse(Refusal refusal) && {
    std::exchange(function_, nullptr)(Reply<T>{.refusal = std::move(refusal)});
  }

  explicit operator bool() const { return function_ != nullptr; }

 private:
  void Abandon() {
    if (function_ == nullptr) return;
    std::move(*this).Refuse(
        {.status = absl::UnavailableError("the server is shutting down"),
         .outcome = Outcome::kUnknown});
  }

  Function function_;
};

// One open stream of outputs. All calls come from the partition's turns, last
// in each (End also from the opening thread, when the request is refused at
// the door), and must not block.
class StreamSink {
 public:
  virtual ~StreamSink() = default;

  // The next output. The next call comes only after Partition::StreamWritable:
  // nothing is queued here.
  virtual void Write(session::CommandOutput output) = 0;

  // The last call. OK: the stream is complete.
  virtual void End(Refusal refusal) = 0;
};

}  // namespace partition

#endif  // PARTITION_CALLER_H_
