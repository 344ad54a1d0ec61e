// How an image gets from a leader to a follower: the follower pulls it, piece
// by piece, so a slow one slows only itself, a lost message is asked for again,
// and a broken transfer goes on behind the last row that arrived (P40, U18).
//
// The core decides that an image is needed (raft/: InstallSnapshot); these
// messages carry its rows.

#ifndef PARTITION_IMAGE_MESSAGE_H_
#define PARTITION_IMAGE_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/types.h"
#include "storage/image.h"

namespace partition {

using ImageRowId = storage::ImageRowId;

// Follower to leader: the next rows of the image at `position`.
struct ImageRequest {
  raft::ReplicaId from;
  raft::ReplicaId to;
  raft::Position position;          // As InstallSnapshot offered it.
  std::optional<ImageRowId> after;  // Rows behind this one; none: the first.
  uint64_t bytes_max = 0;           // About so many, but at least one row.
};

// Leader to follower: the answer to the request with the same position and
// `after`.
struct ImageChunk {
  raft::ReplicaId from;
  raft::ReplicaId to;
  raft::Position position;
  std::optional<ImageRowId> after;

  // The image is not pinned here (any more): the follower gives up.
  bool gone = false;
  // In (table, key) order.
  std::vector<storage::ImageRow> rows;
  // Of the image; in every chunk, since rows of a version that the follower
  // does not know need not decode.
  uint32_t machine_version = 0;
  // Behind `rows` there is nothing; then `pointer` says what all rows must sum
  // up to. Its generation is the leader's, without meaning elsewhere.
  bool last = false;
  storage::ImagePointer pointer;
};

using ImageMessage = std::variant<ImageRequest, ImageChunk>;

}  // namespace partition

#endif  // PARTITION_IMAGE_MESSAGE_H_
