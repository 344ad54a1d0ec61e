// Random commands against a list that is as simple as it can be, on a replica
// that runs through and one that is restored from its rows again and again.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/list/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/list.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/list_inputs.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::list::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// The list as its documentation describes it, with its events as text.
struct Model {
  std::string Text(size_t at) const { return absl::StrCat(at, "=", items[at]); }
  void Insert(size_t at, const std::string& value, const char* how) {
    items.insert(items.begin() + at, value);
    events.push_back(how + Text(at));
  }
  void Set(size_t at, const std::string& value) {
    const std::string was = std::exchange(items[at], value);
    events.push_back(absl::StrCat("update ", Text(at), " was ", was));
  }
  void Remove(size_t at) {
    events.push_back("remove " + Text(at));
    items.erase(items.begin() + at);
  }
  void Clear() {
    while (!items.empty()) Remove(items.size() - 1);
  }

  std::vector<std::string> items;
  std::vector<std::string> events;
};

class ListModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Local watchers are not part of the state: only one replica has any.
    replica_.Watch();
  }

  OperationStatus Call(const char* rpc,
                       const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    last_ = result;
    return result.status;
  }
  // That the last answer was the item that the model has there.
  template <class Output>
  void ExpectItem(const std::string& item) {
    EXPECT_EQ(ToText(Harness::Parse<Output>(last_).item()), item);
  }

  void Step() {
    const size_t size = model_.items.size();
    const std::string value = absl::StrCat("v", random_.Below(1000));
    // Now and then out of range.
    const auto at = static_cast<uint32_t>(random_.Below(size + 2));
    const auto expect = [&](bool fits) {
      return fits ? OperationStatus::kOk : OperationStatus::kInvalid;
    };
    switch (random_.Below(grows_ ? 8 : 10)) {
      case 0:
      case 1:
        EXPECT_EQ(Call("Append", AppendOf(value)), OperationStatus::kOk);
        model_.Insert(size, value, "append ");
        break;
      case 2:
      case 3:
        ASSERT_EQ(Call("Insert", InsertOf(at, value)), expect(at <= size));
        if (at > size) break;
        model_.Insert(at, value, "insert ");
        ExpectItem<pb::InsertOutput>(model_.Text(at));
        break;
      case 4:
        ASSERT_EQ(Call("Set", SetOf(at, value)), expect(at < size));
        if (at >= size) break;
        model_.Set(at, value);
        ExpectItem<pb::SetOutput>(model_.Text(at));
        break;
      case 5:
        if (!random_.OneIn(100)) break;
        Call("Clear", pb::ClearInput());
        model_.Clear();
        break;
      default:
        ASSERT_EQ(Call("Remove", RemoveOf(at)), expect(at < size));
        if (at >= size) break;
        ExpectItem<pb::RemoveOutput>(model_.Text(at));
        model_.Remove(at);
    }
    if (random_.OneIn(500)) grows_ = !grows_;
  }

  void Compare() {
    std::vector<std::string> listed;
    const auto listing = restored_.List("Items", ItemsOf(), 3);
    for (const std::string& output : listing) {
      listed.push_back(ToText(Harness::Parse<pb::ItemsOutput>(output).item()));
    }
    std::vector<std::string> expected;
    for (size_t i = 0; i < model_.items.size(); ++i) {
      expected.push_back(model_.Text(i));
    }
    ASSERT_EQ(listed, expected);
    ASSERT_EQ(replica_.List("Items", ItemsOf(), 50), listing);
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              expected.size());
    if (!expected.empty()) {
      const auto at = static_cast<uint32_t>(random_.Below(expected.size()));
      Call("Get", GetOf(at));
      ExpectItem<pb::GetOutput>(expected[at]);
    }
  }

  // A listener comes after a third of the steps, and goes after two thirds.
  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      if (i == steps / 3) {
        listener_ = replica_.Start(1, "Events", pb::EventsInput());
        ASSERT_EQ(restored_.Start(1, "Events", pb::EventsInput()), *listener_);
      }
      Step();
      const std::vector<std::string> told = std::exchange(model_.events, {});
      ASSERT_EQ(replica_.Changes().size(), told.size());
      if (listener_.has_value()) {
        const auto outputs = replica_.Events(*listener_);
        ASSERT_EQ(restored_.Events(*listener_), outputs);
        std::vector<std::string> texts;
        for (const std::string& output : outputs) {
          texts.push_back(ToText(Harness::Parse<pb::EventsOutput>(output)));
        }
        ASSERT_EQ(texts, told);
      }
      if (i == 2 * steps / 3) {
        replica_.Cancel(*listener_);
        restored_.Cancel(*listener_);
        listener_.reset();
      }
      if (random_.OneIn(restore_in)) restored_.Restore();
      if (random_.OneIn(10) || restore_in == 1) {
        ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
      }
      Compare();
    }
  }

  base::Random random_{41};
  Harness replica_{ListType()};
  Harness restored_{ListType()};
  Model model_;
  Result last_;
  bool grows_ = true;
  std::optional<CommandKey> listener_;
};

TEST_F(ListModelTest, ThousandsOfCommands) { Run(6000, 60); }
TEST_F(ListModelTest, RestoreAtEveryIndex) { Run(600, 1); }

// A client that keeps a copy of the list by its events alone, the way its index
// says and no other: each event must fit the copy, and in the end it must be
// the list. With Clears of more items than one entry reports, and clients that
// come while their events are under way: their copy begins with the list as it
// is then.
class ListMirrorTest : public ::testing::Test {
 protected:
  struct Mirror {
    CommandKey listener;
    std::vector<std::string> items;
  };

  void Open() {
    mirrors_.push_back(
        {.listener = replica_.Start(1, "Events", pb::EventsInput()),
         .items = List()});
    ASSERT_EQ(restored_.Start(1, "Events", pb::EventsInput()),
              mirrors_.back().listener);
    // What the entry did before the command is not for the newcomer.
    Receive();
  }
  std::vector<std::string> List() {
    std::vector<std::string> items;
    for (const std::string& output : replica_.List("Items", ItemsOf(), 1000)) {
      items.push_back(
          Harness::Parse<pb::ItemsOutput>(output).item().value().value());
    }
    return items;
  }
  void Receive() {
    for (Mirror& mirror : mirrors_) {
      const auto outputs = replica_.Events(mirror.listener);
      ASSERT_EQ(restored_.Events(mirror.listener), outputs);
      for (const std::string& output : outputs) {
        Receive(Harness::Parse<pb::EventsOutput>(output), mirror.items);
      }
    }
  }
  static void Receive(const pb::EventsOutput& output,
                      std::vector<std::string>& items) {
    const pb::Event& event = output.event();
    const size_t at = event.index();
    switch (event.event_case()) {
      case pb::Event::kAppended:
        ASSERT_EQ(at, items.size()) << ToText(output);
        items.push_back(event.appended().value().value());
        break;
      case pb::Event::kInserted:
        ASSERT_LE(at, items.size()) << ToText(output);
        items.insert(items.begin() + at, event.inserted().value().value());
        break;
      case pb::Event::kUpdated:
        ASSERT_LT(at, items.size());
        ASSERT_EQ(items[at], event.updated().prev_value().value());
        items[at] = event.updated().value().value();
        break;
      case pb::Event::kRemoved:
        ASSERT_LT(at, items.size()) << ToText(output);
        ASSERT_EQ(items[at], event.removed().value().value());
        items.erase(items.begin() + at);
        break;
      default:
        FAIL() << ToText(output);
    }
  }
  void Apply(const char* rpc, const google::protobuf::Message& input) {
    EXPECT_EQ(replica_.Call(rpc, input), restored_.Call(rpc, input));
  }

  base::Random random_{43};
  Harness replica_{ListType()};
  Harness restored_{ListType()};
  std::vector<Mirror> mirrors_;
};

TEST_F(ListMirrorTest, EventsMakeACopyOfTheList) {
  uint64_t next = 0;
  const auto value = [&next] { return absl::StrCat("v", ++next); };
  Open();
  for (int round = 0; round < 15 && !HasFailure(); ++round) {
    const uint64_t items = random_.OneIn(3) ? 900 : 2200;
    for (uint64_t i = 0; i < items; ++i) Apply("Append", AppendOf(value()));
    Apply("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(12);
    for (uint64_t i = 0; i < steps; ++i) {
      const auto size = static_cast<uint32_t>(List().size());
      switch (random_.Below(8)) {
        case 0:
          Apply("Append", AppendOf(value()));
          break;
        case 1:
          Apply("Insert", InsertOf(size / 2, value()));
          break;
        case 2:
          Apply("Set", SetOf(size / 2, value()));
          break;
        case 3:
          Apply("Remove", RemoveOf(size / 2));
          break;
        case 4:
          Apply("Clear", pb::ClearInput());
          break;
        case 5:
          restored_.Restore();
          break;
        case 6:
          if (mirrors_.size() < 6) Open();
          break;
        default:
          replica_.Tick(1);
          restored_.Tick(1);
      }
    }
    Receive();
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
  }
  for (int i = 0; i < 20; ++i) replica_.Tick(0), restored_.Tick(0);
  Receive();
  for (const Mirror& mirror : mirrors_) EXPECT_EQ(mirror.items, List());
}

}  // namespace
}  // namespace primitive
