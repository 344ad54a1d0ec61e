// Random commands against an indexed map that is as simple as it can be, on a
// replica that runs through and one that is restored from its rows again and
// again.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/indexedmap/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/indexedmap.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/indexedmap_inputs.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::indexedmap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// As its documentation describes it: a vector, searched from end to end.
class Model {
 public:
  struct Entry {
    uint64_t index = 0;
    std::string key;
    std::string value;
    uint64_t version = 0;
    uint64_t expire_ns = session::kNever;

    std::string Value() const { return absl::StrCat(value, "@", version); }
    std::string Text() const {
      return absl::StrCat(index, ":", key, "=", Value());
    }
  };
  struct Answer {
    OperationStatus status = OperationStatus::kOk;
    std::string entry;
  };

  Answer Append(Entry entry) {
    for (const Entry& present : entries_) {
      if (present.key == entry.key) return {OperationStatus::kAlreadyExists};
    }
    entry.index = ++last_index_;
    Tell("insert " + entry.Text());
    entries_.push_back(entry);
    return {.entry = entry.Text()};
  }
  Answer Update(const Wanted& wanted, const Entry& update) {
    if (wanted.index == 0 && wanted.key.empty()) {
      return {OperationStatus::kInvalid};
    }
    Entry* entry = Find(wanted);
    if (entry == nullptr) return {OperationStatus::kNotFound};
    if (!wanted.key.empty() && entry->key != wanted.key) {
      return {OperationStatus::kInvalid};
    }
    if (wanted.prev_version > 0 && entry->version != wanted.prev_version) {
      return {OperationStatus::kConflict};
    }
    if (entry->value == update.value) return {.entry = entry->Text()};
    const std::string was = entry->Value();
    entry->value = update.value;
    entry->version = update.version;
    entry->expire_ns = update.expire_ns;
    Tell("update " + entry->Text() + " was " + was);
    return {.entry = entry->Text()};
  }
  Answer Remove(const Wanted& wanted) {
    Entry* entry = Find(wanted);
    if (entry == nullptr) return {OperationStatus::kNotFound};
    if (wanted.prev_version > 0 && entry->version != wanted.prev_version) {
      return {OperationStatus::kConflict};
    }
    const std::string text = entry->Text();
    Erase("remove ", entry);
    return {.entry = text};
  }
  void Clear() {
    while (!entries_.empty()) Erase("remove ", &entries_.front());
  }
  void MoveTo(uint64_t time_ns) {
    while (true) {
      Entry* first = nullptr;
      for (Entry& entry : entries_) {
        if (entry.expire_ns > time_ns) continue;
        if (first == nullptr || entry.expire_ns < first->expire_ns) {
          first = &entry;
        }
      }
      if (first == nullptr) return;
      Erase("expire ", first);
    }
  }

  std::string Next(uint64_t index) const {
    for (const Entry& entry : entries_) {
      if (entry.index > index) return entry.Text();
    }
    return "";
  }
  std::string Prev(uint64_t index) const {
    std::string found;
    for (const Entry& entry : entries_) {
      if (entry.index < index) found = entry.Text();
    }
    return found;
  }
  const std::vector<Entry>& entries() const { return entries_; }
  uint64_t last_index() const { return last_index_; }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  size_t TakeChanges() { return std::exchange(changes_, 0); }

 private:
  Entry* Find(const Wanted& wanted) {
    for (Entry& entry : entries_) {
      if (wanted.index > 0 ? entry.index == wanted.index
                           : entry.key == wanted.key) {
        return &entry;
      }
    }
    return nullptr;
  }
  void Erase(const char* how, Entry* entry) {
    Tell(how + entry->Text());
    entries_.erase(entries_.begin() + (entry - entries_.data()));
  }
  void Tell(std::string event) {
    events_.push_back(std::move(event));
    ++changes_;
  }

  std::vector<Entry> entries_;
  uint64_t last_index_ = 0;
  std::vector<std::string> events_;
  size_t changes_ = 0;
};

class IndexedMapModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Local watchers are not part of the state: only one replica has any.
    replica_.Watch();
  }

  // Empty: not found.
  template <class Output>
  std::string Query(const char* rpc, const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    if (result.status == OperationStatus::kNotFound) return "";
    return ToText(Harness::Parse<Output>(result).entry());
  }
  template <class Output>
  void Expect(const char* rpc, const google::protobuf::Message& input,
              const Model::Answer& expected) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    EXPECT_EQ(result.status, expected.status) << rpc;
    if (result.status != OperationStatus::kOk) return;
    EXPECT_EQ(ToText(Harness::Parse<Output>(result).entry()), expected.entry);
  }

  std::string SomeKey() {
    const uint64_t key = random_.Below(9);
    return key == 8 ? "" : absl::StrCat("k", key);
  }
  uint64_t SomeIndex() {
    // Around the last that were given.
    const uint64_t last = model_.last_index();
    return random_.Between(last > 12 ? last - 12 : 0, last + 2);
  }
  Wanted SomeWanted() {
    Wanted wanted;
    if (random_.OneIn(2)) wanted.index = SomeIndex();
    if (wanted.index == 0 || random_.OneIn(3)) wanted.key = SomeKey();
    if (!model_.entries().empty() && random_.OneIn(2)) {
      const auto& entries = model_.entries();
      const Model::Entry& entry = entries[random_.Below(entries.size())];
      if (random_.OneIn(2)) wanted.index = entry.index;
      if (random_.OneIn(2)) wanted.key = entry.key;
      if (random_.OneIn(4)) wanted.prev_version = entry.version;
    }
    if (random_.OneIn(8)) wanted.prev_version = random_.Between(1, 300);
    return wanted;
  }
  // What the next command writes, and its time to live.
  std::pair<Model::Entry, Ttl> SomeEntry() {
    Model::Entry entry{.key = SomeKey(),
                       .value = absl::StrCat("v", random_.Below(3)),
                       .version = replica_.index() + 1};
    if (!random_.OneIn(3)) return {entry, std::nullopt};
    const auto seconds = static_cast<int64_t>(random_.Below(8)) - 1;
    entry.expire_ns =
        replica_.time_ns() + (seconds > 0 ? seconds * kSecond : 1);
    return {entry, Duration(seconds)};
  }

  void Step() {
    const auto [entry, ttl] = SomeEntry();
    const Wanted wanted = SomeWanted();
    switch (random_.Below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Expect<pb::AppendOutput>("Append",
                                 AppendOf(entry.key, entry.value, ttl),
                                 model_.Append(entry));
        break;
      case 4:
      case 5:
      case 6:
        Expect<pb::UpdateOutput>("Update", UpdateOf(wanted, entry.value, ttl),
                                 model_.Update(wanted, entry));
        break;
      case 7:
      case 8:
        Expect<pb::RemoveOutput>("Remove", RemoveOf(wanted),
                                 model_.Remove(wanted));
        break;
      case 9:
        if (!random_.OneIn(10)) break;
        for (Harness* map : {&replica_, &restored_}) {
          map->Call("Clear", pb::ClearInput());
        }
        model_.Clear();
        break;
      default: {
        const uint64_t ns =
            random_.OneIn(3) ? random_.Below(3) : random_.Below(2 * kSecond);
        replica_.Tick(ns);
        restored_.Tick(ns);
        model_.MoveTo(replica_.time_ns());
      }
    }
  }

  void Compare() {
    std::vector<std::string> expected;
    for (const Model::Entry& entry : model_.entries()) {
      expected.push_back(entry.Text());
      ASSERT_EQ(Query<pb::GetOutput>("Get", GetOf({.index = entry.index})),
                entry.Text());
      ASSERT_EQ(Query<pb::GetOutput>("Get", GetOf({.key = entry.key})),
                entry.key.empty() ? "" : entry.Text());
    }
    const auto listing = restored_.List("Entries", EntriesOf(), 3);
    std::vector<std::string> listed;
    for (const std::string& output : listing) {
      listed.push_back(
          ToText(Harness::Parse<pb::EntriesOutput>(output).entry()));
    }
    ASSERT_EQ(listed, expected);
    ASSERT_EQ(replica_.List("Entries", EntriesOf(), 5), listing);
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              expected.size());
    ASSERT_EQ(Query<pb::FirstEntryOutput>("FirstEntry", pb::FirstEntryInput()),
              model_.Next(0));
    ASSERT_EQ(Query<pb::LastEntryOutput>("LastEntry", pb::LastEntryInput()),
              model_.Prev(UINT64_MAX));
    const uint64_t index = SomeIndex();
    ASSERT_EQ(Query<pb::NextEntryOutput>("NextEntry", NextOf(index)),
              model_.Next(index));
    ASSERT_EQ(Query<pb::PrevEntryOutput>("PrevEntry", PrevOf(index)),
              model_.Prev(index));
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

  base::Random random_{21};
  Harness replica_{IndexedMapType()};
  Harness restored_{IndexedMapType()};
  Model model_;
  CommandKey listener_;
};

TEST_F(IndexedMapModelTest, ThousandsOfCommands) { Run(6000, 60); }
TEST_F(IndexedMapModelTest, RestoreAtEveryIndex) { Run(600, 1); }

// A client that keeps a copy of the map by its events alone: each event must
// fit the copy, by key and by index, and in the end it must be the map. With
// Clears of more entries than one log entry reports.
class IndexedMapMirrorTest : public ::testing::Test {
 protected:
  void Receive(const pb::EventsOutput& output) {
    const pb::Event& event = output.event();
    const auto it = mirror_.find(event.key());
    const std::string present = it == mirror_.end() ? "" : it->second;
    const auto text = [&event](const pb::Value& value) {
      return absl::StrCat(event.index(), " ", ToText(value));
    };
    switch (event.event_case()) {
      case pb::Event::kInserted:
        ASSERT_EQ(present, "") << ToText(output);
        mirror_[event.key()] = text(event.inserted().value());
        break;
      case pb::Event::kUpdated:
        ASSERT_EQ(present, text(event.updated().prev_value()));
        mirror_[event.key()] = text(event.updated().value());
        break;
      case pb::Event::kRemoved:
        ASSERT_EQ(present, text(event.removed().value())) << ToText(output);
        mirror_.erase(event.key());
        break;
      default:
        FAIL() << ToText(output);
    }
  }

  std::string SomeKey() { return absl::StrCat(random_.Below(1500)); }

  void Fill() {
    for (int i = 0; i < 1500; ++i) {
      Apply("Append",
            AppendOf(absl::StrCat(i), "v",
                     random_.OneIn(5) ? Ttl(Duration(30)) : std::nullopt));
    }
  }
  void Apply(const char* rpc, const google::protobuf::Message& input) {
    EXPECT_EQ(replica_.Call(rpc, input), restored_.Call(rpc, input));
  }
  void Tick(uint64_t ns) {
    replica_.Tick(ns);
    restored_.Tick(ns);
  }

  base::Random random_{23};
  Harness replica_{IndexedMapType()};
  Harness restored_{IndexedMapType()};
  std::map<std::string, std::string> mirror_;
};

TEST_F(IndexedMapMirrorTest, EventsMakeACopyOfTheMap) {
  const CommandKey listener = replica_.Start(1, "Events", EventsOf(""));
  ASSERT_EQ(restored_.Start(1, "Events", EventsOf("")), listener);
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    Fill();
    Apply("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(6);
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_.Below(6)) {
        case 0:
        case 1:
          Apply("Append", AppendOf(SomeKey(), "w", Duration(1)));
          break;
        case 2:
          Apply("Update", UpdateOf({.key = SomeKey()}, "x"));
          break;
        case 3:
          Apply("Clear", pb::ClearInput());
          break;
        case 4:
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
    map[entry.key()] = absl::StrCat(entry.index(), " ", ToText(entry.value()));
  }
  EXPECT_EQ(mirror_, map);
}

}  // namespace
}  // namespace primitive
