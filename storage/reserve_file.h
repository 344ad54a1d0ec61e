// ReserveFile is space that is kept for the start on a full disk (D6). Before
// anything is served RocksDB writes what its logs hold to tables, and only then
// the logs go: on a disk that others have filled to the last byte there is no
// room for that, and the node could not even answer reads, until somebody makes
// space. The file takes as much as a full log while there is plenty, and makes
// room by being deleted.
//
// To be used by one thread at a time.

#ifndef STORAGE_RESERVE_FILE_H_
#define STORAGE_RESERVE_FILE_H_

#include <cstdint>
#include <string>

namespace storage {

class ReserveFile {
 public:
  // Touches nothing yet.
  ReserveFile(std::string path, uint64_t bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  // Deletes the file if less than its size is free beside it. True: it did.
  bool ReleaseIfNeeded();

  // Makes the file, unless it is there, if `spare_bytes` stay free beside it.
  // Where that cannot be, or the file system cannot set space aside, there is
  // none.
  void Keep(uint64_t spare_bytes);

 private:
  const std::string path_;
  const uint64_t bytes_;
};

}  // namespace storage

#endif  // STORAGE_RESERVE_FILE_H_
