// DataDirectory is a node's hold on its data directory: the lock that keeps
// other processes out, the files beside the database, and whose data it is.
//
//   LOCK         locked while in use; says by which process
//   watermark    up to where the database was acknowledged (watermark.h)
//   boot         since when, by the kernel's boot id: whether power was lost
//   db/          RocksDB

#ifndef STORAGE_DATA_DIRECTORY_H_
#define STORAGE_DATA_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/database.h"
#include "storage/records.h"
#include "storage/watermark.h"

namespace storage {

class DataDirectory {
 public:
  // Makes the directory if it is not there, and locks it. FailedPrecondition,
  // in one sentence: it is in use by another process. DataLoss: the watermark
  // is damaged, or there is one without a database or the other way round.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(
      const std::string& path);

  // Unlocks it.
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string database_path() const { return path_ + "/db"; }
  // There is a database in the directory `path`.
  static bool HasDatabase(const std::string& path);
  Watermark& watermark() { return *watermark_; }

  // The machine has not been started since the database was last opened here:
  // so nothing that was written is lost, and the watermark is exact.
  bool same_boot() const;
  // The database is open, and holds what it must.
  void NoteOpened() const;

  // Checks that `database`, as it opened, holds everything that was ever
  // acknowledged from it (D9). DataLoss says what to do.
  absl::Status CheckWatermark(const Database& database) const;

  // Whose data `database` holds (D8): `wanted` with the incarnation, which is
  // drawn when the directory is new; 0 partitions, node 0: those that it was
  // made for.
  // No mode: whatever it is, but not a new one.
  // FailedPrecondition, one sentence with both
  // values: another cluster, node, mode or number of partitions, or a data
  // format that this binary does not know.
  absl::StatusOr<Identity> Claim(Database& database,
                                 const Identity& wanted) const;

 private:
  DataDirectory(std::string path, int lock_fd)
      : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
  std::unique_ptr<Watermark> watermark_;  // Set once, by Open.
};

}  // namespace storage

#endif  // STORAGE_DATA_DIRECTORY_H_
