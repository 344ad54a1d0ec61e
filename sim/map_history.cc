#include "sim/map_history.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/coding.h"

namespace sim {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using session::OperationStatus;

constexpr uint64_t kStepsMax = 5'000'000;

bool IsWrite(const MapCall& call) {
  return call.kind == MapCall::Kind::kPut ||
         call.kind == MapCall::Kind::kInsert ||
         call.kind == MapCall::Kind::kUpdate;
}

// What one key of a map is, between two calls.
struct KeyState {
  bool present = false;
  // 0: written by a call whose outcome is unknown, and not seen since. Nobody
  // can have used its number as prev_index.
  uint64_t index = 0;
  std::string value;

  std::string Encode() const {
    if (!present) return "";
    std::string bytes;
    base::AppendU64(bytes, index);
    return bytes + value;
  }
  static KeyState Decode(const std::string& bytes) {
    if (bytes.empty()) return {};
    base::Reader reader(bytes);
    KeyState state{.present = true, .index = reader.U64()};
    state.value = std::string(reader.rest());
    return state;
  }
};

// The calls on one key, without time to live.
class KeySpec : public SequentialSpec {
 public:
  explicit KeySpec(const std::vector<const MapCall*>& calls) : calls_(calls) {}

  std::string InitialState() const override { return ""; }

  std::optional<std::string> Apply(const std::string& state,
                                   size_t operation) const override {
    const MapCall& call = *calls_[operation];
    const KeyState before = KeyState::Decode(state);
    const OperationStatus status = StatusOf(call, before);
    KeyState after = before;
    if (status == OperationStatus::kOk) {
      if (IsWrite(call)) {
        after = {.present = true,
                 .index = call.outcome.has_value() ? call.outcome->index : 0,
                 .value = call.value};
      } else if (call.kind == MapCall::Kind::kGet) {
        after.index = call.outcome->index;  // Seen now.
      } else {
        after = {};
      }
    }
    if (call.outcome.has_value() && !Fits(call, before, status)) {
      return std::nullopt;
    }
    return after.Encode();
  }

  std::string EffectClass(size_t operation) const override {
    const MapCall& call = *calls_[operation];
    return absl::StrCat(static_cast<int>(call.kind), " ", call.prev_index, " ",
                        call.value);
  }

 private:
  static OperationStatus StatusOf(const MapCall& call, const KeyState& before) {
    switch (call.kind) {
      case MapCall::Kind::kInsert:
        return before.present ? OperationStatus::kAlreadyExists
                              : OperationStatus::kOk;
      case MapCall::Kind::kPut:
        return call.prev_index != 0 && call.prev_index != before.index
                   ? OperationStatus::kConflict
                   : OperationStatus::kOk;
      case MapCall::Kind::kUpdate:
      case MapCall::Kind::kRemove:
        if (!before.present) return OperationStatus::kNotFound;
        return call.prev_index != 0 && call.prev_index != before.index
                   ? OperationStatus::kConflict
                   : OperationStatus::kOk;
      case MapCall::Kind::kGet:
        return before.present ? OperationStatus::kOk
                              : OperationStatus::kNotFound;
      case MapCall::Kind::kClear:
        return OperationStatus::kOk;
    }
    return OperationStatus::kInternal;
  }

  // Whether the call can have answered in `before` what it did.
  static bool Fits(const MapCall& call, const KeyState& before,
                   OperationStatus status) {
    const MapCall::Outcome& outcome = *call.outcome;
    if (outcome.status != status) return false;
    if (status != OperationStatus::kOk || call.kind == MapCall::Kind::kClear) {
      return true;
    }
    if (!IsWrite(call) && before.index != 0 && outcome.index != before.index) {
      return false;
    }
    if (outcome.value.has_value() != before.present) return false;
    return !before.present || *outcome.value == before.value;
  }

  const std::vector<const MapCall*>& calls_;
};

}  // namespace

std::optional<MapChange> ParseMapChange(const std::string& output) {
  pb::EventsOutput parsed;
  if (!parsed.ParseFromString(output)) return std::nullopt;
  const pb::Event& event = parsed.event();
  MapChange change{.key = event.key()};
  const auto set = [&change](const pb::IndexedValue& value) {
    change.value = value.value();
    change.index = value.index();
  };
  switch (event.event_case()) {
    case pb::Event::kInserted:
      set(event.inserted().value());
      change.kind = MapChange::Kind::kInserted;
      return change;
    case pb::Event::kUpdated:
      set(event.updated().value());
      change.kind = MapChange::Kind::kUpdated;
      change.prev_value = event.updated().prev_value().value();
      return change;
    case pb::Event::kRemoved:
      set(event.removed().value());
      change.kind = event.removed().expired() ? MapChange::Kind::kExpired
                                              : MapChange::Kind::kRemoved;
      return change;
    case pb::Event::EVENT_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

void MapHistory::Fail(const std::string& what) const {
  judge_.Fail(absl::StrCat(name_, ": ", what));
}

size_t MapHistory::Called(MapCall call, uint64_t stamp) {
  call.when.called = stamp;
  if (IsWrite(call)) call_by_value_[call.value] = calls_.size();
  calls_.push_back(std::move(call));
  return calls_.size() - 1;
}

void MapHistory::Returned(size_t call, MapCall::Outcome outcome,
                          uint64_t stamp) {
  calls_[call].when.returned = stamp;
  calls_[call].outcome = std::move(outcome);
}

void MapHistory::Chronicle(const std::string& output, uint64_t now_ns,
                           double rate, uint64_t slack_ns) {
  const std::optional<MapChange> change = ParseMapChange(output);
  if (!change.has_value()) return Fail("an event that is none");
  outputs_.push_back(output);
  changes_.push_back(*change);
  const std::string what =
      absl::StrCat("event ", changes_.size(), " on ", change->key, ": ");

  const auto current = state_.find(change->key);
  const bool present = current != state_.end();
  switch (change->kind) {
    case MapChange::Kind::kInserted:
      if (present) Fail(what + "inserted, but it is there");
      break;
    case MapChange::Kind::kUpdated:
      if (!present || current->second.value != change->prev_value) {
        Fail(what + "updated from a value that it did not have");
      }
      break;
    case MapChange::Kind::kRemoved:
    case MapChange::Kind::kExpired:
      if (!present || current->second.value != change->value ||
          current->second.index != change->index) {
        Fail(what + "removed with a value that it did not have");
      }
      break;
  }
  const bool removes = change->kind == MapChange::Kind::kRemoved ||
                       change->kind == MapChange::Kind::kExpired;
  if (removes) {
    state_.erase(change->key);
  } else {
    state_[change->key] = *change;
  }
  if (change->kind != MapChange::Kind::kExpired) return;
  const auto writer = call_by_value_.find(change->value);
  if (writer == call_by_value_.end()) return Fail(what + "expired: unknown");
  const MapCall& call = calls_[writer->second];
  const double lived_ns = static_cast<double>(now_ns - call.called_ns) * rate +
                          static_cast<double>(slack_ns);
  if (call.ttl_ns == 0) {
    Fail(what + "expired, and was to stay");
  } else if (lived_ns < static_cast<double>(call.ttl_ns)) {
    Fail(absl::StrCat(what, "expired ", (now_ns - call.called_ns) / kMillis,
                      " ms after it was written to live ",
                      call.ttl_ns / kMillis, " ms"));
  }
}

void MapHistory::OtherStream(const std::string& filter,
                             const std::vector<std::string>& outputs) {
  if (!outputs.empty()) others_.push_back({filter, outputs});
}

void MapHistory::CheckListing(const std::vector<std::string>& outputs) const {
  std::string last;
  for (const std::string& output : outputs) {
    pb::EntriesOutput parsed;
    if (!parsed.ParseFromString(output) || !parsed.entry().has_value()) {
      return Fail("a listing with an item that is none");
    }
    const pb::Entry& entry = parsed.entry();
    if (entry.key() <= last) {
      return Fail(
          absl::StrCat("a listing has ", entry.key(), " behind ", last));
    }
    last = entry.key();
    const auto writer = call_by_value_.find(entry.value().value());
    if (writer == call_by_value_.end() ||
        calls_[writer->second].key != entry.key()) {
      Fail(absl::StrCat("a listing has a value of ", entry.key(),
                        " that nobody wrote"));
    }
  }
}

void MapHistory::Check(
    const std::map<std::string, std::string>& final_items) const {
  CheckKeys();
  if (chronicle_lost_) return;
  CheckCallsAgainstChanges();
  std::map<std::string, std::string> expected;
  for (const auto& [key, change] : state_) expected[key] = change.value;
  if (expected != final_items) {
    Fail(absl::StrCat("its events make ", expected.size(),
                      " items other than the ", final_items.size(),
                      " that it lists"));
  }
  for (const OtherEvents& other : others_) CheckOther(other);
}

// Each key is an object of its own. Not those that expire or are cleared: they
// change without a call on them.
void MapHistory::CheckKeys() const {
  std::set<std::string> excluded;
  bool cleared = false;
  for (const MapCall& call : calls_) {
    if (call.ttl_ns != 0) excluded.insert(call.key);
    cleared = cleared || call.kind == MapCall::Kind::kClear;
  }
  if (cleared) return;
  std::map<std::string, std::vector<const MapCall*>> by_key;
  for (const MapCall& call : calls_) {
    if (excluded.contains(call.key)) continue;
    if (call.kind == MapCall::Kind::kGet && !call.outcome.has_value()) continue;
    by_key[call.key].push_back(&call);
  }
  for (const auto& [key, calls] : by_key) {
    std::vector<Interval> history;
    for (const MapCall* call : calls) history.push_back(call->when);
    const Verdict verdict =
        CheckLinearizable(KeySpec(calls), history, kStepsMax);
    if (verdict == Verdict::kLinearizable) continue;
    Fail(absl::StrCat(
        verdict == Verdict::kUndecided ? "no verdict on" : "not linearizable:",
        " the ", calls.size(), " calls on ", key, " (P52)"));
  }
}

// Every call that succeeded made exactly one event; one that failed, none.
void MapHistory::CheckCallsAgainstChanges() const {
  std::map<std::string, std::pair<int, uint64_t>> written;  // Count, index.
  std::map<std::string, int> removed;
  for (const MapChange& change : changes_) {
    switch (change.kind) {
      case MapChange::Kind::kInserted:
      case MapChange::Kind::kUpdated:
        ++written[change.value].first;
        written[change.value].second = change.index;
        if (!call_by_value_.contains(change.value)) {
          Fail(absl::StrCat("an event with a value of ", change.key,
                            " that nobody wrote"));
        }
        break;
      case MapChange::Kind::kRemoved:
        ++removed[change.value];
        break;
      case MapChange::Kind::kExpired:
        break;
    }
  }
  for (const MapCall& call : calls_) {
    const bool known = call.outcome.has_value();
    const bool succeeded =
        known && call.outcome->status == OperationStatus::kOk;
    if (IsWrite(call)) {
      const auto found = written.find(call.value);
      const int count = found == written.end() ? 0 : found->second.first;
      if (count > 1) {
        Fail(absl::StrCat("a call on ", call.key, " took effect ", count,
                          " times (P52)"));
      } else if (known && count != (succeeded ? 1 : 0)) {
        Fail(absl::StrCat("a call on ", call.key, " was answered with status ",
                          static_cast<int>(call.outcome->status), " and took ",
                          count, " effects (P52)"));
      } else if (succeeded && found->second.second != call.outcome->index) {
        Fail(absl::StrCat("a call on ", call.key, " was answered with index ",
                          call.outcome->index, ", its event has ",
                          found->second.second));
      }
    } else if (call.kind == MapCall::Kind::kRemove && succeeded &&
               removed[*call.outcome->value] != 1) {
      Fail(absl::StrCat("a removal of ", call.key, " took ",
                        removed[*call.outcome->value], " effects (P52)"));
    }
  }
}

// A stream that began later is a piece of the chronicle without a hole.
void MapHistory::CheckOther(const OtherEvents& other) const {
  std::vector<std::string> expected;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (other.filter.empty() || changes_[i].key == other.filter) {
      expected.push_back(outputs_[i]);
    }
  }
  const auto first =
      std::find(expected.begin(), expected.end(), other.outputs.front());
  if (static_cast<size_t>(expected.end() - first) < other.outputs.size() ||
      !std::equal(other.outputs.begin(), other.outputs.end(), first)) {
    Fail(absl::StrCat("a stream of ", other.outputs.size(),
                      " events with filter '", other.filter,
                      "' differs from the chronicle"));
  }
}

}  // namespace sim
