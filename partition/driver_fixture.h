// DriverFixture is one replica between a store in memory, a network that only
// listens, a clock that stands until it is moved, and an executor that runs
// when the test says. The test is its peers: it says what they send.
//
// Test only; everything runs on the test's thread.

#ifndef PARTITION_DRIVER_FIXTURE_H_
#define PARTITION_DRIVER_FIXTURE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/check.h"
#include "base/clock.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/disk_gate.h"
#include "partition/partition.h"
#include "partition/transport.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"
#include "session/registry.h"
#include "storage/memory_store.h"

namespace partition {

class StoppedClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns; }
  int64_t WallNanos() override { return 0; }

  int64_t now_ns = 1'000'000'000;
};

class Line : public Executor {
 public:
  void Post(absl::AnyInvocable<void()> task) override {
    tasks_.push_back(std::move(task));
  }
  void PostLater(absl::AnyInvocable<void()> task) override {
    Post(std::move(task));
  }
  void PostAfter(uint64_t, absl::AnyInvocable<void()>) override {}

  bool RunOne() {
    if (tasks_.empty()) return false;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }

 private:
  std::deque<absl::AnyInvocable<void()>> tasks_;
};

class Listener : public NoTransport {
 public:
  void Send(base::PartitionId, std::vector<raft::Message> messages) override {
    for (raft::Message& one : messages) sent.push_back(std::move(one));
  }
  void SendNote(base::PartitionId, Note note) override {
    notes.push_back(std::move(note));
  }
  void SendImage(base::PartitionId, ImageMessage message) override {
    images.push_back(std::move(message));
  }

  template <class Body>
  size_t Count() const {
    return static_cast<size_t>(
        std::count_if(sent.begin(), sent.end(), [](const raft::Message& one) {
          return std::holds_alternative<Body>(one.body);
        }));
  }
  template <class Body>
  size_t CountNotes() const {
    return static_cast<size_t>(
        std::count_if(notes.begin(), notes.end(), [](const Note& one) {
          return std::holds_alternative<Body>(one.body);
        }));
  }

  std::vector<raft::Message> sent;
  std::vector<Note> notes;
  std::vector<ImageMessage> images;
};

constexpr base::PartitionId kFixturePartition{1};

// The log of a leader, as far as it sends it.
class LeaderLog {
 public:
  // Its next entry.
  raft::Entry Add(raft::Term term, const std::string& bytes);
  // What stands in front of that.
  const raft::Position& last() const { return last_; }

 private:
  raft::Position last_;
};

class DriverFixture : public ::testing::Test {
 protected:
  explicit DriverFixture(const session::Registry& registry)
      : registry_(registry) {}

  // Starts replica 2 of `voters`, on node 2.
  void Open(const std::vector<uint64_t>& voters, Options options = {});
  // What the store has.
  void Open(Options options);

  // Until nothing is left to do, reads included.
  void Run();
  // What the executor has, and nothing of the store.
  void RunTasks() {
    while (line_.RunOne()) {
    }
  }
  // A tick of the node's timer, by a clock that has moved so far.
  void Tick();
  void Ticks(int count) {
    for (int i = 0; i < count; ++i) Tick();
  }

  // `from` says this in `term`.
  void Step(raft::ReplicaId from, raft::Term term,
            decltype(raft::Message::body) body);
  void StepNote(raft::ReplicaId from, decltype(Note::body) body);
  // Replica 1 does in term 1, and everything that follows from it is done.
  void Hear(decltype(raft::Message::body) body) {
    Step(raft::ReplicaId{1}, raft::Term{1}, std::move(body));
    Run();
  }

  // Proposes, and is answered.
  session::Applied Propose(const multiraft::disk::v1::Command& command);
  // Proposes and runs; nobody waits.
  void ProposeOnly(const multiraft::disk::v1::Command& command);
  PartitionStatus Status();
  // The status that `ResumeApplying` ends with, without the store.
  absl::Status Resume();

  static multiraft::disk::v1::Command OpenSession(uint64_t timeout_ns);
  static multiraft::disk::v1::Command Checkpoint();

  const session::Registry& registry_;
  StoppedClock clock_;
  Line line_;
  Line loader_;
  Listener network_;
  DiskGate disk_gate_;
  storage::MemoryDisk disk_;
  storage::MemoryStore store_{disk_};
  std::shared_ptr<Partition> partition_;
  std::vector<ReplicaEvent> events_;
};

}  // namespace partition

#endif  // PARTITION_DRIVER_FIXTURE_H_
