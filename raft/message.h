// The messages between replicas, by the paper's names, one struct each.

#ifndef RAFT_MESSAGE_H_
#define RAFT_MESSAGE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/types.h"

namespace raft {

// Would you vote for me at `term`? Changes no state (thesis 9.6). `term` of the
// envelope is the term asked for, one above the candidate's own.
struct PreVote {
  Index last_index;
  Term last_term;
  bool transfer = false;
};
struct PreVoteReply {
  bool granted = false;
};

struct RequestVote {
  Index last_index;
  Term last_term;
  bool transfer = false;  // Asked for by the leader: no stickiness (P8).
};
struct RequestVoteReply {
  bool granted = false;
};

struct AppendEntries {
  Index prev_index;
  Term prev_term;
  uint64_t prev_chain = 0;  // Refused on a mismatch (P22).
  Index commit_index;
  std::vector<Entry> entries;
};
struct AppendEntriesReply {
  bool accepted = false;
  Index index;  // Accepted: last index known to match. Else: prev_index.
  // Refused: where the follower's log may agree (P23).
  Index hint_index;
  Term hint_term;
};

struct Heartbeat {
  Index commit_index;  // min(commit, match of the receiver) (P19).
  uint64_t read_round = 0;
};
struct HeartbeatReply {
  uint64_t read_round = 0;
};

struct InstallSnapshot {
  Position position;
  std::string configuration;  // EncodeConfiguration.
};
struct InstallSnapshotReply {
  Index index;
  bool installed = false;
};

struct TimeoutNow {};

struct ReadIndexRequest {
  uint64_t context = 0;
};
struct ReadIndexReply {
  uint64_t context = 0;
  bool confirmed = false;
  Index index;
};

struct Message {
  ReplicaId from;
  ReplicaId to;
  Term term;
  std::variant<PreVote, PreVoteReply, RequestVote, RequestVoteReply,
               AppendEntries, AppendEntriesReply, Heartbeat, HeartbeatReply,
               InstallSnapshot, InstallSnapshotReply, TimeoutNow,
               ReadIndexRequest, ReadIndexReply>
      body;
};

}  // namespace raft

#endif  // RAFT_MESSAGE_H_
