#include "sim/event_loop.h"

#include <cstdio>
#include <string>

#include "base/coding.h"
#include "base/hash.h"

namespace sim {

void EventLoop::After(uint64_t delay_ns, Task task) {
  events_.emplace(Key(now_ns_ + delay_ns, ++added_), std::move(task));
}

bool EventLoop::RunOne() {
  if (events_.empty()) return false;
  // Taken out first: the task may add events.
  auto event = events_.extract(events_.begin());
  now_ns_ = event.key().first;
  ++event_count_;
  event.mapped()();
  return true;
}

void EventLoop::Trace(absl::string_view what, uint64_t number) {
  std::string bytes;
  bytes.reserve(24 + what.size());
  base::AppendU64(bytes, trace_hash_);
  base::AppendU64(bytes, now_ns_);
  base::AppendU64(bytes, number);
  bytes.append(what.data(), what.size());
  trace_hash_ = base::Hash64(bytes);
  if (verbose_) {
    std::fprintf(stderr, "%14.6f ms  %.*s %llu\n",
                 static_cast<double>(now_ns_) / kMillis,
                 static_cast<int>(what.size()), what.data(),
                 static_cast<unsigned long long>(number));
  }
}

}  // namespace sim
