// Limits of one partition's state machine. Each has a name, a default and a
// test; what a request meets when it exceeds one is said beside it.
//
// Limits judged at apply must be the same on every replica; a leader refuses
// earlier, at the figures below, and apply enforces twice as much.

#ifndef SESSION_LIMITS_H_
#define SESSION_LIMITS_H_

#include <cstdint>

#include "session/versions.h"

namespace session {

struct Limits {
  // What this replica knows; a partition that needs more stops here. Another
  // than the default is for tests of upgrades.
  uint32_t machine_version_max = kMachineVersionMax;

  // OpenSession. Outside: InvalidArgument.
  uint64_t session_timeout_min_ns = 100'000'000;         // 100 ms
  uint64_t session_timeout_max_ns = 86'400'000'000'000;  // 24 h
  // More: ResourceExhausted.
  uint64_t sessions_max = 1'000'000;
  uint64_t primitives_max = 1'000'000;

  // Cached results and unacknowledged outputs of one session. Above: its new
  // commands are refused (Unavailable: a KeepAlive makes room).
  uint64_t session_cache_bytes_max = 64 << 20;
  uint64_t session_records_max = 1 << 20;

  // Unacknowledged outputs of one event stream; above, it ends with an error.
  uint64_t stream_outputs_max = 1 << 16;
  uint64_t stream_bytes_max = 16 << 20;

  // Streams that one KeepAlive acknowledges outputs of. More:
  // ResourceExhausted.
  uint64_t acknowledgements_max = 1 << 14;

  // A KeepAlive raises the mark by at most this much.
  uint64_t mark_step_max = 1 << 20;
  // Hash functions of a filter that is not empty. Above: InvalidArgument.
  uint64_t filter_hashes_max = 64;
  uint64_t filter_bytes_max = 1 << 20;

  // Items one entry may release or reclaim; the next entries carry on.
  uint64_t reclaim_items_max = 1000;

  // All rows together. Above: growing commands are refused
  // (ResourceExhausted), shrinking ones pass.
  uint64_t state_bytes_max = uint64_t{8} << 30;

  // Local query streams of one session. More: ResourceExhausted.
  uint64_t session_query_streams_max = 1000;

  // Local query streams: rows and bytes of one slice of a listing, and changes
  // kept for watchers of one primitive that have not read them (then
  // Unavailable: the client lists again).
  uint64_t listing_rows_max = 256;
  uint64_t listing_bytes_max = 256 << 10;
  uint64_t watch_changes_max = 1 << 14;
  uint64_t watch_bytes_max = 8 << 20;

  // Names and keys, in bytes. Above: InvalidArgument.
  uint64_t name_bytes_max = 4096;
  uint64_t key_bytes_max = 64 * 1024;
  uint64_t value_bytes_max = 1 << 20;
};

// The limits that apply enforces: the same on every replica and in every
// process, whatever its flags and the defaults above say, or a replay with
// others would make another state. So each is written out. A leader refuses
// long before, at its own Limits; what is left to apply is to keep a mistake
// finite. Do not change: on disk, by its effects (limits_test pins them).
inline Limits ApplyLimits() {
  return {
      .machine_version_max = kMachineVersionMax,  // Judged by the binary's own.
      .session_timeout_min_ns = 1,
      .session_timeout_max_ns = UINT64_MAX,
      .sessions_max = uint64_t{1} << 32,
      .primitives_max = uint64_t{1} << 32,
      .session_cache_bytes_max = uint64_t{1} << 30,
      .session_records_max = uint64_t{1} << 24,
      .stream_outputs_max = 1 << 16,
      .stream_bytes_max = 16 << 20,
      .acknowledgements_max = uint64_t{1} << 20,
      .mark_step_max = 1 << 20,
      .filter_hashes_max = 4096,
      .filter_bytes_max = uint64_t{1} << 28,
      .reclaim_items_max = 1000,
      .state_bytes_max = uint64_t{1} << 50,
      // Of what a replica serves by itself, not judged at apply.
      .session_query_streams_max = 1000,
      .listing_rows_max = 256,
      .listing_bytes_max = 256 << 10,
      .watch_changes_max = 1 << 14,
      .watch_bytes_max = 8 << 20,
      .name_bytes_max = uint64_t{1} << 28,
      .key_bytes_max = 64 * 1024,
      .value_bytes_max = 1 << 20,
  };
}

}  // namespace session

#endif  // SESSION_LIMITS_H_
