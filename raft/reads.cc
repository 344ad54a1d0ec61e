// ReadIndex (thesis 6.4): a read is as good as a commit if a majority says,
// after the read began, that no newer leader is known to it.

#include <algorithm>

#include "raft/raft_impl.h"

namespace raft {

void Raft::Impl::ReadIndex(uint64_t context) {
  if (is_leader()) {
    leader_reads_.Add({.from = config_.self, .context = context});
  } else if (leader_ != ReplicaId{0}) {
    follower_reads_.Add(context);
  } else {
    FailFollowerReads({context});
  }
}

// One round, or one request to the leader, for everything that waits. Before
// an entry of its term is committed a leader does not know what is (P18).
void Raft::Impl::StartReads() {
  if (follower_reads_.has_waiting()) {
    Send(leader_, ReadIndexRequest{.context = follower_reads_.StartRequest()});
  }
  if (!leader_reads_.has_waiting() || !committed_in_term()) return;
  leader_reads_.StartRound(log_.commit_index());
  // Asked for before now, and nobody else has led up to now.
  if (HasLease()) return AnswerReads(leader_reads_.round());
  for (auto& [replica, progress] : progress_) {
    if (configuration().IsVoter(replica)) {
      SendHeartbeat(replica, progress, /*wants_reply=*/true);
    }
  }
  ConfirmReads();
}

void Raft::Impl::ConfirmReads() {
  const uint64_t confirmed =
      QuorumValue(configuration(), [&](ReplicaId replica) {
        if (replica == config_.self) return leader_reads_.round();
        const Progress* progress = FindProgress(replica);
        return progress == nullptr ? 0 : progress->read_round;
      });
  AnswerReads(confirmed);
}

// Those of every round up to `confirmed`.
void Raft::Impl::AnswerReads(uint64_t confirmed) {
  for (const auto& [read, index] : leader_reads_.TakeConfirmed(confirmed)) {
    if (read.from == config_.self) {
      out_.reads.push_back({.context = read.context, .index = index});
    } else {
      Send(read.from,
           ReadIndexReply{
               .context = read.context, .confirmed = true, .index = index});
    }
  }
}

// Leadership is over: nothing that waits will be confirmed (P47).
void Raft::Impl::FailReads() {
  for (const PendingRead& read : leader_reads_.TakeAll()) {
    if (read.from == config_.self) {
      out_.reads.push_back({.context = read.context, .index = std::nullopt});
    } else {
      Send(read.from,
           ReadIndexReply{.context = read.context, .confirmed = false});
    }
  }
}

void Raft::Impl::FailFollowerReads(const std::vector<uint64_t>& contexts) {
  for (const uint64_t context : contexts) {
    out_.reads.push_back({.context = context, .index = std::nullopt});
  }
}

void Raft::Impl::Handle(ReplicaId from, Term, ReadIndexRequest& request) {
  if (!is_leader()) {
    Send(from, ReadIndexReply{.context = request.context, .confirmed = false});
    return;
  }
  leader_reads_.Add({.from = from, .context = request.context});
}

void Raft::Impl::Handle(ReplicaId, Term, ReadIndexReply& reply) {
  for (const uint64_t context : follower_reads_.TakeAnswered(reply.context)) {
    out_.reads.push_back({.context = context,
                          .index = reply.confirmed
                                       ? std::optional<Index>(reply.index)
                                       : std::nullopt});
  }
}

}  // namespace raft
