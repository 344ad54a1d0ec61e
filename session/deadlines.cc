#include "session/deadlines.h"

#include <utility>

namespace session {

void Deadlines::Set(SessionId session, const SessionRow& row) {
  Remove(session);
  Member member{.timeout_ns = row.timeout_ns, .refreshed_ns = row.refreshed_ns};
  if (row.refreshed_ns >= log_time_.grace_start_ns()) {
    member.terms = terms_;
    fresh_by_deadline_.insert({PlainDeadline(member), session});
    fresh_by_timeout_.insert({member.timeout_ns, session});
  } else if (row.refreshed_ns >= log_time_.previous_grace_start_ns()) {
    member.terms = terms_ - 1;
    graced_by_timeout_.insert({member.timeout_ns, session});
  } else {
    member.terms = terms_ - 2;
    stale_by_deadline_.insert({PlainDeadline(member), session});
  }
  members_[session] = member;

  if (row.refreshed_ns < newest_ns_) return;
  if (row.refreshed_ns > newest_ns_) newest_.clear();
  newest_ns_ = row.refreshed_ns;
  newest_.push_back(session);
}

void Deadlines::Remove(SessionId session) {
  auto it = members_.find(session);
  if (it == members_.end()) return;
  const Member& member = it->second;
  if (member.terms == terms_) {
    fresh_by_deadline_.erase({PlainDeadline(member), session});
    fresh_by_timeout_.erase({member.timeout_ns, session});
  } else if (member.terms + 1 == terms_) {
    graced_by_timeout_.erase({member.timeout_ns, session});
  } else {
    stale_by_deadline_.erase({PlainDeadline(member), session});
  }
  members_.erase(it);
}

void Deadlines::NewTerm() {
  for (const auto& [timeout_ns, session] : graced_by_timeout_) {
    const Member& member = members_.at(session);
    stale_by_deadline_.insert({PlainDeadline(member), session});
  }
  graced_by_timeout_.swap(fresh_by_timeout_);
  fresh_by_timeout_.clear();
  fresh_by_deadline_.clear();
  ++terms_;

  if (newest_ns_ < log_time_.grace_start_ns()) return;
  const std::vector<SessionId> newest = std::move(newest_);
  newest_.clear();
  for (SessionId session : newest) {
    auto it = members_.find(session);
    if (it == members_.end() || it->second.refreshed_ns < newest_ns_) continue;
    Set(session, {.timeout_ns = it->second.timeout_ns,
                  .refreshed_ns = it->second.refreshed_ns});
  }
}

std::optional<Deadlines::Due> Deadlines::Next() const {
  std::optional<Due> next;
  auto consider = [&next](uint64_t at_ns, SessionId session) {
    if (next &&
        std::pair(next->at_ns, next->session) <= std::pair(at_ns, session)) {
      return;
    }
    next = {at_ns, session};
  };
  if (!fresh_by_deadline_.empty()) {
    consider(fresh_by_deadline_.begin()->first,
             fresh_by_deadline_.begin()->second);
  }
  if (!graced_by_timeout_.empty()) {
    consider(
        AddTime(log_time_.grace_start_ns(), graced_by_timeout_.begin()->first),
        graced_by_timeout_.begin()->second);
  }
  if (!stale_by_deadline_.empty()) {
    consider(stale_by_deadline_.begin()->first,
             stale_by_deadline_.begin()->second);
  }
  return next;
}

}  // namespace session
