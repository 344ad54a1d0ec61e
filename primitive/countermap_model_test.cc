// Random commands against a counter map that is as simple as it can be, on a
// replica that runs through and one that is restored from its rows again and
// again.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/countermap/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/countermap.h"
#include "primitive/testing/countermap_inputs.h"
#include "primitive/testing/harness.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::countermap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// The counter map as its documentation describes it, with its events and its
// watchers' messages as text.
class Model {
 public:
  // What a command answers: its status, and the one number of its output.
  struct Outcome {
    OperationStatus status = OperationStatus::kOk;
    int64_t number = 0;

    bool operator==(const Outcome&) const = default;
  };

  Outcome Set(const std::string& key, int64_t value) {
    const int64_t before = ValueOf(key);
    Store(key, value);
    return {.number = before};
  }
  Outcome Insert(const std::string& key, int64_t value) {
    if (values_.contains(key)) return {OperationStatus::kAlreadyExists};
    Store(key, value);
    return {};
  }
  Outcome Update(const std::string& key, int64_t value, int64_t prev_value) {
    if (!values_.contains(key)) return {OperationStatus::kNotFound};
    if (values_[key] != prev_value) return {OperationStatus::kConflict};
    return Set(key, value);
  }
  Outcome Add(const std::string& key, int64_t delta) {
    // In 128 bits, then cut to 64: not how the counter map does it.
    const __int128 sum = static_cast<__int128>(ValueOf(key)) + delta;
    return Set(key, static_cast<int64_t>(sum));
  }
  Outcome Remove(const std::string& key, int64_t prev_value) {
    if (!values_.contains(key)) return {OperationStatus::kNotFound};
    if (values_[key] != prev_value) return {OperationStatus::kConflict};
    Erase(key);
    return {.number = prev_value};
  }
  void Clear() {
    while (!values_.empty()) Erase(values_.begin()->first);
  }

  const std::map<std::string, int64_t>& values() const { return values_; }
  int64_t ValueOf(const std::string& key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? 0 : it->second;
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  std::vector<std::string> TakeChanges() { return std::exchange(changes_, {}); }

 private:
  void Store(const std::string& key, int64_t value) {
    events_.push_back(
        values_.contains(key)
            ? absl::StrCat("update ", key, " ", value, " was ", values_[key])
            : absl::StrCat("insert ", key, " ", value));
    changes_.push_back(absl::StrCat(key, " ", value));
    values_[key] = value;
  }
  void Erase(std::string key) {
    const std::string entry = absl::StrCat(key, " ", values_.at(key));
    events_.push_back("remove " + entry);
    changes_.push_back(entry);
    values_.erase(key);
  }

  std::map<std::string, int64_t> values_;
  std::vector<std::string> events_;
  std::vector<std::string> changes_;
};

class CounterMapModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Local watchers are not part of the state: only one replica has any.
    replica_.Watch();
  }

  // What both replicas answer; `number` is of their output.
  template <class Output>
  Model::Outcome Call(const char* rpc, const google::protobuf::Message& input,
                      int64_t (Output::*number)() const) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    if (result.status != OperationStatus::kOk) return {result.status};
    return {.number = (Harness::Parse<Output>(result).*number)()};
  }
  Model::Outcome Call(const char* rpc, const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    return {result.status};
  }

  int64_t SomeNumber() {
    switch (random_.Below(8)) {
      case 0:
        return INT64_MAX - static_cast<int64_t>(random_.Below(2));
      case 1:
        return INT64_MIN + static_cast<int64_t>(random_.Below(2));
      default:
        return static_cast<int64_t>(random_.Below(7)) - 3;
    }
  }
  // Mostly what is there.
  int64_t SomePrevious(const std::string& key) {
    return random_.OneIn(3) ? SomeNumber() : model_.ValueOf(key);
  }

  void Step() {
    const std::string key = absl::StrCat(random_.Below(8));
    const int64_t number = SomeNumber();
    const int64_t previous = SomePrevious(key);
    switch (random_.Below(10)) {
      case 0:
      case 1:
        EXPECT_EQ(Call("Set", SetOf(key, number), &pb::SetOutput::prev_value),
                  model_.Set(key, number));
        break;
      case 2:
        EXPECT_EQ(Call("Insert", InsertOf(key, number)),
                  model_.Insert(key, number));
        break;
      case 3:
      case 4:
        EXPECT_EQ(Call("Update", UpdateOf(key, number, previous),
                       &pb::UpdateOutput::prev_value),
                  model_.Update(key, number, previous));
        break;
      case 5:
      case 6:
        EXPECT_EQ(Call("Increment", IncrementOf(key, number),
                       &pb::IncrementOutput::prev_value),
                  model_.Add(key, number == 0 ? 1 : number));
        break;
      case 7:
        // The model adds only: INT64_MIN is its own negative.
        EXPECT_EQ(Call("Decrement", DecrementOf(key, number),
                       &pb::DecrementOutput::prev_value),
                  model_.Add(key, number == 0           ? -1
                                  : number == INT64_MIN ? number
                                                        : -number));
        break;
      case 8:
        EXPECT_EQ(
            Call("Remove", RemoveOf(key, previous), &pb::RemoveOutput::value),
            model_.Remove(key, previous));
        break;
      default:
        if (!random_.OneIn(10)) break;
        Call("Clear", pb::ClearInput());
        model_.Clear();
    }
  }

  static std::vector<std::string> ToTexts(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::EntriesOutput>(output)));
    }
    return texts;
  }

  void Compare() {
    std::vector<std::string> expected;
    for (const auto& [key, value] : model_.values()) {
      expected.push_back(absl::StrCat(key, " ", value));
      ASSERT_EQ(restored_.Ok<pb::GetOutput>("Get", GetOf(key)).value(), value);
    }
    const auto listing = restored_.List("Entries", EntriesOf(), 3);
    ASSERT_EQ(ToTexts(listing), expected);
    ASSERT_EQ(replica_.List("Entries", EntriesOf(), 5), listing);
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              expected.size());
    ASSERT_EQ(ToTexts(replica_.Changes()), model_.TakeChanges());
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

  base::Random random_{17};
  Harness replica_{CounterMapType()};
  Harness restored_{CounterMapType()};
  Model model_;
  CommandKey listener_;
};

TEST_F(CounterMapModelTest, ThousandsOfCommands) { Run(10'000, 60); }
TEST_F(CounterMapModelTest, RestoreAtEveryIndex) { Run(1000, 1); }

// A client that keeps a copy of the map by its events alone, with Clears of
// more keys than one entry reports.
class CounterMapMirrorTest : public ::testing::Test {
 protected:
  void Receive(const pb::EventsOutput& output) {
    const pb::Event& event = output.event();
    const auto it = mirror_.find(event.key());
    switch (event.event_case()) {
      case pb::Event::kInserted:
        ASSERT_EQ(it, mirror_.end()) << ToText(output);
        mirror_[event.key()] = event.inserted().value();
        break;
      case pb::Event::kUpdated:
        ASSERT_NE(it, mirror_.end()) << ToText(output);
        ASSERT_EQ(it->second, event.updated().prev_value());
        it->second = event.updated().value();
        break;
      case pb::Event::kRemoved:
        ASSERT_NE(it, mirror_.end()) << ToText(output);
        ASSERT_EQ(it->second, event.removed().value()) << ToText(output);
        mirror_.erase(it);
        break;
      default:
        FAIL() << ToText(output);
    }
  }
  void ReceiveAll(CommandKey listener) {
    const auto outputs = replica_.Events(listener);
    ASSERT_EQ(restored_.Events(listener), outputs);
    for (const std::string& output : outputs) {
      Receive(Harness::Parse<pb::EventsOutput>(output));
    }
  }
  void Apply(const char* rpc, const google::protobuf::Message& input) {
    EXPECT_EQ(replica_.Call(rpc, input), restored_.Call(rpc, input));
  }
  std::string SomeKey() { return absl::StrCat(random_.Below(1500)); }

  base::Random random_{19};
  Harness replica_{CounterMapType()};
  Harness restored_{CounterMapType()};
  std::map<std::string, int64_t> mirror_;
};

TEST_F(CounterMapMirrorTest, EventsMakeACopyOfTheMap) {
  const CommandKey listener = replica_.Start(1, "Events", EventsOf(""));
  ASSERT_EQ(restored_.Start(1, "Events", EventsOf("")), listener);
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    for (int i = 0; i < 1500; ++i) {
      Apply("Increment", IncrementOf(absl::StrCat(i), round));
    }
    Apply("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(6);
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_.Below(4)) {
        case 0:
          Apply("Increment", IncrementOf(SomeKey(), 1));
          break;
        case 1:
          Apply("Insert", InsertOf(SomeKey(), 5));
          break;
        case 2:
          Apply("Clear", pb::ClearInput());
          break;
        default:
          restored_.Restore();
      }
    }
    ReceiveAll(listener);
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
  }

  for (int i = 0; i < 3; ++i) {
    replica_.Tick(0);
    restored_.Tick(0);
  }
  ReceiveAll(listener);
  std::map<std::string, int64_t> map;
  for (const std::string& output : replica_.List("Entries", EntriesOf(), 256)) {
    const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
    map[entry.key()] = entry.value();
  }
  EXPECT_EQ(mirror_, map);
}

}  // namespace
}  // namespace primitive
