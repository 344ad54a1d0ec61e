#include "session/sessions.h"

namespace session {

Sessions::Sessions(TableSet& tables, const LogTime& log_time)
    : log_time_(log_time),
      table_(tables, TableId::kSessions),
      deadlines_(log_time) {}

Session& Sessions::Open(SessionId id, uint64_t timeout_ns) {
  const SessionRow& row = table_.Insert(
      id, {.timeout_ns = timeout_ns, .refreshed_ns = log_time_.time_ns()});
  deadlines_.Set(id, row);
  Session& session = sessions_[id];
  session.row = row;
  return session;
}

void Sessions::Refresh(SessionId id) {
  Session& session = sessions_.at(id);
  session.row.refreshed_ns = log_time_.time_ns();
  table_.Put(id, session.row);
  deadlines_.Set(id, session.row);
}

void Sessions::RaiseMark(SessionId id, uint64_t mark_end) {
  Session& session = sessions_.at(id);
  session.row.mark_end = mark_end;
  table_.Put(id, session.row);
}

void Sessions::Remove(SessionId id) {
  deadlines_.Remove(id);
  table_.Erase(id);
  sessions_.erase(id);
}

Session* Sessions::Find(SessionId id) {
  auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : &it->second;
}

const Session* Sessions::Find(SessionId id) const {
  auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : &it->second;
}

Session* Sessions::FindLive(SessionId id) {
  Session* session = Find(id);
  if (session == nullptr) return nullptr;
  const bool gone = log_time_.DeadlineOf(session->row) <= log_time_.time_ns();
  return gone ? nullptr : session;
}

const Session* Sessions::FindLive(SessionId id) const {
  return const_cast<Sessions*>(this)->FindLive(id);
}

void Sessions::ScanAfter(
    SessionId after,
    absl::FunctionRef<bool(SessionId, const Session&)> visit) const {
  table_.ScanAfter(after, [&](const SessionId& id, const SessionRow&) {
    return visit(id, sessions_.at(id));
  });
}

void Sessions::Loaded() {
  table_.Scan([&](const SessionId& id, const SessionRow& row) {
    sessions_[id].row = row;
    deadlines_.Set(id, row);
    return true;
  });
}

}  // namespace session
