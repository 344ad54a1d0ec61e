// A client at work while a test does things to its servers.

#ifndef TESTS_COUNTER_LOAD_H_
#define TESTS_COUNTER_LOAD_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace tests {

// CounterLoad counts up, one after the other, until it is told to stop.
class CounterLoad {
 public:
  explicit CounterLoad(const std::string& server)
      : connection_({.server = server, .call_timeout = absl::Seconds(30)}),
        thread_([this] { Run(); }) {}
  ~CounterLoad() { Stop(); }

  // How often it was acknowledged.
  int64_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return acknowledged_;
  }
  int64_t acknowledged() const { return acknowledged_; }
  // Of the first that failed; the load ends there. REQUIRES: it was stopped.
  const absl::Status& failure() const { return failure_; }
  absl::Duration slowest() const { return slowest_; }

 private:
  void Run() {
    auto session =
        client::Session::Open(connection_, {.timeout = absl::Seconds(60)});
    if (!session.ok()) {
      failure_ = session.status();
      return;
    }
    auto counter = client::Counter::Open(**session, {"load"});
    failure_ = counter.status();
    while (failure_.ok() && !stop_) {
      const int64_t start_ns = connection_.timer().NowNanos();
      failure_ = counter->Increment(1).status();
      if (failure_.ok()) ++acknowledged_;
      slowest_ = std::max(
          slowest_,
          absl::Nanoseconds(connection_.timer().NowNanos() - start_ns));
    }
  }

  client::Connection connection_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> acknowledged_ = 0;
  absl::Status failure_;
  absl::Duration slowest_;
  std::thread thread_;
};

}  // namespace tests

#endif  // TESTS_COUNTER_LOAD_H_
