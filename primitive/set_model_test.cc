// Random commands against a set that is as simple as it can be, on a replica
// that runs through and one that is restored from its rows again and again; and
// a client that keeps a copy by its events alone.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/set/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/set.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/set_inputs.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::set::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;

// The set as its documentation describes it, with its events as text.
class Model {
 public:
  OperationStatus Add(const std::string& element, uint64_t expire_ns) {
    if (!elements_.emplace(element, expire_ns).second) {
      return OperationStatus::kAlreadyExists;
    }
    events_.push_back("add " + element);
    return OperationStatus::kOk;
  }
  OperationStatus Remove(const std::string& element) {
    if (elements_.erase(element) == 0) return OperationStatus::kNotFound;
    events_.push_back("remove " + element);
    return OperationStatus::kOk;
  }
  void Clear() {
    while (!elements_.empty()) Remove(std::string(elements_.begin()->first));
  }
  void MoveTo(uint64_t time_ns) {
    while (true) {
      auto first = elements_.end();
      for (auto it = elements_.begin(); it != elements_.end(); ++it) {
        if (it->second > time_ns) continue;
        if (first == elements_.end() || it->second < first->second) first = it;
      }
      if (first == elements_.end()) return;
      events_.push_back("expire " + first->first);
      elements_.erase(first);
    }
  }

  std::vector<std::string> Elements() const {
    std::vector<std::string> elements;
    for (const auto& [element, expire_ns] : elements_) {
      elements.push_back(element);
    }
    return elements;
  }
  bool Contains(const std::string& element) const {
    return elements_.contains(element);
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }

 private:
  std::map<std::string, uint64_t> elements_;  // To when they expire.
  std::vector<std::string> events_;
};

// Two replicas that must never differ; the second is restored now and then.
class TwoReplicas : public ::testing::Test {
 protected:
  Result Call(const char* rpc, const google::protobuf::Message& input) {
    const Result result = replica_.Call(rpc, input);
    EXPECT_EQ(restored_.Call(rpc, input), result);
    return result;
  }
  void Tick(uint64_t ns) {
    replica_.Tick(ns);
    restored_.Tick(ns);
  }
  void Listen() {
    listener_ = replica_.Start(1, "Events", pb::EventsInput());
    ASSERT_EQ(restored_.Start(1, "Events", pb::EventsInput()), listener_);
  }
  bool listening() const { return listener_.sequence.value() > 0; }
  std::vector<std::string> Events() {
    const auto outputs = replica_.Events(listener_);
    EXPECT_EQ(restored_.Events(listener_), outputs);
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::EventsOutput>(output)));
    }
    return texts;
  }
  std::vector<std::string> Elements(size_t rows_max) const {
    const auto outputs = restored_.List("Elements", ElementsOf(), rows_max);
    EXPECT_EQ(replica_.List("Elements", ElementsOf(), rows_max + 1), outputs);
    std::vector<std::string> elements;
    for (const std::string& output : outputs) {
      elements.push_back(
          Harness::Parse<pb::ElementsOutput>(output).element().value());
    }
    return elements;
  }
  void Restore() {
    restored_.Restore();
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
    ASSERT_EQ(replica_.timers(), restored_.timers());
  }

  base::Random random_{23};
  Harness replica_{SetType()};
  Harness restored_{SetType()};
  CommandKey listener_;
};

class SetModelTest : public TwoReplicas {
 protected:
  // Local watchers are not part of the state: only one replica has any.
  void SetUp() override { replica_.Watch(); }

  void Step() {
    const std::string element = absl::StrCat(random_.Below(8));
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2: {
        Ttl ttl;
        uint64_t expire_ns = session::kNever;
        if (random_.OneIn(2)) {
          // Sometimes none or negative.
          const auto seconds = static_cast<int64_t>(random_.Below(8)) - 1;
          ttl = Duration(seconds);
          expire_ns =
              replica_.time_ns() + (seconds > 0 ? seconds * kSecond : 1);
        }
        EXPECT_EQ(Call("Add", AddOf(element, ttl)).status,
                  model_.Add(element, expire_ns));
        break;
      }
      case 3:
      case 4:
        EXPECT_EQ(Call("Remove", RemoveOf(element)).status,
                  model_.Remove(element));
        break;
      case 5:
        if (!random_.OneIn(5)) break;
        Call("Clear", pb::ClearInput());
        model_.Clear();
        break;
      default:
        Tick(random_.OneIn(3) ? random_.Below(3) : random_.Below(2 * kSecond));
        model_.MoveTo(replica_.time_ns());
    }
  }

  void Compare() {
    const std::vector<std::string> expected = model_.Elements();
    ASSERT_EQ(Elements(3), expected);
    ASSERT_EQ(restored_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size(),
              expected.size());
    const std::string element = absl::StrCat(random_.Below(9));
    ASSERT_EQ(restored_.Ok<pb::ContainsOutput>("Contains", ContainsOf(element))
                  .contains(),
              model_.Contains(element));
    const std::vector<std::string> events = model_.TakeEvents();
    ASSERT_EQ(replica_.Changes().size(), events.size());
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

TEST_F(SetModelTest, ThousandsOfCommands) { Run(6000, 60); }
TEST_F(SetModelTest, RestoreAtEveryIndex) { Run(1000, 1); }

// With Clears of more elements than one entry reports: each event must fit the
// copy, and in the end it must be the set.
class SetMirrorTest : public TwoReplicas {
 protected:
  void Receive(const std::string& event) {
    const std::string element = event.substr(event.find(' ') + 1);
    if (event[0] == 'a') {
      ASSERT_TRUE(mirror_.insert(element).second) << event;
    } else {
      ASSERT_EQ(mirror_.erase(element), 1u) << event;
    }
  }
  void ReceiveAll() {
    for (const std::string& event : Events()) Receive(event);
  }

  std::set<std::string> mirror_;
};

TEST_F(SetMirrorTest, EventsMakeACopyOfTheSet) {
  Listen();
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    for (int i = 0; i < 1500; ++i) {
      Call("Add", AddOf(absl::StrCat(i),
                        random_.OneIn(5) ? Ttl(Duration(30)) : Ttl()));
    }
    Call("Clear", pb::ClearInput());
    const uint64_t steps = random_.Below(6);
    for (uint64_t i = 0; i < steps; ++i) {
      const std::string element = absl::StrCat(random_.Below(1500));
      switch (random_.Below(5)) {
        case 0:
          Call("Add", AddOf(element));
          break;
        case 1:
          Call("Remove", RemoveOf(element));
          break;
        case 2:
          Call("Clear", pb::ClearInput());
          break;
        case 3:
          Restore();
          break;
        default:
          Tick(random_.Below(40 * kSecond));
      }
    }
    ReceiveAll();
    ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
  }
  for (int i = 0; i < 3; ++i) Tick(0);
  ReceiveAll();
  EXPECT_EQ(std::vector<std::string>(mirror_.begin(), mirror_.end()),
            Elements(256));
}

}  // namespace
}  // namespace primitive
