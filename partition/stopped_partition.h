// StoppedPartition stands for a replica that could not be loaded: it says why,
// and refuses everything, while the node's other partitions serve.
//
// Thread-safe: it does not change.

#ifndef PARTITION_STOPPED_PARTITION_H_
#define PARTITION_STOPPED_PARTITION_H_

#include <memory>
#include <string>
#include <vector>

#include "partition/partition.h"

namespace partition {

class StoppedPartition : public Partition {
 public:
  StoppedPartition(base::PartitionId id, const absl::Status& why)
      : id_(id), problem_(why.ToString()) {}

  void Start() override {}
  void Retire() override {}
  void Stop(StopReason) override {}
  void Tick() override {}
  void Step(std::vector<raft::Message>) override {}
  void StepImage(ImageMessage) override {}
  void StepNote(Note) override {}
  void HearOf(raft::ReplicaId) override {}
  void Propose(CommandRequest request,
               Completion<session::Applied> completion) override;
  StreamId OpenStream(CommandRequest request,
                      std::shared_ptr<StreamSink> sink) override;
  void RunQuery(QueryRequest request,
                Completion<session::QueryAnswer> completion) override;
  StreamId OpenQuery(QueryRequest request,
                     std::shared_ptr<StreamSink> sink) override;
  void StreamWritable(StreamId) override {}
  void CloseStream(StreamId) override {}
  uint64_t AddLeaderListener(
      absl::AnyInvocable<void(const LeaderInfo&)> listener) override;
  void RemoveLeaderListener(uint64_t) override {}
  void ChangeMembers(MemberChange, MembersDone done) override {
    std::move(done)(Refuse().status);
  }
  void TransferLeadership(raft::ReplicaId, TransferDone done) override {
    std::move(done)(Refuse().status);
  }
  void ResumeApplying(absl::AnyInvocable<void(absl::Status) &&> done) override {
    std::move(done)(Refuse().status);
  }
  void GetStatus(absl::AnyInvocable<void(PartitionStatus) &&> done) override;
  void ListSessions(session::SessionId, size_t, SessionsDone done) override {
    std::move(done)(Refuse().status);
  }
  bool serving() const override { return false; }
  bool available() const override { return false; }
  bool out_of_service() const override { return true; }
  base::PartitionId id() const override { return id_; }
  raft::ReplicaId replica() const override { return raft::ReplicaId{}; }

 private:
  Refusal Refuse() const;

  const base::PartitionId id_;
  const std::string problem_;
};

}  // namespace partition

#endif  // PARTITION_STOPPED_PARTITION_H_
