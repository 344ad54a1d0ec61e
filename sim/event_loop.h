// EventLoop is the simulation's virtual time: a queue of events that run one
// after the other, in the order of their times and, at the same time, in the
// order they were added. Nothing waits; time jumps to the next event.
//
// It also keeps the run's trace, a hash of everything worth noting that has
// happened: two runs of one seed are the same run exactly if their hashes are.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_EVENT_LOOP_H_
#define SIM_EVENT_LOOP_H_

#include <cstdint>
#include <map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"

namespace sim {

inline constexpr uint64_t kMicros = 1'000;
inline constexpr uint64_t kMillis = 1'000'000;
inline constexpr uint64_t kSeconds = 1'000'000'000;

class EventLoop {
 public:
  using Task = absl::AnyInvocable<void()>;

  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Nanoseconds since the run began.
  uint64_t now_ns() const { return now_ns_; }

  // A number that grows with each call: which of two things came first, also
  // within one event.
  uint64_t NextStamp() { return ++stamp_; }

  // Runs `task` when `delay_ns` have passed.
  void After(uint64_t delay_ns, Task task);

  // Runs the next event; false if there is none.
  bool RunOne();

  // Runs every event up to `time_ns` and ends there, or as soon as `done`
  // returns true after an event.
  template <class Done>
  void RunUntil(uint64_t time_ns, Done done) {
    while (!events_.empty() && events_.begin()->first.first <= time_ns) {
      RunOne();
      if (done()) return;
    }
    now_ns_ = time_ns;
  }
  void RunUntil(uint64_t time_ns) {
    RunUntil(time_ns, [] { return false; });
  }

  // Mixes `what` and `number`, at this moment, into the trace.
  void Trace(absl::string_view what, uint64_t number);
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t event_count() const { return event_count_; }

  // From now on each Trace is also a line on stderr.
  void set_verbose(bool verbose) { verbose_ = verbose; }

 private:
  using Key = std::pair<uint64_t, uint64_t>;  // Time, order of addition.

  uint64_t now_ns_ = 0;
  uint64_t added_ = 0;
  uint64_t stamp_ = 0;
  uint64_t event_count_ = 0;
  uint64_t trace_hash_ = 0;
  bool verbose_ = false;
  std::map<Key, Task> events_;
};

}  // namespace sim

#endif  // SIM_EVENT_LOOP_H_
