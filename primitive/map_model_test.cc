// Random commands against a map that is as simple as it can be, on a replica
// that runs through and one that is restored from its rows again and again.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/map.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/map_inputs.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// The map as its documentation describes it, with its events as text.
class Model {
 public:
  struct Entry {
    std::string value;
    uint64_t index = 0;
    uint64_t expire_ns = session::kNever;
  };

  OperationStatus Put(const std::string& key, const Entry& entry,
                      uint64_t prev_index) {
    const auto it = entries_.find(key);
    const bool present = it != entries_.end();
    if (prev_index > 0 && (!present || it->second.index != prev_index)) {
      return OperationStatus::kConflict;
    }
    if (present && it->second.value == entry.value) return OperationStatus::kOk;
    Store(key, entry);
    return OperationStatus::kOk;
  }
  OperationStatus Insert(const std::string& key, const Entry& entry) {
    if (entries_.contains(key)) return OperationStatus::kAlreadyExists;
    Store(key, entry);
    return OperationStatus::kOk;
  }
  OperationStatus Update(const std::string& key, const Entry& entry,
                         uint64_t prev_index) {
    const OperationStatus status = Expect(key, prev_index);
    if (status == OperationStatus::kOk) Store(key, entry);
    return status;
  }
  OperationStatus Remove(const std::string& key, uint64_t prev_index) {
    const OperationStatus status = Expect(key, prev_index);
    if (status == OperationStatus::kOk) Erase("remove ", key);
    return status;
  }
  void Clear() {
    while (!entries_.empty()) Erase("remove ", entries_.begin()->first);
  }
  void MoveTo(uint64_t time_ns) {
    while (true) {
      const std::string* first = nullptr;
      for (const auto& [key, entry] : entries_) {
        if (entry.expire_ns > time_ns) continue;
        if (first == nullptr || entry.expire_ns < entries_[*first].expire_ns) {
          first = &key;
        }
      }
      if (first == nullptr) return;
      Erase("expire ", std::string(*first));
    }
  }

  const std::map<std::string, Entry>& entries() const { return entries_; }
  uint64_t IndexOf(const std::string& key) const {
    const auto it = entries_.find(key);
    return it == entries_.end() ? 0 : it->second.index;
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  // How many changes there were.
  size_t TakeChanges() { return std::exchange(changes_, 0); }

 private:
  static std::string Text(const Entry& entry) {
    return absl::StrCat(entry.value, "@", entry.index);
  }
  OperationStatus Expect(const std::string& key, uint64_t prev_index) const {
    const auto it = entries_.find(key);
    if (it == entries_.end()) return OperationStatus::kNotFound;
    if (prev_index > 0 && it->second.index != prev_index) {
      return OperationStatus::kConflict;
    }
    return OperationStatus::kOk;
  }
  void Store(const std::string& key, const Entry& entry) {
    const auto it = entries_.find(key);
    Tell(it == entries_.end() ? absl::StrCat("insert ", key, " ", Text(entry))
                              : absl::StrCat("update ", key, " ", Text(entry),
                                             " was ", Text(it->second)));
    entries_[key] = entry;
  }
  void Erase(const char* how, const std::string& key) {
    Tell(absl::StrCat(how, key, " ", Text(entries_.at(key))));
    entries_.erase(key);
  }
  void Tell(std::string event) {
    events_.push_back(std::move(event));
    ++changes_;
  }

  std::map<std::string, Entry> entries_;
  std::vector<std::string> events_;
  size_t changes_ = 0;
};

class MapModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Local watchers are not part of the state: only one replica has any.
    replica_.Watch();
  }

  Result Call(const char* rpc, const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    return result;
  }
  void Tick(uint64_t ns) {
    replica_.Tick(ns);
    restored_.Tick(ns);
  }

  std::string SomeKey() { return absl::StrCat(random_.Below(8)); }
  Stored SomeConditions(const std::string& key) {
    Stored stored;
    if (random_.OneIn(3)) {
      // Sometimes none, negative, or far behind the end of time.
      const auto seconds = static_cast<int64_t>(random_.Below(8)) - 1;
      stored.ttl =
          random_.OneIn(20) ? Duration(200'000'000'000) : Duration(seconds);
    }
    if (random_.OneIn(4)) {
      stored.prev_index =
          random_.OneIn(3) ? random_.Between(1, 300) : model_.IndexOf(key);
    }
    return stored;
  }
  // The entry that the next command with these writes.
  Model::Entry NextEntry(const std::string& value, const Stored& stored) {
    Model::Entry entry{.value = value, .index = replica_.index() + 1};
    if (stored.ttl.has_value() && stored.ttl->seconds() < 1'000'000) {
      entry.expire_ns =
          stored.ttl->seconds() > 0
              ? replica_.time_ns() + stored.ttl->seconds() * kSecond
              : replica_.time_ns() + 1;
    }
    return entry;
  }

  void Step() {
    const std::string key = SomeKey();
    const std::string value = absl::StrCat("v", random_.Below(3));
    const Stored stored = SomeConditions(key);
    const Model::Entry entry = NextEntry(value, stored);
    switch (random_.Below(12)) {
      case 0:
      case 1:
      case 2:
        EXPECT_EQ(Call("Put", PutOf(key, value, stored)).status,
                  model_.Put(key, entry, stored.prev_index));
        break;
      case 3:
      case 4:
        EXPECT_EQ(Call("Insert", InsertOf(key, value, stored)).status,
                  model_.Insert(key, entry));
        break;
      case 5:
      case 6:
        EXPECT_EQ(Call("Update", UpdateOf(key, value, stored)).status,
                  model_.Update(key, entry, stored.prev_index));
        break;
      case 7:
      case 8:
        EXPECT_EQ(Call("Remove", RemoveOf(key, stored.prev_index)).status,
                  model_.Remove(key, stored.prev_index));
        break;
      case 9:
        if (!random_.OneIn(10)) break;
        Call("Clear", pb::ClearInput());
        model_.Clear();
        break;
      default:
        Tick(random_.OneIn(3) ? random_.Below(3) : random_.Below(2 * kSecond));
        model_.MoveTo(replica_.time_ns());
    }
  }

  void Compare() {
    std::vector<std::string> expected;
    for (const auto& [key, entry] : model_.entries()) {
      expected.push_back(absl::StrCat(key, " ", entry.value, "@", entry.index));
      const auto got = Harness::Parse<pb::GetOutput>(
          restored_.Query(5, GetOf(key).SerializeAsString()));
      ASSERT_EQ(got.value().index(), entry.index);
    }
    const auto listing = restored_.List("Entries", EntriesOf(), 3);
    std::vector<std::string> listed;
    for (const std::string& output : listing) {
      const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
      listed.push_back(entry.key() + " " + ToText(entry.value()));
    }
    ASSERT_EQ(listed, expected);
    ASSERT_EQ(replica_.List("Entries", EntriesOf(), 5), listing);
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              expected.size());
    ASSERT_EQ(replica_.Changes().size(), model_.TakeChanges());
  }

  void CompareEvents() {
    const auto outputs = replica_.Events(listener_);
    ASSERT_EQ(restored_.Events(listener_), outputs);
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::EventsOutput>(output)));
    }
    ASSERT_EQ(texts, model_.TakeEvents());
  }

  // A listener comes after a third of the steps, and goes after two thirds.
  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      if (i == steps / 3) {
        model_.TakeEvents();
        listener_ = replica_.Start(1, "Events", EventsOf(""));
        ASSERT_EQ(restored_.Start(1, "Events", EventsOf("")), listener_);
      }
      Step();
      if (listener_.sequence.value() > 0) CompareEvents();
      if (i == 2 * steps / 3) {
        replica_.Cancel(listener_);
        restored_.Cancel(listener_);
        listener_ = {};
      }
      if (random_.OneIn(restore_in)) {
        restored_.Restore();
        ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
        ASSERT_EQ(replica_.timers(), restored_.timers());
      }
      Compare();
    }
  }

  base::Random random_{11};
  Harness replica_{MapType()};
  Harness restored_{MapType()};
  Model model_;
  CommandKey listener_;
};

TEST_F(MapModelTest, ThousandsOfCommands) { Run(6000, 60); }
TEST_F(MapModelTest, RestoreAtEveryIndex) { Run(600, 1); }

// A client that keeps a copy of the map by its events alone: each event must
// fit the copy, and in the end it must be the map. With Clears of more keys
// than one entry reports.
class MapMirrorTest : public ::testing::Test {
 protected:
  void Receive(const pb::EventsOutput& output) {
    const pb::Event& event = output.event();
    const auto it = mirror_.find(event.key());
    const std::string present = it == mirror_.end() ? "" : it->second;
    switch (event.event_case()) {
      case pb::Event::kInserted:
        ASSERT_EQ(present, "") << ToText(output);
        mirror_[event.key()] = ToText(event.inserted().value());
        break;
      case pb::Event::kUpdated:
        ASSERT_EQ(present, ToText(event.updated().prev_value()));
        mirror_[event.key()] = ToText(event.updated().value());
        break;
      case pb::Event::kRemoved:
        ASSERT_EQ(present, ToText(event.removed().value())) << ToText(output);
        mirror_.erase(event.key());
        break;
      default:
        FAIL() << ToText(output);
    }
  }

  std::string SomeKey() { return absl::StrCat(random_.Below(1500)); }

  void Fill() {
    for (int i = 0; i < 1500; ++i) {
      const Stored stored = {
          .ttl = random_.OneIn(5) ? std::optional(Duration(30)) : std::nullopt};
      Apply("Put", PutOf(absl::StrCat(i), "v", stored));
    }
  }
  void Apply(const char* rpc, const google::protobuf::Message& input) {
    EXPECT_EQ(replica_.Call(rpc, input), restored_.Call(rpc, input));
  }
  void Tick(uint64_t ns) {
    replica_.Tick(ns);
    restored_.Tick(ns);
  }

  base::Random random_{13};
  Harness replica_{MapType()};
  Harness restored_{MapType()};
  std::map<std::string, std::string> mirror_;
};

TEST_F(MapMirrorTest, EventsMakeACopyOfTheMap) {
  const CommandKey listener = replica_.Start(1, "Events", EventsOf(""));
  ASSERT_EQ(restored_.Start(1, "Events", EventsOf("")), listener);
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    Fill();
    Apply("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(6);
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_.Below(5)) {
        case 0:
          Apply("Put", PutOf(SomeKey(), "w"));
          break;
        case 1:
          Apply("Insert", InsertOf(SomeKey(), "w", {.ttl = Duration(1)}));
          break;
        case 2:
          Apply("Clear", pb::ClearInput());
          break;
        case 3:
          restored_.Restore();
          break;
        default:
          Tick(random_.Below(40 * kSecond));
      }
    }
    const auto outputs = replica_.Events(listener);
    EXPECT_EQ(restored_.Events(listener), outputs);
    for (const std::string& output : outputs) {
      Receive(Harness::Parse<pb::EventsOutput>(output));
    }
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
  }

  for (int i = 0; i < 3; ++i) Tick(0);
  for (const std::string& output : replica_.Events(listener)) {
    Receive(Harness::Parse<pb::EventsOutput>(output));
  }
  std::map<std::string, std::string> map;
  for (const std::string& output : replica_.List("Entries", EntriesOf(), 256)) {
    const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
    map[entry.key()] = ToText(entry.value());
  }
  EXPECT_EQ(mirror_, map);
}

}  // namespace
}  // namespace primitive
