// MadeImage is the image of a small state, as a leader has it on its disk and
// sends it. Test only.

#ifndef PARTITION_MADE_IMAGE_H_
#define PARTITION_MADE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "partition/image_message.h"
#include "raft/configuration.h"
#include "raft/ready.h"
#include "raft/types.h"
#include "session/testing/replica.h"
#include "storage/image.h"

namespace partition {

// The image of a state with `rows` entries of `row_bytes` in a box.
class MadeImage {
 public:
  static constexpr raft::ReplicaId kLeader{1};
  static constexpr raft::ReplicaId kFollower{2};

  // Of the two.
  static raft::Configuration Configuration() {
    raft::Configuration configuration;
    for (const raft::ReplicaId replica : {kLeader, kFollower}) {
      configuration.voters.push_back(replica);
      configuration.members.push_back(
          {.replica = replica,
           .node = base::NodeId{static_cast<uint32_t>(replica.value())}});
    }
    return configuration;
  }

  MadeImage(int rows, size_t row_bytes, const std::string& letter = "v") {
    session::testing::Replica replica;
    const session::SessionId session =
        replica.Open(3600 * session::testing::kSecond);
    const session::PrimitiveId box = replica.Create(session, 1, "box");
    for (int i = 0; i < rows; ++i) {
      replica.Run(session, i + 2, box, session::testing::kPut,
                  "k" + std::to_string(1000 + i) + " " +
                      std::string(row_bytes, letter[0]));
      replica.KeepAlive(session, i + 2);
    }
    replica.Checkpoint();
    replica.WriteImage();
    image_ = replica.image();
    digest = replica.machine().FullDigest();
  }

  raft::Position position() const {
    return {.index = raft::Index{image_.header.log_index},
            .term = raft::Term{image_.header.term},
            .time_ns = image_.header.time_ns,
            .chain = 4711};
  }
  storage::ImagePointer pointer(uint64_t generation) const {
    return {.position = position(),
            .command_index = image_.header.command_index,
            .configuration = Configuration(),
            .generation = generation,
            .checkpoint = image_.header.checkpoint,
            .machine_version = image_.header.machine_version,
            .digest = image_.header.digest};
  }
  std::vector<storage::ImageRow> rows() const {
    std::vector<storage::ImageRow> rows;
    for (const session::EncodedRow& row : image_.rows) {
      rows.push_back({.table = static_cast<uint16_t>(row.table),
                      .key = row.key,
                      .checkpoint = row.checkpoint,
                      .erased = row.erased,
                      .value = row.value});
    }
    return rows;
  }
  raft::SnapshotInstall offer() const {
    return {.leader = kLeader,
            .position = position(),
            .configuration = Configuration()};
  }

  // All of it, as the leader sends it whose follower has nothing of it yet.
  ImageChunk chunk() const {
    return {.from = kLeader,
            .to = kFollower,
            .position = position(),
            .rows = rows(),
            .machine_version = image_.header.machine_version,
            .last = true,
            .pointer = pointer(/*generation=*/0)};
  }

  uint64_t digest = 0;

 private:
  session::testing::KeptImage image_;
};

}  // namespace partition

#endif  // PARTITION_MADE_IMAGE_H_
