// What time brings about, and what earlier entries left over: within the share
// of one entry, in an order that follows from the state alone.

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "session/state_machine_impl.h"

namespace session {

// --- What is due ------------------------------------------------------------

void StateMachine::Impl::DoDue(uint64_t previous_time_ns) {
  // What primitives put off has no time of its own. It is first, with up to
  // half of what this entry may do: a Clear of millions of rows lets others
  // wait for no lock or TTL, and nothing that is due keeps it from going on.
  // With what the others leave over it goes on further.
  DoAtOnce(budget_ / 2, previous_time_ns);
  DoTimed(previous_time_ns);
  DoAtOnce(0, previous_time_ns);
}

void StateMachine::Impl::DoAtOnce(uint64_t budget_left,
                                  uint64_t previous_time_ns) {
  while (budget_ > budget_left) {
    const std::optional<Timers::Due> timer = timers_.Next(kAtOnce);
    if (!timer || timer->at_ns != kAtOnce) return;
    Charge(1);
    FireTimer(kAtOnce, previous_time_ns);
  }
}

void StateMachine::Impl::DoTimed(uint64_t previous_time_ns) {
  // Everything that is due at one time happens before what it left over is
  // reclaimed (a session that ends with the holder of a lock is not granted
  // it), and that before what is due later (a wait that would have timed out
  // after the release is granted).
  uint64_t reached_ns = previous_time_ns;
  while (budget_ > 0) {
    const std::optional<Deadlines::Due> session = sessions_.NextDeadline();
    const std::optional<Timers::Due> timer = timers_.Next(kAtOnce + 1);
    const uint64_t session_ns = session ? session->at_ns : kNever;
    const uint64_t timer_ns = timer ? timer->at_ns : kNever;
    const uint64_t due_ns = std::min(session_ns, timer_ns);
    const bool is_due = due_ns != kNever && due_ns <= log_time_.time_ns();
    if (is_due && (reclaims_.empty() || due_ns <= reached_ns)) {
      reached_ns = std::max(reached_ns, due_ns);
      Charge(1);
      if (session_ns <= timer_ns) {
        EndSession(session->session);
      } else {
        FireTimer(due_ns, previous_time_ns);
      }
    } else if (!reclaims_.empty()) {
      Reclaim();
    } else {
      return;
    }
  }
}

void StateMachine::Impl::FireTimer(uint64_t due_ns, uint64_t previous_time_ns) {
  const PrimitiveId id = timers_.Next(due_ns)->primitive;
  const std::string key = timers_.Take(due_ns);
  // At its own time, but time does not go back.
  Context context(*this, id, std::max(due_ns, previous_time_ns));
  primitives_.Find(id)->primitive->TimerFired(context, key);
  Charge(context.items());
}

void StateMachine::Impl::EndSession(SessionId id) {
  const Session& session = *sessions_.Find(id);
  for (const PendingSweep& pending : session.sweeps) {
    reclaims_.Remove({ReclaimKind::kSweep, pending.number, id.value()});
  }
  if (session.open_commands > 0) {
    reclaims_.Add({ReclaimKind::kOpenCommands, id.value(), 0}, ReclaimRow());
  }
  if (primitives_.FirstOf(id)) {
    reclaims_.Add({ReclaimKind::kHeld, id.value(), 0}, ReclaimRow());
  }
  if (session.records.records + session.records.awaited > 0 ||
      session.open_commands > 0) {
    reclaims_.Add({ReclaimKind::kRecords, id.value(), 0}, ReclaimRow());
  }
  queries_.CancelSession(id);
  sessions_.Remove(id);
}

uint64_t StateMachine::Impl::next_due_ns() const {
  uint64_t next = timers_.next_due_ns();
  if (const auto session = sessions_.NextDeadline()) {
    next = std::min(next, session->at_ns);
  }
  if (!reclaims_.empty()) next = 0;
  return std::max(next, log_time_.time_ns());
}

// --- What was left over -----------------------------------------------------

void StateMachine::Impl::Reclaim() {
  const ReclaimKey key = reclaims_.First();
  const auto [kind, a, b] = key;
  Charge(1);
  bool done = false;
  switch (kind) {
    case ReclaimKind::kOpenCommands:
      done = ReclaimOpenCommands(key);
      break;
    case ReclaimKind::kHeld:
      done = ReclaimHeld(key);
      break;
    case ReclaimKind::kOutputs:
      done = events_.Release({SessionId(a), SequenceNum(b)}, budget_);
      break;
    case ReclaimKind::kSweep:
      done = ReclaimSweep(key);
      break;
    case ReclaimKind::kRecords:
      done = records_.EraseSome(SessionId(a), budget_);
      break;
  }
  if (done) reclaims_.Remove(key);
}

bool StateMachine::Impl::ReclaimOpenCommands(const ReclaimKey& key) {
  const SessionId session(std::get<1>(key));
  const PrimitiveId primitive(std::get<2>(key));
  uint64_t cursor = reclaims_.Find(key)->open_cursor;
  while (true) {
    std::optional<CommandKey> next;
    bool wanted = false;
    open_commands_.ScanFrom(
        {session, SequenceNum(cursor)},
        [&](const SequenceKey& at, const OpenCommandRow& row) {
          if (at.first == session) next = {at.first, at.second};
          wanted = primitive.value() == 0 || row.primitive == primitive;
          return false;
        });
    if (!next) return true;
    if (budget_ == 0) {
      reclaims_.Update(key,
                       [cursor](ReclaimRow& row) { row.open_cursor = cursor; });
      return false;
    }
    Charge(1);
    if (wanted) CancelOfClosed(*next);
    if (next->sequence.value() == std::numeric_limits<uint64_t>::max()) {
      return true;
    }
    cursor = next->sequence.value() + 1;
  }
}

bool StateMachine::Impl::ReclaimHeld(const ReclaimKey& key) {
  const SessionId session(std::get<1>(key));
  const PrimitiveId primitive(std::get<2>(key));
  if (primitive.value() != 0) return ReclaimUser({session, primitive});
  while (const std::optional<PrimitiveId> first =
             primitives_.FirstOf(session)) {
    if (!ReclaimUser({session, *first})) return false;
  }
  return true;
}

bool StateMachine::Impl::ReclaimUser(UserKey user) {
  if (primitives_.FindUser(user) == nullptr) return true;
  if (budget_ == 0) return false;
  Context context(*this, user.second, log_time_.time_ns());
  const bool done =
      primitives_.Find(user.second)
          ->primitive->SessionClosed(context, user.first, budget_);
  Charge(done ? 1 + context.items() : budget_);
  if (done) primitives_.RemoveUser(user);
  return done;
}

void StateMachine::Impl::CancelOpen(CommandKey key) {
  const OpenCommandRow row = *open_commands_.Find(RowKeyOf(key));
  open_commands_.Erase(RowKeyOf(key));
  if (Session* session = sessions_.Find(key.session)) --session->open_commands;
  ready_commands_.insert(key);
  if (row.listens) {
    if (events_.Forget(key)) {
      reclaims_.Add(
          {ReclaimKind::kOutputs, key.session.value(), key.sequence.value()},
          ReclaimRow());
    }
    return;
  }
  Context context(*this, row.primitive, log_time_.time_ns());
  primitives_.Find(row.primitive)->primitive->WaiterCancelled(context, key);
  Charge(context.items());
}

// Of a session that goes on, the number stays used: sent again, it must not run
// again (P52).
void StateMachine::Impl::CancelOfClosed(CommandKey key) {
  const uint64_t input_hash = open_commands_.Find(RowKeyOf(key))->input_hash;
  CancelOpen(key);
  Session* session = sessions_.Find(key.session);
  if (session == nullptr) return;
  records_.Add(key, input_hash,
               Failure(OperationStatus::kCanceled, "stream closed"),
               session->records);
}

// --- KeepAlives -------------------------------------------------------------

void StateMachine::Impl::StartSweep(SessionId id, Session& session,
                                    Sweep sweep) {
  sweep.matches_nothing = sweep.filter.set_bits() == 0;
  if (session.sweeps.empty() && CarrySweep(sweep, id, session)) return;
  ReclaimRow row{.open_cursor = sweep.open_cursor,
                 .record_cursor = sweep.record_cursor,
                 .last_end = sweep.last_end,
                 .raise_from = sweep.raise_from,
                 .filter_bits = sweep.filter.bits(),
                 .filter_hashes = sweep.filter.hashes(),
                 .filter_set_bits = sweep.filter.set_bits(),
                 .filter_words = sweep.filter.words()};
  const uint64_t number = log_time_.index();
  reclaims_.Add({ReclaimKind::kSweep, number, id.value()}, std::move(row));
  session.sweeps.push_back({number, std::move(sweep)});
}

bool StateMachine::Impl::ReclaimSweep(const ReclaimKey& key) {
  const SessionId id(std::get<2>(key));
  Session& session = *sessions_.Find(id);
  PendingSweep& pending = session.sweeps.front();
  CHECK_EQ(pending.number, std::get<1>(key));
  if (CarrySweep(pending.sweep, id, session)) {
    session.sweeps.pop_front();
    return true;
  }
  reclaims_.Update(key, [&](ReclaimRow& row) {
    row.open_cursor = pending.sweep.open_cursor;
    row.record_cursor = pending.sweep.record_cursor;
  });
  return false;
}

bool StateMachine::Impl::CarrySweep(Sweep& sweep, SessionId id,
                                    Session& session) {
  while (session.open_commands > 0 && sweep.open_cursor < sweep.last_end) {
    if (budget_ == 0) return false;
    std::optional<CommandKey> next;
    open_commands_.ScanFrom({id, SequenceNum(sweep.open_cursor)},
                            [&](const SequenceKey& at, const OpenCommandRow&) {
                              if (at.first == id) next = {at.first, at.second};
                              return false;
                            });
    if (!next || next->sequence.value() >= sweep.last_end) break;
    Charge(1);
    sweep.open_cursor = next->sequence.value() + 1;
    if (!sweep.filter.Contains(next->sequence)) CancelOpen(*next);
  }
  sweep.open_cursor = sweep.last_end;
  return records_.Carry(
      sweep, id,
      [&](SequenceNum sequence) {
        return session.open_commands > 0 && IsOpen({id, sequence});
      },
      session.records, budget_);
}

void StateMachine::Impl::Settle(CommandKey key, Session& session) {
  const uint64_t number = key.sequence.value();
  for (const PendingSweep& pending : session.sweeps) {
    const Sweep& sweep = pending.sweep;
    if (number >= sweep.last_end) continue;
    if (!sweep.filter.Contains(key.sequence)) {
      if (IsOpen(key)) CancelOpen(key);
      records_.Forget(key, session.records);
    } else if (number >= sweep.raise_from && !IsOpen(key) &&
               records_.Find(key) == nullptr) {
      records_.Await(key, session.records);
    }
  }
}

bool StateMachine::Impl::IsGivenUp(SequenceNum sequence,
                                   const Session& session) {
  return std::any_of(session.sweeps.begin(), session.sweeps.end(),
                     [sequence](const PendingSweep& pending) {
                       return sequence.value() < pending.sweep.last_end &&
                              !pending.sweep.filter.Contains(sequence);
                     });
}

}  // namespace session
