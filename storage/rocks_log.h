// RocksLog receives what RocksDB logs. RocksDB's statuses often do not say
// which file is bad; its log does, so warnings and errors are kept and quoted
// (D4).
//
// Internal to storage/. Thread-safe; it writes no file and never blocks on one.

#ifndef STORAGE_ROCKS_LOG_H_
#define STORAGE_ROCKS_LOG_H_

#include <cstdarg>
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "rocksdb/env.h"

namespace storage {

class RocksLog : public rocksdb::Logger {
 public:
  RocksLog() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list args) override;
  void Logv(const rocksdb::InfoLogLevel level, const char* format,
            va_list args) override;

  // The last warnings and errors, oldest first.
  std::vector<std::string> lines() const;

  // The newest line that names a file of the database; empty if none does.
  std::string LineNamingAFile() const;

 private:
  static constexpr size_t kLinesMax = 64;

  mutable base::Mutex mu_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mu_);
};

}  // namespace storage

#endif  // STORAGE_ROCKS_LOG_H_
