// Watermark is a small file beside the database that says up to where the
// database was acknowledged (D9, P31): the sequence number behind the last
// synced batch. A database that opens below it has lost acknowledged entries or
// votes, however whole it looks.
//
// It is overwritten in place after each synced batch, without a sync (a process
// that dies loses nothing), and synced now and then by a thread that may wait.
// In place means in a page of the file that is mapped. A call for each batch
// would change the file's time, which the next sync of the log then waits for
// (bench/README.md).
//
// Thread-safe, but Advance is called by one thread at a time.

#ifndef STORAGE_WATERMARK_H_
#define STORAGE_WATERMARK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace storage {

class Watermark {
 public:
  // Opens the file; creates it, durably and at zero, if it is not there.
  // DataLoss: the file is there but holds no valid number.
  static absl::StatusOr<std::unique_ptr<Watermark>> Open(
      const std::string& path);

  ~Watermark();
  Watermark(const Watermark&) = delete;
  Watermark& operator=(const Watermark&) = delete;

  // Up to where, and in which write-ahead log the last of it was written.
  struct Mark {
    uint64_t sequence = 0;
    uint64_t log = 0;  // The 12 of 000012.log.
  };

  // What the file said when it was opened.
  const Mark& opened_at() const { return opened_at_; }
  // Open made the file.
  bool created() const { return created_; }

  // Everything up to `mark` is durable in the database.
  void Advance(const Mark& mark);

  // Makes the last Advance durable, if there was one since the last Sync.
  absl::Status Sync();

 private:
  class Page;
  Watermark(std::unique_ptr<Page> page, const Mark& opened_at, int slot,
            bool created);

  const std::unique_ptr<Page> page_;
  const Mark opened_at_;
  const bool created_;
  uint64_t sequence_;  // Of the last Advance; used by its thread only.
  int slot_;           // Where that number is.
  std::atomic<bool> dirty_{false};
};

}  // namespace storage

#endif  // STORAGE_WATERMARK_H_
