#include "partition/stopped_partition.h"

#include <utility>

#include "partition/refusals.h"

namespace partition {

Refusal StoppedPartition::Refuse() const {
  return OutOfService(id_, problem_, Outcome::kNotProposed);
}

void StoppedPartition::Propose(CommandRequest,
                               Completion<session::Applied> completion) {
  std::move(completion).Refuse(Refuse());
}

StreamId StoppedPartition::OpenStream(CommandRequest,
                                      std::shared_ptr<StreamSink> sink) {
  sink->End(Refuse());
  return StreamId{};
}

void StoppedPartition::RunQuery(QueryRequest,
                                Completion<session::QueryAnswer> completion) {
  std::move(completion).Refuse(Refuse());
}

StreamId StoppedPartition::OpenQuery(QueryRequest,
                                     std::shared_ptr<StreamSink> sink) {
  sink->End(Refuse());
  return StreamId{};
}

uint64_t StoppedPartition::AddLeaderListener(
    absl::AnyInvocable<void(const LeaderInfo&)> listener) {
  listener({});
  return 0;
}

void StoppedPartition::GetStatus(
    absl::AnyInvocable<void(PartitionStatus) &&> done) {
  PartitionStatus status;
  status.id = id_;
  status.problem = problem_;
  std::move(done)(std::move(status));
}

}  // namespace partition
