// CrashNote says what a process was doing when it died by itself: of a CHECK,
// an abort, or a fault of the processor. A thread says what it is about to do
// by a CrashScope; if it dies inside, a signal handler writes that to a file
// that was made before. It allocates nothing and takes no lock, and a full disk
// does not matter.
//
// A process that is killed from outside leaves no note.

#ifndef BASE_CRASH_NOTE_H_
#define BASE_CRASH_NOTE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace base {

// About one entry of one partition.
struct CrashNote {
  uint32_t partition = 0;
  uint64_t index = 0;

  bool operator==(const CrashNote&) const = default;
};

// What this thread does as long as the scope lives; costs a few stores.
// Scopes of a thread do not nest. REQUIRES: partition > 0.
class CrashScope {
 public:
  CrashScope(uint32_t partition, uint64_t index);
  CrashScope(const CrashScope&) = delete;
  CrashScope& operator=(const CrashScope&) = delete;
  ~CrashScope();
};

// From now on a crash of this process leaves its note in `path`, which is made
// anew, without one. Once in a process; another call moves it elsewhere.
absl::Status KeepCrashNotes(const std::string& path);

// The note in `path`. None: there is no file, no note, or not a whole one.
std::optional<CrashNote> ReadCrashNote(const std::string& path);

}  // namespace base

#endif  // BASE_CRASH_NOTE_H_
