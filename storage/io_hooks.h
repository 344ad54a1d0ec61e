// The vocabulary of the file system below RocksDB, free of RocksDB's headers:
// what kind of file, which call, how often, and a seam at which tests make
// calls fail.

#ifndef STORAGE_IO_HOOKS_H_
#define STORAGE_IO_HOOKS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace storage {

enum class FileKind : uint8_t {
  kLog,       // The write-ahead log.
  kManifest,  // MANIFEST, CURRENT and what will be renamed to that.
  kTable,     // Sorted tables.
  kOther,
};
inline constexpr int kFileKindCount = 4;

enum class IoCall : uint8_t {
  kCreate,
  kAppend,
  kSync,
  kClose,
  kRename,
  kDelete,
  kSyncDirectory,
};
inline constexpr int kIoCallCount = 7;

absl::string_view FileKindName(FileKind kind);
absl::string_view IoCallName(IoCall call);

// By the name that RocksDB gives its files.
FileKind FileKindOf(absl::string_view path);

// One call that changes the disk, as it is about to be made or was made. The
// strings live as long as the call.
struct IoEvent {
  FileKind file;
  IoCall call;
  absl::string_view path;
  absl::string_view target;  // kRename: the new name.
  size_t bytes = 0;          // kAppend.
};

enum class IoFault : uint8_t { kNone, kIoError, kNoSpace, kShortWrite };

// Sees every call that changes the disk. Called on any thread, also at once.
class IoHooks {
 public:
  virtual ~IoHooks() = default;

  // The call fails in this way, if not kNone. kShortWrite applies to kAppend:
  // half of the bytes arrive; elsewhere it is kIoError.
  virtual IoFault Before(const IoEvent& event) = 0;

  // The call was made, and `bytes` of an append arrived.
  virtual void After(const IoEvent& event, size_t bytes) = 0;
};

// Sums since the start, and what is under way. A copy: not atomic as a whole.
struct IoCounters {
  uint64_t calls[kFileKindCount][kIoCallCount] = {};
  uint64_t bytes_appended[kFileKindCount] = {};

  uint64_t calls_of(FileKind file, IoCall call) const {
    return calls[static_cast<int>(file)][static_cast<int>(call)];
  }
  uint64_t bytes_of(FileKind file) const {
    return bytes_appended[static_cast<int>(file)];
  }
};

}  // namespace storage

#endif  // STORAGE_IO_HOOKS_H_
