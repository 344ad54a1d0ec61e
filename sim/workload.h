// What the clients of one partition do: workers use its counters and maps, lock
// users its lock, chroniclers listen to every change of a map, sleepers go away
// without a word.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_WORKLOAD_H_
#define SIM_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "session/registry.h"
#include "session/types.h"
#include "sim/client.h"
#include "sim/counter_history.h"
#include "sim/event_loop.h"
#include "sim/judge.h"
#include "sim/lock_user.h"
#include "sim/map_history.h"

namespace sim {

// A counter of the partition, shared by all its clients.
struct SharedCounter {
  std::string name;
  bool only_ones = false;  // Only incremented, by one.
  CounterHistory history;
};

// A map of the partition, shared by all its clients.
struct SharedMap {
  SharedMap(std::string name, bool cleared, Judge& judge)
      : name(name), cleared(cleared), history(std::move(name), judge) {}

  std::string name;
  bool cleared;        // Somebody clears it now and then.
  bool ready = false;  // The chronicle is there: changes may begin.
  MapHistory history;
};

// What is known of the clocks, for events that come with time.
struct TimeBounds {
  double rate_min = 0.9;  // Of a node's clock.
  double rate_max = 1.1;
  uint64_t slack_ns = 0;  // Of log time: two ticks.
};

// Written until the chronicle is there; in no history.
inline constexpr char kMarkerKey[] = "marker";

// The value of a shared counter or the items of a shared map, at the end.
struct FinalState {
  std::map<std::string, int64_t> counters;
  std::map<std::string, std::map<std::string, std::string>> maps;
};

class Workload {
 public:
  struct Options {
    uint64_t think_ns_max = 50 * kMillis;
    uint64_t lanes = 2;  // Requests one worker has under way.
    uint64_t ttl_ns_max = 2 * kSeconds;
    uint64_t keys = 3;
    LockUser::Options lock;
    TimeBounds time;
  };

  // All references must outlive it.
  Workload(EventLoop& loop, const session::Registry& registry,
           const Options& options, uint64_t seed, Judge& judge);
  ~Workload();

  void AddCounter(const std::string& name, bool only_ones);
  void AddMap(const std::string& name, bool cleared);
  void AddLock(const std::string& name);

  // Each starts at once and uses everything added before.
  void AddWorker(Client& client);
  // Of the lock of the partition; `client` gives nothing up.
  void AddLockUser(Client& client);
  void AddChronicler(Client& client, const std::string& map);
  // Abandons its session after `awake_ns`.
  void AddSleeper(Client& client, uint64_t awake_ns);

  // No new requests from now on.
  void Finish();

  // Nothing fails any more: a sleeper that starts now must be gone on time.
  void ExpectPunctuality() { punctual_ = true; }

  // Reads everything through `client`, which has not been started, and writes
  // once. Then calls `done`.
  void ReadAll(Client& client, std::function<void(FinalState)> done);

  // Judges all histories against `state`, when nothing is under way.
  void Check(const FinalState& state);

  // Sleepers whose session still exists.
  size_t sleeping_count() const { return sleeping_; }
  uint64_t call_count() const;
  uint64_t change_count() const;

 private:
  class Worker;
  class Reader;

  void SleeperGone(const Client& client, bool punctual);

  EventLoop& loop_;
  const session::PrimitiveType& counter_type_;
  const session::PrimitiveType& map_type_;
  const session::PrimitiveType& lock_type_;
  const Options options_;
  base::Random random_;
  Judge& judge_;

  bool finished_ = false;
  bool punctual_ = false;
  size_t sleeping_ = 0;
  std::vector<std::unique_ptr<SharedCounter>> counters_;
  std::vector<std::unique_ptr<SharedMap>> maps_;
  std::unique_ptr<SharedLock> lock_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<LockUser>> lock_users_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace sim

#endif  // SIM_WORKLOAD_H_
