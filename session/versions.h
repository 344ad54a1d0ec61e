// The versions of the state machine. A partition has one, kept in its state and
// raised only by a SetVersion entry, once all its members have said that they
// know it (partition/versions.h). Apply, row encoding and digests branch on the
// partition's version and on nothing else, least of all on the binary.

#ifndef SESSION_VERSIONS_H_
#define SESSION_VERSIONS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace session {

// What a release knows.
inline constexpr uint32_t kMachineVersionMin = 1;
inline constexpr uint32_t kMachineVersionMax = 1;

// One beyond it, harmless, to test the raising itself: from here on the
// partition's row says at which log index its version was set. Only processes
// that are told to know it (Limits::machine_version_max; //server:server_next)
// let a partition come there.
inline constexpr uint32_t kMachineVersionNext = kMachineVersionMax + 1;

// Why `what` cannot be taken here, for people.
std::string NeedsVersion(absl::string_view what, uint32_t needed,
                         uint32_t known);

}  // namespace session

#endif  // SESSION_VERSIONS_H_
