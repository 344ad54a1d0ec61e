// What storage's tests write: entries that follow each other, and the
// configuration of a single voter.

#ifndef STORAGE_LOG_BUILDER_H_
#define STORAGE_LOG_BUILDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace storage {

// Entries that follow each other in one partition's log.
class LogBuilder {
 public:
  explicit LogBuilder(base::PartitionId partition, raft::Position position = {})
      : partition_(partition), position_(position) {}

  raft::Entry Next(uint64_t term, std::string payload) {
    raft::Entry entry{.term = raft::Term{term},
                      .index = position_.index + 1,
                      .type = raft::EntryType::kApp,
                      .time_ns = position_.time_ns + 1000};
    entry.payload_crc = base::Crc32c(payload);
    if (!payload.empty()) {
      entry.payload = std::make_shared<const std::string>(std::move(payload));
    }
    entry.chain = raft::ChainOf(position_.chain, partition_, entry);
    position_ = raft::PositionOf(entry);
    return entry;
  }

  std::vector<raft::Entry> Many(uint64_t term, int count,
                                const std::string& payload = "x") {
    std::vector<raft::Entry> entries;
    for (int i = 0; i < count; ++i) {
      entries.push_back(
          Next(term, payload + std::to_string(position_.index.value() + 1)));
    }
    return entries;
  }

  // The next entry will follow `position` again.
  void Rewind(const raft::Position& position) { position_ = position; }
  const raft::Position& position() const { return position_; }

 private:
  const base::PartitionId partition_;
  raft::Position position_;
};

inline raft::Configuration OneVoter() {
  raft::Configuration configuration;
  configuration.voters = {raft::ReplicaId{1}};
  configuration.members = {{.replica = raft::ReplicaId{1},
                            .node = base::NodeId{1},
                            .incarnation = 77,
                            .peer_address = "localhost:5679",
                            .api_address = "localhost:5678",
                            .priority = 1}};
  return configuration;
}

}  // namespace storage

#endif  // STORAGE_LOG_BUILDER_H_
