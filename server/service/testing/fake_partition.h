// FakePartition takes requests and lets a test answer them.
//
// Thread-safe: gRPC's threads ask, the test answers.

#ifndef SERVER_SERVICE_TESTING_FAKE_PARTITION_H_
#define SERVER_SERVICE_TESTING_FAKE_PARTITION_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "partition/partition.h"

namespace server::service {

class FakePartition : public partition::Partition {
 public:
  struct Proposed {
    partition::CommandRequest request;
    partition::Completion<session::Applied> completion;
  };
  struct Asked {
    partition::QueryRequest request;
    partition::Completion<session::QueryAnswer> completion;
  };
  struct Opened {
    partition::StreamId id{};
    partition::CommandRequest command;  // One of these two.
    partition::QueryRequest query;
    std::shared_ptr<partition::StreamSink> sink;
  };

  explicit FakePartition(base::PartitionId id) : id_(id) {}

  // Each waits for the next one.
  Proposed TakeProposal() { return Take(proposals_); }
  Asked TakeQuery() { return Take(queries_); }
  Opened TakeStream() { return Take(streams_); }
  partition::StreamId TakeWritable() { return Take(writable_); }
  partition::StreamId TakeClosed() { return Take(closed_); }

  bool nothing_proposed() {
    base::MutexLock lock(mu_);
    return proposals_.empty() && streams_.empty();
  }

  // Tells the present listeners, and those to come, who leads.
  void SetLeader(const partition::LeaderInfo& info) {
    std::vector<Listener> listeners;
    {
      base::MutexLock lock(mu_);
      leader_ = info;
      for (auto& [id, listener] : listeners_) listeners.push_back(listener);
    }
    for (const Listener& listener : listeners) (*listener)(info);
  }
  size_t listeners() {
    base::MutexLock lock(mu_);
    return listeners_.size();
  }
  // Of GetStatus.
  void set_role(raft::Role role) {
    base::MutexLock lock(mu_);
    role_ = role;
  }
  void set_configuration(raft::Configuration configuration) {
    base::MutexLock lock(mu_);
    configuration_ = std::move(configuration);
  }
  // The last one that was asked for.
  std::optional<partition::MemberChange> change() const {
    base::MutexLock lock(mu_);
    return change_;
  }
  void set_serving(bool serving) {
    base::MutexLock lock(mu_);
    serving_ = serving;
  }

  // partition::Partition:
  void Start() override {}
  void Retire() override {}
  void Stop(partition::StopReason) override {
    std::map<uint64_t, Listener> listeners;
    base::MutexLock lock(mu_);
    stopped_ = true;
    listeners.swap(listeners_);
    changed_.SignalAll();
  }
  void Tick() override {}
  void Step(std::vector<raft::Message>) override {}
  void StepImage(partition::ImageMessage) override {}
  void StepNote(partition::Note) override {}
  void HearOf(raft::ReplicaId) override {}
  void Propose(partition::CommandRequest request,
               partition::Completion<session::Applied> completion) override {
    Put(proposals_, {std::move(request), std::move(completion)});
  }
  partition::StreamId OpenStream(
      partition::CommandRequest request,
      std::shared_ptr<partition::StreamSink> sink) override {
    const partition::StreamId id = NextStream();
    Put(streams_,
        {.id = id, .command = std::move(request), .sink = std::move(sink)});
    return id;
  }
  void RunQuery(
      partition::QueryRequest request,
      partition::Completion<session::QueryAnswer> completion) override {
    Put(queries_, {std::move(request), std::move(completion)});
  }
  partition::StreamId OpenQuery(
      partition::QueryRequest request,
      std::shared_ptr<partition::StreamSink> sink) override {
    const partition::StreamId id = NextStream();
    Put(streams_,
        {.id = id, .query = std::move(request), .sink = std::move(sink)});
    return id;
  }
  void StreamWritable(partition::StreamId stream) override {
    Put(writable_, stream);
  }
  void CloseStream(partition::StreamId stream) override {
    Put(closed_, stream);
  }
  uint64_t AddLeaderListener(
      absl::AnyInvocable<void(const partition::LeaderInfo&)> listener)
      override {
    auto shared = std::make_shared<
        absl::AnyInvocable<void(const partition::LeaderInfo&)>>(
        std::move(listener));
    partition::LeaderInfo now;
    uint64_t id = 0;
    {
      base::MutexLock lock(mu_);
      id = ++listener_ids_;
      listeners_[id] = shared;
      now = leader_;
      changed_.SignalAll();
    }
    (*shared)(now);
    return id;
  }
  void RemoveLeaderListener(uint64_t id) override {
    base::MutexLock lock(mu_);
    listeners_.erase(id);
    changed_.SignalAll();
  }
  void WaitForListeners(size_t count) {
    base::MutexLock lock(mu_);
    while (listeners_.size() != count) changed_.Wait(mu_);
  }
  void ChangeMembers(partition::MemberChange change,
                     partition::MembersDone done) override {
    raft::Configuration now;
    {
      base::MutexLock lock(mu_);
      change_ = std::move(change);
      now = configuration_;
    }
    std::move(done)(std::move(now));
  }
  void TransferLeadership(raft::ReplicaId,
                          partition::TransferDone done) override {
    std::move(done)(absl::OkStatus());
  }
  void ResumeApplying(absl::AnyInvocable<void(absl::Status) &&> done) override {
    std::move(done)(absl::FailedPreconditionError("it is not quarantined"));
  }
  void GetStatus(
      absl::AnyInvocable<void(partition::PartitionStatus) &&> done) override {
    partition::PartitionStatus status;
    {
      base::MutexLock lock(mu_);
      if (stopped_) return;  // Dropped unasked.
      status.soft_state.role = role_;
      status.configuration = configuration_;
    }
    status.id = id_;
    status.replica = raft::ReplicaId(7);
    status.index = 42;
    std::move(done)(std::move(status));
  }
  void ListSessions(session::SessionId, size_t,
                    partition::SessionsDone done) override {
    std::move(done)(partition::SessionPage());
  }
  bool out_of_service() const override { return false; }
  bool available() const override { return serving(); }
  bool serving() const override {
    base::MutexLock lock(mu_);
    return serving_;
  }
  base::PartitionId id() const override { return id_; }
  raft::ReplicaId replica() const override { return raft::ReplicaId(7); }

 private:
  using Listener =
      std::shared_ptr<absl::AnyInvocable<void(const partition::LeaderInfo&)>>;

  template <class T>
  void Put(std::deque<T>& queue, T value) {
    base::MutexLock lock(mu_);
    queue.push_back(std::move(value));
    changed_.SignalAll();
  }
  template <class T>
  T Take(std::deque<T>& queue) {
    base::MutexLock lock(mu_);
    while (queue.empty()) changed_.Wait(mu_);
    T value = std::move(queue.front());
    queue.pop_front();
    return value;
  }
  partition::StreamId NextStream() {
    base::MutexLock lock(mu_);
    return static_cast<partition::StreamId>(++stream_ids_);
  }

  const base::PartitionId id_;

  mutable base::Mutex mu_;
  base::CondVar changed_;
  std::deque<Proposed> proposals_;
  std::deque<Asked> queries_;
  std::deque<Opened> streams_;
  std::deque<partition::StreamId> writable_;
  std::deque<partition::StreamId> closed_;
  std::map<uint64_t, Listener> listeners_;
  partition::LeaderInfo leader_;
  uint64_t stream_ids_ = 0;
  uint64_t listener_ids_ = 0;
  raft::Configuration configuration_;
  std::optional<partition::MemberChange> change_;
  raft::Role role_ = raft::Role::kFollower;
  bool serving_ = true;
  bool stopped_ = false;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_TESTING_FAKE_PARTITION_H_
