// What the write-ahead logs themselves say about what was synced.
//
// The watermark may be a second old after a power cut. But each synced batch is
// written when the sync of the one before has returned, and carries a claim, up
// to which sequence number that was. So whoever drops the end of the logs, from
// some damage on, knows from whatever is whole behind it whether the damage was
// in something synced, of all synced batches but the last.

#ifndef STORAGE_SYNCED_CLAIMS_H_
#define STORAGE_SYNCED_CLAIMS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace storage {

// The claim that everything up to `sequence` is durable, as a batch carries it
// (in the write-ahead log only).
std::string EncodeSyncedClaim(uint64_t sequence);
std::optional<uint64_t> DecodeSyncedClaim(absl::string_view blob);

// The highest claim in any record that is whole, in all logs of this directory,
// whatever is damaged around it; 0: there is none.
uint64_t HighestSyncedClaim(const std::string& directory);

}  // namespace storage

#endif  // STORAGE_SYNCED_CLAIMS_H_
