// Lease reads (thesis 6.4.1; P48, P49), off by default: a leader that a
// majority has promised not to elect anybody else answers reads by itself.
//
// A promise. A voter that answers a heartbeat says for how long, by its own
// clock and from now, it will neither stand nor vote, and keeps to that
// whatever it hears of terms and leaders meanwhile. The exception is an
// election that a leader asked for (a transfer); a leader that has asked for
// one takes no lease any more. A restart forgets promises but not the term,
// which is on disk before the first of them: who starts with a term is bound as
// if it had promised just then.
//
// A lease. The leader says when, by its own clock, it sent the heartbeat; the
// answer brings that back. The promise began later, so it lasts, by the
// leader's clock, from then on and for its length, less what the two clocks may
// differ. As long as such promises of a majority last, no other leader was
// elected, so nothing was committed that this one does not know; but not before
// it has committed an entry of its own term, for until then it does not know
// what is (P18).
//
// Clocks are those that go on while a process stands still or a machine is
// suspended, and are read in each turn after what the turn handles has come in:
// so a leader that slept finds its lease over before it answers.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {

void Raft::Impl::SetClock(uint64_t now_ns) {
  if (!clock_ns_.has_value() && was_somebody_) {
    bound_until_ns_ = now_ns + promise_ns();
  }
  clock_ns_ = std::max(now_ns, clock_ns_.value_or(0));
}

// --- The voter --------------------------------------------------------------

uint64_t Raft::Impl::promise_ns() const {
  return config_.election_ticks * config_.tick_ns;
}

// Until when is not said to anybody: it is this clock's.
bool Raft::Impl::IsBound() const {
  if (!config_.lease_reads) return false;
  return clock_ns_.has_value() ? *clock_ns_ < bound_until_ns_ : was_somebody_;
}

// Whether this replica may help to elect a leader now.
bool Raft::Impl::MayElect(bool transfer) const {
  return transfer || (!HearsLeader() && !IsBound());
}

// Bound not to vote for itself either, unless nobody else is there to lead.
bool Raft::Impl::MayNotStandYet() const { return IsBound() && !IsAlone(); }

// The only voter for certain: if its configuration is committed, whoever led
// before it came into force knows that he does not lead any more.
bool Raft::Impl::IsAlone() const {
  const std::vector<ReplicaId> voters = VotersOf(configuration());
  return voters.size() == 1 && voters.front() == config_.self &&
         configurations_.current_index() <= log_.commit_index();
}

// The promise that the answer to a heartbeat makes. 0: none.
uint64_t Raft::Impl::Promise(const Heartbeat& request) {
  if (!config_.lease_reads || request.sent_ns == 0 || !clock_ns_.has_value() ||
      durable_term_ != term_) {
    return 0;
  }
  bound_until_ns_ = *clock_ns_ + promise_ns();
  return promise_ns();
}

// --- The leader -------------------------------------------------------------

// What heartbeats say of when they leave. 0: no promise is wanted.
uint64_t Raft::Impl::SentNs() const {
  return config_.lease_reads && !handed_over_ ? clock_ns_.value_or(0) : 0;
}

void Raft::Impl::TakePromise(const HeartbeatReply& reply, Progress& progress) {
  // What it says it was sent by is what we said (0: nothing).
  if (reply.sent_ns == 0 || reply.sent_ns > clock_ns_.value_or(0)) return;
  // The slowest clock here, the fastest there.
  const uint64_t drift = config_.clock_drift_percent;
  const uint64_t sure_ns = reply.promise_ns / (100 + drift) * (100 - drift);
  progress.promised_until_ns =
      std::max(progress.promised_until_ns, reply.sent_ns + sure_ns);
}

// A transfer may elect somebody against all promises; when one was asked for,
// its messages may still be on their way however it ended (P15).
bool Raft::Impl::HasLease() const {
  if (!config_.lease_reads || !clock_ns_.has_value() || !committed_in_term() ||
      transferee_ != ReplicaId{0} || handed_over_) {
    return false;
  }
  const uint64_t until =
      QuorumValue(configuration(), [&](ReplicaId replica) -> uint64_t {
        // Who votes for another one does not lead any more.
        if (replica == config_.self) {
          return std::numeric_limits<uint64_t>::max();
        }
        const auto it = progress_.find(replica);
        return it == progress_.end() ? 0 : it->second.promised_until_ns;
      });
  return *clock_ns_ < until;
}

}  // namespace raft
