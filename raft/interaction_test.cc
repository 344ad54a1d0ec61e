// Transcripts: each file in raft/testdata is a story about a group of replicas.
// A block is a comment, commands one a line, "----", and what they print:
//
//   # A follower behind on its log loses the pre-vote.
//   campaign 3
//   ----
//   3 is pre-candidate at term 1, leader unknown
//   ...
//
// The test runs the commands and compares. To write down what the core does
// now, and read the difference in review:
//
//   bazel run //raft:interaction_test -- --rewrite
//
// Commands; every replica is named by its number:
//
//   group voters=1,2,3 [learners=4] [election_ticks=10] [...]   a new group
//   add 5 [empty]                a replica that begins as the others did, or
//                                knows nobody, for a later confchange
//   hear 3 1                     replica 3 hears that 1 leads
//   campaign 1 | tick 1 [n] | sleep 1 <n> | propose 1 a b c | read 1 <context>
//   confchange 1 voters=1,2,4 [learners=5] | transfer 1 2
//   ready 1                      takes one Ready and prints it
//   persist 1 | apply 1 | fetch 1 | install 1 | refuse 1   completes an effect
//   compact 1 <first index>      an image of what is applied; trims the log
//   deliver 1->2 [n] | drop 1->2 [n] | duplicate 1->2      oldest messages
//   deliver all | drop all       everything on the network now
//   crash 1 | restart 1 | cut 1 2 | isolate 1 | heal
//   work 1                       all of that replica's effects, printed
//   settle [2 3]                 everything everywhere, or only there, printed
//   quietly <command>            the same without printing
//   state [1]                    where replicas stand

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "gtest/gtest.h"
#include "raft/format.h"
#include "raft/test_group.h"

namespace raft {
namespace {

uint64_t Number(absl::string_view text) {
  uint64_t number = 0;
  CHECK(absl::SimpleAtoi(text, &number)) << "'" << text << "' is no number";
  return number;
}

std::vector<uint64_t> Numbers(absl::string_view text) {
  std::vector<uint64_t> numbers;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    numbers.push_back(Number(part));
  }
  return numbers;
}

// One story: executes commands and collects what they print.
class Interaction {
 public:
  std::string Run(const std::vector<std::string>& commands) {
    out_.clear();
    for (const std::string& command : commands) Execute(command);
    if (group_ != nullptr && !group_->invariants().violation().empty()) {
      Print("BROKEN: " + group_->invariants().violation());
    }
    return out_.empty() ? "ok\n" : out_;
  }

 private:
  void Print(const std::string& line) { absl::StrAppend(&out_, line, "\n"); }

  void Execute(const std::string& command) {
    words_ = absl::StrSplit(command, ' ', absl::SkipEmpty());
    if (words_[0] == "quietly") {
      const std::string before = out_;
      words_.erase(words_.begin());
      Dispatch();
      out_ = before;
      return;
    }
    Dispatch();
  }

  void Dispatch() {
    const std::string& name = words_[0];
    if (name == "group") return NewGroup();
    CHECK(group_ != nullptr) << "no group yet";
    if (name == "add") {
      const bool empty = words_.size() > 2 && words_[2] == "empty";
      return Add(Self(), empty ? Configuration() : initial_);
    }
    if (name == "hear") {
      return group_->raft(Self()).HearOf(ReplicaId{Number(words_.at(2))});
    }
    if (name == "campaign") return group_->Campaign(Self());
    if (name == "tick") return group_->Tick(Self(), static_cast<int>(Count(2)));
    if (name == "sleep")
      return group_->Sleep(Self(), static_cast<int>(Count(2)));
    if (name == "propose") return Propose();
    if (name == "read") return group_->ReadIndex(Self(), Number(words_.at(2)));
    if (name == "confchange") return ConfChange();
    if (name == "transfer") return Transfer();
    if (name == "ready") return Did(group_->TakeReady(Self()));
    if (name == "persist") return Did(group_->CompleteWrite(Self()));
    if (name == "apply") return Did(group_->Apply(Self()));
    if (name == "fetch") return Did(group_->Fetch(Self()));
    if (name == "install") return Did(group_->ReceiveImage(Self(), true));
    if (name == "refuse") return Did(group_->ReceiveImage(Self(), false));
    if (name == "compact") {
      return Did(group_->Compact(Self(), Index{Number(words_.at(2))}));
    }
    if (name == "deliver" || name == "drop" || name == "duplicate") {
      return Network(name);
    }
    if (name == "crash") return group_->Crash(Self());
    if (name == "restart") return group_->Restart(Self());
    if (name == "cut") {
      return group_->Cut(Self(), ReplicaId{Number(words_.at(2))});
    }
    if (name == "isolate") return group_->Isolate(Self());
    if (name == "heal") return group_->Heal();
    if (name == "work") return group_->Work(Self());
    if (name == "settle") return Settle();
    if (name == "state") return State();
    LOG(FATAL) << "unknown command " << name;
  }

  ReplicaId Self() const { return ReplicaId{Number(words_.at(1))}; }

  // The optional number at `position`.
  uint64_t Count(size_t position) const {
    return words_.size() > position ? Number(words_[position]) : 1;
  }

  std::string Option(const std::string& name,
                     const std::string& otherwise) const {
    for (const std::string& word : words_) {
      if (absl::StartsWith(word, name + "=")) {
        return word.substr(name.size() + 1);
      }
    }
    return otherwise;
  }

  void Settle() {
    std::vector<ReplicaId> only;
    for (size_t i = 1; i < words_.size(); ++i) {
      only.push_back(ReplicaId{Number(words_[i])});
    }
    group_->Settle(only);
  }

  void Did(bool did) {
    if (!did) Print("nothing to do");
  }

  void NewGroup() {
    Config config{.partition = base::PartitionId{1}, .seed = 1};
    const auto set = [&](const char* name, auto& field) {
      field = static_cast<std::decay_t<decltype(field)>>(
          Number(Option(name, absl::StrCat(field))));
    };
    set("election_ticks", config.election_ticks);
    set("heartbeat_ticks", config.heartbeat_ticks);
    set("message_bytes_max", config.message_bytes_max);
    set("inflight_messages_max", config.inflight_messages_max);
    set("inflight_bytes_max", config.inflight_bytes_max);
    set("log_memory_bytes", config.log_memory_bytes);
    config.pre_vote = Option("pre_vote", "yes") == "yes";
    config.check_quorum = Option("check_quorum", "yes") == "yes";
    initial_ = TestConfiguration(Numbers(Option("voters", "")),
                                 Numbers(Option("learners", "")));
    // priority=1:5,2:0 sets those of replicas 1 and 2.
    for (absl::string_view part :
         absl::StrSplit(Option("priority", ""), ',', absl::SkipEmpty())) {
      const std::vector<std::string> pair = absl::StrSplit(part, ':');
      for (Member& member : initial_.members) {
        if (member.replica.value() == Number(pair[0])) {
          member.priority = static_cast<uint32_t>(Number(pair[1]));
        }
      }
    }
    // lease_reads=1,2 turns it on at these.
    lease_reads_ = Numbers(Option("lease_reads", ""));
    config_ = config;
    group_ = std::make_unique<TestGroup>(config);
    group_->set_trace([this](const std::string& line) { Print(line); });
    for (const Member& member : initial_.members) {
      Add(member.replica, initial_);
    }
  }

  void Add(ReplicaId id, const Configuration& configuration) {
    Config own = config_;
    own.lease_reads =
        std::count(lease_reads_.begin(), lease_reads_.end(), id.value()) > 0;
    group_->Add(id, configuration, own);
  }

  void Propose() {
    for (size_t i = 2; i < words_.size(); ++i) {
      const auto index = group_->Propose(Self(), words_[i]);
      if (!index.ok()) Print(std::string(index.status().message()));
    }
  }

  void ConfChange() {
    const Configuration target = TestConfiguration(
        Numbers(Option("voters", "")), Numbers(Option("learners", "")));
    const auto index = group_->ProposeConfChange(Self(), target);
    Print(index.ok() ? absl::StrCat("at index ", index->value())
                     : std::string(index.status().message()));
  }

  void Transfer() {
    const absl::Status status =
        group_->TransferLeadership(Self(), ReplicaId{Number(words_.at(2))});
    if (!status.ok()) Print(std::string(status.message()));
  }

  void Network(const std::string& what) {
    const std::string& which = words_.at(1);
    uint64_t left = which == "all" ? group_->network().size() : Count(2);
    size_t i = 0;
    while (left > 0 && i < group_->network().size()) {
      const Message& message = group_->network()[i];
      if (which != "all" && which != absl::StrCat(message.from.value(), "->",
                                                  message.to.value())) {
        ++i;
        continue;
      }
      --left;
      if (what == "deliver") {
        group_->Deliver(i);
      } else if (what == "drop") {
        Print(absl::StrCat("lost: ", FormatMessage(message)));
        group_->network().erase(group_->network().begin() + i);
      } else {
        group_->network().push_back(Message(message));
      }
    }
    if (left > 0 && which != "all") Print("no such message");
  }

  void State() {
    for (const ReplicaId id : group_->replicas()) {
      if (words_.size() > 1 && id != Self()) continue;
      group_->ShowClock(id);
      Print(group_->Describe(id));
    }
  }

  std::unique_ptr<TestGroup> group_;
  Config config_;
  std::vector<uint64_t> lease_reads_;
  Configuration initial_;
  std::vector<std::string> words_;
  std::string out_;
};

struct Block {
  std::string head;  // Comments and commands, as they stand in the file.
  std::vector<std::string> commands;
  std::string expected;
};

// A block ends with an empty line.
std::vector<Block> Parse(std::istream& in) {
  std::vector<Block> blocks;
  std::string line;
  Block block;
  bool in_output = false;
  while (std::getline(in, line)) {
    if (in_output && line.empty()) {
      blocks.push_back(std::exchange(block, {}));
      in_output = false;
    } else if (in_output) {
      absl::StrAppend(&block.expected, line, "\n");
    } else if (line == "----") {
      in_output = true;
    } else {
      absl::StrAppend(&block.head, line, "\n");
      if (!line.empty() && line[0] != '#') block.commands.push_back(line);
    }
  }
  if (in_output) blocks.push_back(block);
  return blocks;
}

std::string directory = "raft/testdata";
bool rewrite = false;

class InteractionTest : public ::testing::TestWithParam<const char*> {};

TEST_P(InteractionTest, GoesAsWritten) {
  const std::string path = absl::StrCat(directory, "/", GetParam(), ".txt");
  std::ifstream in(path);
  ASSERT_TRUE(in.good()) << path;
  const std::vector<Block> blocks = Parse(in);
  in.close();
  ASSERT_FALSE(blocks.empty()) << path;

  Interaction interaction;
  std::vector<std::string> written;
  for (const Block& block : blocks) {
    const std::string actual = interaction.Run(block.commands);
    EXPECT_EQ(actual.find("BROKEN"), std::string::npos) << actual;
    if (!rewrite) {
      EXPECT_EQ(actual, block.expected) << "after\n" << block.head;
    }
    written.push_back(absl::StrCat(block.head, "----\n", actual));
  }
  if (rewrite) std::ofstream(path) << absl::StrJoin(written, "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Transcripts, InteractionTest,
    ::testing::Values("append_aba", "campaign", "check_quorum", "confchange",
                      "confchange_joint", "confchange_rollback", "fetch",
                      "learner", "learner_names", "lease", "lease_changes",
                      "lease_clocks", "lease_promises", "lease_restart",
                      "lease_transfer", "lost_messages", "pre_vote",
                      "pre_vote_liveness", "priority", "priority_alone",
                      "probe_backtracking", "read_index", "remove_leader",
                      "removed", "single_voter", "stickiness", "snapshot",
                      "transfer", "transfer_late"),
    [](const auto& info) { return std::string(info.param); });

}  // namespace

void ParseFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--rewrite") {
      rewrite = true;
      // `bazel run` names the source tree.
      const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
      CHECK(workspace != nullptr) << "--rewrite needs bazel run";
      directory = absl::StrCat(workspace, "/raft/testdata");
    }
  }
}

}  // namespace raft

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  raft::ParseFlags(argc, argv);
  return RUN_ALL_TESTS();
}
