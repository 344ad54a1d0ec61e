// Random commands against a multimap that is as simple as it can be, on a
// replica that runs through and one that is restored from its rows again and
// again; and a client that keeps a copy by its events alone.

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "atomix/multiraft/multimap/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/multimap.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/multimap_inputs.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::multimap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// The multimap as its documentation describes it, with what it tells as text.
class Model {
 public:
  OperationStatus Put(const std::string& key, const std::string& value) {
    return PutEntries({{key, {value}}}) ? OperationStatus::kOk
                                        : OperationStatus::kAlreadyExists;
  }
  bool PutEntries(const KeyValues& entries) {
    std::vector<std::string> changed;
    for (const auto& [key, values] : entries) {
      for (const std::string& value : values) {
        if (Add(key, value)) changed.push_back(key);
      }
    }
    TellLists(changed);
    return !changed.empty();
  }
  Values Replace(const std::string& key, const Values& values) {
    const Values previous = Get(key);
    bool changed = false;
    for (const std::string& value : values) changed |= Add(key, value);
    for (const std::string& value : previous) {
      if (std::count(values.begin(), values.end(), value) > 0) continue;
      Erase(key, value);
      changed = true;
    }
    if (changed) TellLists({key});
    return previous;
  }
  OperationStatus Remove(const std::string& key, const std::string& value) {
    return RemoveEntries({{key, {value}}}) ? OperationStatus::kOk
                                           : OperationStatus::kNotFound;
  }
  bool RemoveAll(const std::string& key, const Values& values) {
    bool changed = false;
    for (const std::string& value : values) {
      if (!Erase(key, value)) continue;
      changed = true;
      TellLists({key});
    }
    return changed;
  }
  bool RemoveEntries(const KeyValues& entries) {
    std::vector<std::string> changed;
    for (const auto& [key, values] : entries) {
      for (const std::string& value : values) {
        if (Erase(key, value)) changed.push_back(key);
      }
    }
    TellLists(changed);
    return !changed.empty();
  }
  void Clear() {
    std::vector<std::string> keys;
    while (!entries_.empty()) {
      const auto& [key, values] = *entries_.begin();
      keys.push_back(key);
      Erase(std::string(key), std::string(*values.begin()));
    }
    TellLists(keys);
  }

  bool has(const std::string& key) const { return entries_.contains(key); }
  Values Get(const std::string& key) const {
    const auto it = entries_.find(key);
    return it == entries_.end() ? Values()
                                : Values(it->second.begin(), it->second.end());
  }
  std::vector<std::string> Entries() const {
    std::vector<std::string> texts;
    for (const auto& [key, values] : entries_) {
      texts.push_back(absl::StrCat(key, "=", absl::StrJoin(values, ",")));
    }
    return texts;
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  std::vector<std::string> TakeLists() { return std::exchange(lists_, {}); }

 private:
  bool Add(const std::string& key, const std::string& value) {
    if (!entries_[key].insert(value).second) return false;
    events_.push_back(absl::StrCat("add ", key, "=", value));
    return true;
  }
  bool Erase(const std::string& key, const std::string& value) {
    const auto it = entries_.find(key);
    if (it == entries_.end() || it->second.erase(value) == 0) return false;
    if (it->second.empty()) entries_.erase(it);
    events_.push_back(absl::StrCat("remove ", key, "=", value));
    return true;
  }
  void TellLists(const std::vector<std::string>& keys) {
    std::set<std::string> told;
    for (const std::string& key : keys) {
      if (!told.insert(key).second) continue;
      lists_.push_back(absl::StrCat(key, "=", absl::StrJoin(Get(key), ",")));
    }
  }

  std::map<std::string, std::set<std::string>> entries_;
  std::vector<std::string> events_;
  std::vector<std::string> lists_;
};

// Two replicas that must never differ; the second is restored now and then.
class TwoReplicas : public ::testing::Test {
 protected:
  Result Call(const char* rpc, const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    return result;
  }
  template <class Output>
  Output Ok(const char* rpc, const google::protobuf::Message& input) {
    return Harness::Parse<Output>(Call(rpc, input));
  }
  void Tick() {
    replica_.Tick(1);
    restored_.Tick(1);
  }
  void Listen() {
    listener_ = replica_.Start(1, "Events", EventsOf(""));
    ASSERT_EQ(restored_.Start(1, "Events", EventsOf("")), listener_);
  }
  bool listening() const { return listener_.sequence.value() > 0; }
  std::vector<std::string> Events() {
    const auto outputs = replica_.Events(listener_);
    EXPECT_EQ(restored_.Events(listener_), outputs);
    return ToTexts<pb::EventsOutput>(outputs);
  }
  std::vector<std::string> Entries(size_t rows_max) const {
    const auto outputs = restored_.List("Entries", EntriesOf(), rows_max);
    EXPECT_EQ(replica_.List("Entries", EntriesOf(), rows_max + 1), outputs);
    return ToTexts<pb::EntriesOutput>(outputs);
  }
  template <class Output>
  static std::vector<std::string> ToTexts(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      texts.push_back(ToText(Harness::Parse<Output>(output)));
    }
    return texts;
  }
  void Restore() {
    restored_.Restore();
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
    ASSERT_EQ(replica_.timers(), restored_.timers());
  }
  std::string SomeKey(uint64_t keys) {
    return absl::StrCat(random_.Below(keys));
  }
  Values SomeValues(uint64_t values) {
    Values some(random_.Below(4));
    for (std::string& value : some) value = absl::StrCat(random_.Below(values));
    return some;
  }
  KeyValues SomeEntries(uint64_t keys, uint64_t values) {
    KeyValues some(random_.Below(4));
    for (auto& [key, list] : some) {
      key = SomeKey(keys);
      list = SomeValues(values);
    }
    return some;
  }

  base::Random random_{29};
  Harness replica_{MultiMapType()};
  Harness restored_{MultiMapType()};
  CommandKey listener_;
};

class MultiMapModelTest : public TwoReplicas {
 protected:
  // Local watchers are not part of the state: only one replica has any.
  void SetUp() override { replica_.Watch(); }

  void Step() {
    const std::string key = SomeKey(5);
    const std::string value = absl::StrCat(random_.Below(5));
    const Values values = SomeValues(5);
    const KeyValues entries = SomeEntries(5, 5);
    switch (random_.Below(9)) {
      case 0:
        EXPECT_EQ(Call("Put", PutOf(key, value)).status,
                  model_.Put(key, value));
        break;
      case 1:
        EXPECT_EQ(
            Ok<pb::PutAllOutput>("PutAll", PutAllOf(key, values)).updated(),
            model_.PutEntries({{key, values}}));
        break;
      case 2:
        EXPECT_EQ(Ok<pb::PutEntriesOutput>("PutEntries", PutEntriesOf(entries))
                      .updated(),
                  model_.PutEntries(entries));
        break;
      case 3: {
        const auto output =
            Ok<pb::ReplaceOutput>("Replace", ReplaceOf(key, values));
        EXPECT_EQ(
            Values(output.prev_values().begin(), output.prev_values().end()),
            model_.Replace(key, values));
        break;
      }
      case 4:
      case 5:
        EXPECT_EQ(Call("Remove", RemoveOf(key, value)).status,
                  model_.Remove(key, value));
        break;
      case 6: {
        const Result result = Call("RemoveAll", RemoveAllOf(key, values));
        ASSERT_EQ(result.status, model_.has(key) ? OperationStatus::kOk
                                                 : OperationStatus::kNotFound);
        EXPECT_EQ(Harness::Parse<pb::RemoveAllOutput>(result.output).updated(),
                  model_.RemoveAll(key, values));
        break;
      }
      case 7:
        EXPECT_EQ(Ok<pb::RemoveEntriesOutput>("RemoveEntries",
                                              RemoveEntriesOf(entries))
                      .updated(),
                  model_.RemoveEntries(entries));
        break;
      default:
        if (!random_.OneIn(10)) break;
        Call("Clear", pb::ClearInput());
        model_.Clear();
    }
  }

  void Compare() {
    ASSERT_EQ(Entries(3), model_.Entries());
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              model_.Entries().size());
    const std::string key = SomeKey(6);
    const auto got = restored_.Ok<pb::GetOutput>("Get", GetOf(key));
    const Values values(got.values().begin(), got.values().end());
    ASSERT_EQ(values, model_.Get(key));
    const std::string value = absl::StrCat(random_.Below(6));
    ASSERT_EQ(
        restored_.Ok<pb::ContainsOutput>("Contains", ContainsOf(key, value))
            .result(),
        std::count(values.begin(), values.end(), value) > 0);
    ASSERT_EQ(ToTexts<pb::EntriesOutput>(replica_.Changes()),
              model_.TakeLists());
    const std::vector<std::string> events = model_.TakeEvents();
    if (listening()) {
      ASSERT_EQ(Events(), events);
    }
  }

  // A listener comes after a third of the steps, and goes after two thirds.
  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      if (i == steps / 3) Listen();
      Step();
      Compare();
      if (i == 2 * steps / 3) {
        replica_.Cancel(listener_);
        restored_.Cancel(listener_);
        listener_ = {};
      }
      if (random_.OneIn(restore_in)) Restore();
    }
  }

  Model model_;
};

TEST_F(MultiMapModelTest, ThousandsOfCommands) { Run(6000, 60); }
TEST_F(MultiMapModelTest, RestoreAtEveryIndex) { Run(1000, 1); }

// With Clears of more pairs than one entry reports: each event must fit the
// copy, and in the end it must be the multimap.
class MultiMapMirrorTest : public TwoReplicas {
 protected:
  void ReceiveAll() {
    for (const std::string& event : Events()) {
      const std::string pair = event.substr(event.find(' ') + 1);
      if (event[0] == 'a') {
        ASSERT_TRUE(mirror_.insert(pair).second) << event;
      } else {
        ASSERT_EQ(mirror_.erase(pair), 1u) << event;
      }
    }
  }

  std::set<std::string> mirror_;  // "key=value"
};

TEST_F(MultiMapMirrorTest, EventsMakeACopyOfTheMultiMap) {
  Listen();
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    for (int key = 0; key < 60; ++key) {
      Values values;
      for (int i = 0; i < 25; ++i) values.push_back(absl::StrCat(i));
      Call("PutAll", PutAllOf(absl::StrCat(key), values));
    }
    Call("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(8);
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_.Below(7)) {
        case 0:
          Call("PutEntries", PutEntriesOf(SomeEntries(60, 25)));
          break;
        case 1:
          Call("Replace", ReplaceOf(SomeKey(60), SomeValues(25)));
          break;
        case 2:
          Call("RemoveEntries", RemoveEntriesOf(SomeEntries(60, 25)));
          break;
        case 3:
          Call("Clear", pb::ClearInput());
          break;
        case 4:
          Restore();
          break;
        default:
          Tick();
      }
    }
    ReceiveAll();
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
  }
  for (int i = 0; i < 3; ++i) Tick();
  ReceiveAll();
  std::set<std::string> pairs;
  for (const std::string& output : replica_.List("Entries", EntriesOf(), 256)) {
    const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
    for (const std::string& value : entry.values()) {
      pairs.insert(absl::StrCat(entry.key(), "=", value));
    }
  }
  EXPECT_EQ(mirror_, pairs);
}

}  // namespace
}  // namespace primitive
