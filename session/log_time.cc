#include "session/log_time.h"

#include <algorithm>

#include "session/versions.h"

namespace session {
namespace {

constexpr uint64_t kOnlyKey = 0;
constexpr uint32_t kFirstMachineVersion = 1;

}  // namespace

LogTime::LogTime(TableSet& tables) : table_(tables, TableId::kPartition) {
  row_.machine_version = kFirstMachineVersion;
}

bool LogTime::Advance(uint64_t term, uint64_t time_ns) {
  row_.time_ns = std::max(row_.time_ns, time_ns);
  if (term <= row_.term) return false;
  row_.term = term;
  row_.previous_grace_start_ns = row_.grace_start_ns;
  row_.grace_start_ns = row_.time_ns;
  return true;
}

uint64_t LogTime::DeadlineOf(const SessionRow& session) const {
  uint64_t from = session.refreshed_ns;
  if (session.refreshed_ns >= row_.previous_grace_start_ns) {
    from = std::max(from, row_.grace_start_ns);
  }
  return AddTime(from, session.timeout_ns);
}

void LogTime::RaiseMachineVersion(uint32_t version, uint64_t log_index) {
  if (version <= row_.machine_version) return;
  row_.machine_version = version;
  if (version >= kMachineVersionNext) row_.version_since = log_index;
}

void LogTime::Store() { table_.Put(kOnlyKey, row_); }

bool LogTime::Load() {
  const PartitionRow* row = table_.Find(kOnlyKey);
  if (row == nullptr) return false;
  row_ = *row;
  return true;
}

}  // namespace session
