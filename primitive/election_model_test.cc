// Random commands against an election that is as simple as it can be, on a
// replica that runs through and one that is restored from its rows again and
// again.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/election/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/election.h"
#include "primitive/testing/harness.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::election::v1;
using ::primitive::testing::Harness;

// The election as its service's documentation describes it: a leader, and a
// queue without the leader.
class Model {
 public:
  struct Candidate {
    std::string name;
    uint64_t session = 0;
  };

  void Enter(const std::string& name, uint64_t session) {
    if (leader_.name == name || Find(name) != queue_.end()) return;
    if (leader_.name.empty()) {
      Lead({name, session});
    } else {
      queue_.push_back({name, session});
    }
  }
  void Withdraw(const std::string& name, uint64_t session) {
    const auto it = Find(name);
    const bool own = leader_.name == name
                         ? leader_.session == session
                         : it != queue_.end() && it->session == session;
    if (own) Evict(name);
  }
  void Anoint(const std::string& name) {
    const auto it = Find(name);
    if (it == queue_.end()) return;
    const Candidate wanted = *it;
    queue_.erase(it);
    queue_.insert(queue_.begin(), leader_);
    Lead(wanted);
  }
  void Promote(const std::string& name) {
    const auto it = Find(name);
    if (it == queue_.end()) return;
    if (it == queue_.begin()) return Anoint(name);
    std::swap(*it, *(it - 1));
  }
  void Demote(const std::string& name) {
    if (leader_.name == name && !name.empty()) {
      if (!queue_.empty()) Anoint(queue_.front().name);
      return;
    }
    const auto it = Find(name);
    if (it == queue_.end() || it + 1 == queue_.end()) return;
    std::swap(*it, *(it + 1));
  }
  void Evict(const std::string& name) {
    if (leader_.name == name) {
      LeadNext();
    } else if (const auto it = Find(name); it != queue_.end()) {
      queue_.erase(it);
    }
  }
  void EndSession(uint64_t session) {
    std::erase_if(queue_, [session](const Candidate& candidate) {
      return candidate.session == session;
    });
    if (leader_.session == session) LeadNext();
  }

  std::string ToText() const {
    std::string text = absl::StrCat(term_, " ", leader_.name, ":");
    for (const Candidate& candidate : queue_) {
      absl::StrAppend(&text, " ", candidate.name);
    }
    return text;
  }

 private:
  std::vector<Candidate>::iterator Find(const std::string& name) {
    return std::find_if(
        queue_.begin(), queue_.end(),
        [&](const Candidate& candidate) { return candidate.name == name; });
  }
  void Lead(const Candidate& candidate) {
    leader_ = candidate;
    ++term_;
  }
  void LeadNext() {
    leader_ = {};
    if (queue_.empty()) return;
    const Candidate next = queue_.front();
    queue_.erase(queue_.begin());
    Lead(next);
  }

  uint64_t term_ = 0;
  Candidate leader_;
  std::vector<Candidate> queue_;
};

std::string ToText(const pb::Term& term) {
  std::string text = absl::StrCat(term.index(), " ", term.leader(), ":");
  for (const std::string& name : term.candidates()) {
    absl::StrAppend(&text, " ", name);
  }
  return text;
}

class ElectionModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Local watchers are not part of the state: only one replica has any.
    replica_.Watch();
  }

  // What both replicas answer.
  template <class Input, class Output>
  std::string Call(uint64_t session, const char* rpc, const std::string& name) {
    Input input;
    input.set_candidate(name);
    const session::Result result = replica_.Call(session, rpc, input);
    EXPECT_EQ(restored_.Call(session, rpc, input), result);
    return ToText(Harness::Parse<Output>(result).term());
  }

  // What both replicas answer; the term if nothing answers.
  std::string Step() {
    // Sometimes few candidates, so that one is alone, and leaves.
    const std::string name(1, static_cast<char>('a' + random_.Below(names_)));
    const uint64_t session = 1 + random_.Below(4);
    switch (random_.Below(12)) {
      case 0:
      case 1:
      case 2:
        model_.Enter(name, session);
        return Call<pb::EnterInput, pb::EnterOutput>(session, "Enter", name);
      case 3:
      case 4:
        model_.Withdraw(name, session);
        return Call<pb::WithdrawInput, pb::WithdrawOutput>(session, "Withdraw",
                                                           name);
      case 5:
      case 6:
        model_.Promote(name);
        return Call<pb::PromoteInput, pb::PromoteOutput>(session, "Promote",
                                                         name);
      case 7:
      case 8:
        model_.Demote(name);
        return Call<pb::DemoteInput, pb::DemoteOutput>(session, "Demote", name);
      case 9:
        model_.Anoint(name);
        return Call<pb::AnointInput, pb::AnointOutput>(session, "Anoint", name);
      case 10:
        model_.Evict(name);
        return Call<pb::EvictInput, pb::EvictOutput>(session, "Evict", name);
      default:
        model_.EndSession(session);
        replica_.EndSession(session);
        restored_.EndSession(session);
        return ToText(
            restored_.Ok<pb::GetTermOutput>("GetTerm", pb::GetTermInput())
                .term());
    }
  }

  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      if (random_.OneIn(50)) names_ = 1 + random_.Below(9);
      const std::string before = model_.ToText();
      const std::string answer = Step();
      ASSERT_EQ(answer, model_.ToText()) << "step " << i;
      std::vector<std::string> changes;
      for (const std::string& output : replica_.Changes()) {
        changes.push_back(
            ToText(Harness::Parse<pb::WatchOutput>(output).term()));
      }
      std::vector<std::string> expected;
      if (model_.ToText() != before) expected.push_back(model_.ToText());
      ASSERT_EQ(changes, expected) << "step " << i;
      if (random_.OneIn(restore_in)) {
        restored_.Restore();
        ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
      }
    }
  }

  base::Random random_{23};
  uint64_t names_ = 5;
  Harness replica_{ElectionType()};
  Harness restored_{ElectionType()};
  Model model_;
};

TEST_F(ElectionModelTest, ThousandsOfCommands) { Run(20'000, 60); }
TEST_F(ElectionModelTest, RestoreAtEveryIndex) { Run(2000, 1); }

}  // namespace
}  // namespace primitive
