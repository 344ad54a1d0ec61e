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
  // The newest round of reads, echoed by the reply. 0: only tells the commit
  // index, no reply wanted.
  uint64_t read_round = 0;
  // The leader's clock, for the lease that the reply may give (lease.cc). 0: it
  // wants none. Means nothing to anybody else, who only sends it back.
  uint64_t sent_ns = 0;
};
// An answer with a higher term than the leader's also ends its leadership.
struct HeartbeatReply {
  uint64_t read_round = 0;
  // For so long from when it answered, by its clock, the voter elects nobody
  // unless a leader asks for that; and which heartbeat it answered. 0: no
  // promise.
  uint64_t sent_ns = 0;
  uint64_t promise_ns = 0;
};

// Offers the image at `position`; its rows travel outside the core. Repeated
// until it is answered.
struct InstallSnapshot {
  Position position;
  std::string configuration;  // EncodeConfiguration.
};
struct InstallSnapshotReply {
  Index index;  // Of the offer.
  bool installed = false;
};

// Campaign now: leadership is handed to the receiver (thesis 3.10), whose log
// ends with the leader's.
struct TimeoutNow {
  // Where: an order that comes late, when the leader goes on, is for a shorter
  // log. 0: the leader's version does not say.
  Index last_index;
};

// The receiver asked for votes, and is no member any more: the configuration at
// `index`, committed, does not have it. Nobody else would tell it, since a
// leader sends nothing to those that are not in its configuration. Says nothing
// of terms.
struct Removed {
  Index index;
};

// A follower's reads; one request stands for all that wait there.
struct ReadIndexRequest {
  uint64_t context = 0;
};
struct ReadIndexReply {
  uint64_t context = 0;  // Of the request.
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
               ReadIndexRequest, ReadIndexReply, Removed>
      body;
};

}  // namespace raft

#endif  // RAFT_MESSAGE_H_
