// MapHistory is everything clients asked of one map, what they heard, and what
// its event streams told.
//
// One stream, the chronicle, is there from before the first call, so that it
// holds every change; what it says is compared with the calls, and every other
// stream and listing with it. Values are never used twice: each event names the
// call that made it.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_MAP_HISTORY_H_
#define SIM_MAP_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session/types.h"
#include "sim/judge.h"
#include "sim/linearizability.h"

namespace sim {

struct MapCall {
  enum class Kind : uint8_t { kPut, kInsert, kUpdate, kRemove, kClear, kGet };
  Kind kind = Kind::kGet;
  std::string key{};
  std::string value{};      // Put, Insert, Update; unique.
  uint64_t prev_index = 0;  // Put, Update, Remove.
  uint64_t ttl_ns = 0;      // 0: none.
  uint64_t called_ns = 0;   // Virtual time.

  Interval when{};
  struct Outcome {
    session::OperationStatus status = session::OperationStatus::kOk;
    // Put, Insert, Update: of the new value. Get, Remove: of the value.
    uint64_t index = 0;
    // The previous value (Put, Update); the value (Get, Remove).
    std::optional<std::string> value{};
  };
  std::optional<Outcome> outcome{};  // None: unknown.
};

// One change of a map, as an event reports it.
struct MapChange {
  enum class Kind : uint8_t { kInserted, kUpdated, kRemoved, kExpired };
  Kind kind = Kind::kInserted;
  std::string key;
  std::string value;  // Removed, expired: the one that was.
  uint64_t index = 0;
  std::string prev_value{};  // Updated.
};

// An EventsOutput message. None: it is not one, or of no kind.
std::optional<MapChange> ParseMapChange(const std::string& output);

class MapHistory {
 public:
  MapHistory(std::string name, Judge& judge)
      : name_(std::move(name)), judge_(judge) {}

  // Returns the call's number.
  size_t Called(MapCall call, uint64_t stamp);
  void Returned(size_t call, MapCall::Outcome outcome, uint64_t stamp);

  // The next event of the chronicle, at virtual time `now_ns`; clocks of nodes
  // run at most `rate` times as fast.
  void Chronicle(const std::string& output, uint64_t now_ns, double rate,
                 uint64_t slack_ns);
  // The chronicle has lost its session: it holds nothing from here on.
  void ChronicleLost() { chronicle_lost_ = true; }
  bool has_chronicle() const { return !chronicle_lost_; }

  // All events that another stream, with this filter, has had.
  void OtherStream(const std::string& filter,
                   const std::vector<std::string>& outputs);

  // At the end, when nothing is under way: `final_items` is a listing. A map
  // without chronicle is judged by its calls alone.
  void Check(const std::map<std::string, std::string>& final_items) const;

  // One listing, at any time: keys ascend, and every value was once written.
  void CheckListing(const std::vector<std::string>& outputs) const;

  size_t size() const { return calls_.size(); }
  size_t change_count() const { return changes_.size(); }

 private:
  struct OtherEvents {
    std::string filter;
    std::vector<std::string> outputs;
  };

  void Fail(const std::string& what) const;
  void CheckKeys() const;
  void CheckCallsAgainstChanges() const;
  void CheckOther(const OtherEvents& other) const;

  const std::string name_;
  Judge& judge_;
  std::vector<MapCall> calls_;
  std::map<std::string, size_t> call_by_value_;

  bool chronicle_lost_ = false;
  std::vector<std::string> outputs_;        // Of the chronicle,
  std::vector<MapChange> changes_;          // decoded.
  std::map<std::string, MapChange> state_;  // What they make.
  std::vector<OtherEvents> others_;
};

}  // namespace sim

#endif  // SIM_MAP_HISTORY_H_
