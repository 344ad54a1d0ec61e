#include "storage/rocks_log.h"

#include <cstdio>

#include "absl/strings/match.h"

namespace storage {

void RocksLog::Logv(const char* format, va_list args) {
  Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, args);
}

void RocksLog::Logv(const rocksdb::InfoLogLevel level, const char* format,
                    va_list args) {
  if (level < rocksdb::InfoLogLevel::WARN_LEVEL) return;
  char line[1024];
  const int size = std::vsnprintf(line, sizeof(line), format, args);
  if (size <= 0) return;
  base::MutexLock lock(mu_);
  lines_.emplace_back(line);
  if (lines_.size() > kLinesMax) lines_.pop_front();
}

std::vector<std::string> RocksLog::lines() const {
  base::MutexLock lock(mu_);
  return {lines_.begin(), lines_.end()};
}

std::string RocksLog::LineNamingAFile() const {
  base::MutexLock lock(mu_);
  for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
    if (absl::StrContains(*line, ".log") || absl::StrContains(*line, ".sst") ||
        absl::StrContains(*line, "MANIFEST-")) {
      return *line;
    }
  }
  return std::string();
}

}  // namespace storage
