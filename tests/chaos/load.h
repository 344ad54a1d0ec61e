// Load is clients that work on a cluster and never give up: each has a session
// on one partition, one command at a time, and sends it again by sequence
// number, at whatever node, until it is answered. They remember what they were
// told, and judge it.
//
// Used by one thread; its clients have threads of their own.

#ifndef TESTS_CHAOS_LOAD_H_
#define TESTS_CHAOS_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "tests/chaos/register_history.h"

namespace tests {

struct LoadOptions {
  std::vector<std::string> addresses;  // Of all nodes: "host:port".
  uint32_t partitions = 1;
  int clients_per_partition = 2;
  // One attempt; then the next node is asked, after a pause that grows up to
  // this.
  int64_t attempt_timeout_ns = 1'500'000'000;
  int64_t pause_ns_max = 200'000'000;
  uint64_t seed = 1;
};

class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();

  void Start();
  // Ends the clients, each behind the answer it waits for.
  void Stop();

  // Whether clients turn to a node from now on; at first they do to all. It is
  // counted from 1, as they are in `addresses`. At least one must be left.
  void Use(int node, bool use) {
    is_used_[static_cast<size_t>(node) - 1].store(use);
  }

  // Waits until a write that was sent behind this call is acknowledged in each
  // partition, and returns how long each took; -1: not within `timeout_ns`.
  std::vector<int64_t> TimeToWrite(int64_t timeout_ns);
  // The same of these partitions, in their order.
  std::vector<int64_t> TimeToWrite(const std::vector<uint32_t>& partitions,
                                   int64_t timeout_ns);

  // Compares everything clients were told with what is there now. A line for
  // each thing that is wrong. REQUIRES: stopped.
  std::vector<std::string> Check();

  uint64_t acknowledged() const { return acknowledged_.load(); }
  uint64_t sent_again() const { return sent_again_.load(); }

 private:
  class Client;

  void Report(const std::string& problem);

  const LoadOptions options_;
  RegisterHistory registers_;
  std::atomic<bool> stop_{false};
  std::vector<std::atomic<bool>> is_used_;  // By position in the addresses.
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> sent_again_{0};
  struct PartitionState {
    // When the last write that was acknowledged was sent.
    std::atomic<int64_t> last_write_ns{0};
    std::atomic<uint64_t> register_calls{0};
  };
  std::vector<PartitionState> partitions_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;

  base::Mutex mu_;
  std::vector<std::string> problems_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tests

#endif  // TESTS_CHAOS_LOAD_H_
