// Notes are what the replicas of a partition tell each other beside the
// messages of the core and the rows of images: which versions they know, what
// their states sum up to, and that one of them needs another's image.
//
// Any of them may be lost, repeated or late. Each says by itself what it is
// about (a term, an index), so none can be taken for another.

#ifndef PARTITION_NOTE_H_
#define PARTITION_NOTE_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "raft/configuration.h"
#include "raft/types.h"

namespace partition {

// --- Versions (versions.h) --------------------------------------------------

// Leader to member: which versions of the state machine do you know?
struct VersionAsked {
  raft::Term term;
};

// The answer, to the leader of `term`.
struct VersionKnown {
  raft::Term term;
  uint32_t machine_version_max = 0;
};

// --- Divergence (divergence.h) ----------------------------------------------

struct TableDigest {
  uint16_t table = 0;
  uint64_t digest = 0;

  bool operator==(const TableDigest&) const = default;
};

// To all members: what the state of the sender was behind the entry at `index`,
// a Checkpoint.
struct DigestReport {
  raft::Index index;
  uint32_t machine_version = 0;
  uint64_t digest = 0;
  std::vector<TableDigest> tables;  // Of those with rows; by table.
  // The sender has not heard enough to judge: who has a report of this index
  // sends it again.
  bool wants_answer = false;

  // Another state, whoever asks for an answer.
  bool SameState(const DigestReport& other) const {
    return machine_version == other.machine_version && digest == other.digest;
  }
};

// --- Another's image (driver_doubt.cc) ---------------------------------------

// To the leader: my state is not that of the majority, at `index` already.
struct ImageWanted {
  raft::Index index;
};

// The answer: an image that a majority has confirmed, pinned for the asker.
struct ImageOffered {
  raft::Position position;
  raft::Configuration configuration;  // At `position`.
};

// --- Who would not lead (driver_doubt.cc) -----------------------------------

// To the leader, as long as it is so: I would not lead, for I serve nothing, am
// retired, or my disk is low or behind.
struct ServesNothing {};

struct Note {
  raft::ReplicaId from;
  raft::ReplicaId to;
  std::variant<VersionAsked, VersionKnown, DigestReport, ImageWanted,
               ImageOffered, ServesNothing>
      body;
};

}  // namespace partition

#endif  // PARTITION_NOTE_H_
