// PassingStore is a store that hands everything on to another: what stands
// between a process and its store in a test changes one thing.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_PASSING_STORE_H_
#define SIM_PASSING_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "storage/log_store.h"

namespace sim {

class PassingStore : public storage::LogStore {
 public:
  PassingStore(storage::LogStore& store, uint64_t seed)
      : store_(store), random_(seed) {}

  absl::StatusOr<std::vector<base::PartitionId>> ListPartitions() override {
    return store_.ListPartitions();
  }
  absl::Status CreatePartition(
      base::PartitionId partition,
      const raft::Configuration& configuration) override {
    return store_.CreatePartition(partition, configuration);
  }
  raft::ReplicaId DroppedReplica(base::PartitionId partition) override {
    return store_.DroppedReplica(partition);
  }
  absl::Status CreateReplica(base::PartitionId partition,
                             raft::ReplicaId replica) override {
    return store_.CreateReplica(partition, replica);
  }
  void DropReplica(base::PartitionId partition, raft::ReplicaId replica,
                   absl::AnyInvocable<void(absl::Status)> done) override {
    store_.DropReplica(partition, replica, std::move(done));
  }
  absl::StatusOr<storage::StoredPartition> LoadPartition(
      base::PartitionId partition) override {
    return store_.LoadPartition(partition);
  }
  absl::StatusOr<std::unique_ptr<storage::ImageReader>> OpenImage(
      base::PartitionId partition) override {
    return store_.OpenImage(partition);
  }
  void Write(storage::LogWrite write) override {
    store_.Write(std::move(write));
  }
  void WriteImage(storage::ImageBatch batch) override {
    store_.WriteImage(std::move(batch));
  }
  void ReadEntries(
      base::PartitionId partition, raft::Index from, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done)
      override {
    store_.ReadEntries(partition, from, bytes_max, std::move(done));
  }
  void PinImage(base::PartitionId partition,
                absl::AnyInvocable<void(absl::StatusOr<storage::PinnedImage>)>
                    done) override {
    store_.PinImage(partition, std::move(done));
  }
  void ReadImage(storage::ImagePin pin,
                 std::optional<storage::ImageRowId> after, uint64_t bytes_max,
                 absl::AnyInvocable<void(absl::StatusOr<storage::ImageSlice>)>
                     done) override {
    store_.ReadImage(pin, std::move(after), bytes_max, std::move(done));
  }
  void UnpinImage(storage::ImagePin pin) override { store_.UnpinImage(pin); }

 protected:
  storage::LogStore& store_;
  base::Random random_;
};

}  // namespace sim

#endif  // SIM_PASSING_STORE_H_
