// The driver's part in requests that it cannot serve: why not, which streams
// are held and tried again, and how everybody hears when it does not go on.

#include <utility>

#include "base/check.h"
#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {

bool Driver::Leads() const {
  return core_->role() == raft::Role::kLeader && core_->committed_in_term();
}

bool Driver::IsServing() const {
  return standing_.may_read() && Leads() &&
         state_machine_->applied_log_index() >= leader_start_.value();
}

// Who does not serve lets no session be kept alive. A new leader may have much
// to apply before it does, longer than timeouts are; its clients have their
// whole timeout from when it serves (P50).
bool Driver::TimeMoves() const {
  return standing_.may_propose() && IsServing();
}

// Asked several times a turn: words are made only for a refusal.
Refusal Driver::NotServing() const {
  if (IsServing()) return {};
  if (!standing_.may_read()) {
    return standing_.WhyNotReading(Outcome::kNotProposed);
  }
  if (Leads()) return Replaying(options_.id);
  Refusal refusal =
      NotLeader(options_.id, core_->leader().value() != 0,
                static_cast<uint32_t>(options_.raft.election_ticks *
                                      options_.raft.tick_ns / 1'000'000));
  // Not one that was elected and has yet to commit something.
  refusal.not_leader = core_->role() != raft::Role::kLeader;
  return refusal;
}

// Any replica reads, as of the index that the leader confirms.
Refusal Driver::NotReading() const {
  if (standing_.may_read() && core_->leader() != raft::ReplicaId{}) return {};
  return NotServing();
}

template <class Item>
void Driver::HoldOrRefuse(Item item, Refusal refusal) {
  if (item.sink != nullptr && absl::IsUnavailable(refusal.status) &&
      !standing_.has_ended()) {
    if (!callers_.IsOpen(item.stream)) return;  // Its caller left meanwhile.
    if (held_.Hold(item, Now())) return;
  }
  RefuseItem(std::move(item), std::move(refusal));
}

template void Driver::HoldOrRefuse(ProposeItem, Refusal);
template void Driver::HoldOrRefuse(QueryItem, Refusal);

// Held streams are tried again, or refused when they have waited long enough.
void Driver::ReleaseHeld() {
  if (held_.empty()) return;
  if (const Refusal refusal = NotReading(); !refusal.status.ok()) {
    return RefuseItems(held_.TakeExpired(Now()), refusal);
  }
  HeldStreams::Items held = held_.TakeAll();
  for (ProposeItem& item : held.commands) {
    if (callers_.IsOpen(item.stream)) gathered_.push_back(std::move(item));
  }
  for (QueryItem& item : held.queries) {
    if (callers_.IsOpen(item.stream)) Handle(std::move(item));
  }
}

void Driver::RefuseItem(ProposeItem item, Refusal refusal) {
  if (absl::IsUnavailable(refusal.status)) refusal.leader = LeaderAddress();
  if (item.sink != nullptr) {
    // Registered streams end through Callers, once.
    return callers_.End(item.stream, std::move(refusal));
  }
  callers_.Refuse(std::move(item.completion), std::move(refusal));
}

void Driver::RefuseItem(QueryItem item, Refusal refusal) {
  if (absl::IsUnavailable(refusal.status)) refusal.leader = LeaderAddress();
  if (item.sink != nullptr) {
    return callers_.End(item.stream, std::move(refusal));
  }
  callers_.Refuse(std::move(item.completion), std::move(refusal));
}

void Driver::RefuseItems(HeldStreams::Items items, const Refusal& refusal) {
  for (ProposeItem& item : items.commands) RefuseItem(std::move(item), refusal);
  for (QueryItem& item : items.queries) RefuseItem(std::move(item), refusal);
}

void Driver::RefusePending(const Refusal& refusal) {
  for (Pending& pending : pending_) {
    RefuseItem(std::move(pending.item), refusal);
  }
  pending_.clear();
  pending_bytes_ = 0;
}

void Driver::RefuseAll() {
  const Refusal unknown = standing_.WhyNotReading(Outcome::kUnknown);
  const Refusal refusal = standing_.WhyNotReading(Outcome::kNotProposed);
  RefusePending(unknown);
  for (ProposeItem& item : gathered_) RefuseItem(std::move(item), refusal);
  gathered_.clear();
  for (QueryItem& item : reads_.TakeAll()) RefuseItem(std::move(item), refusal);
  RefuseItems(held_.TakeAll(), refusal);
  callers_.RefuseAll(unknown);
}

}  // namespace partition
