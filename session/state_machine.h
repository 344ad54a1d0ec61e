// StateMachine is the replicated state of one partition: its log time, its
// sessions with their exactly-once commands and event streams, and its
// primitives. The same entries make the same state, byte for byte, on every
// replica and after every restart.
//
// Its owner (partition/) applies committed entries in order, takes the effects,
// finishes callers, and drives checkpoints. Local query streams live here too,
// beside the replicated state they read, and are not part of it.
//
// Not thread-safe: used on its partition's worker only (the loader's, while it
// loads).

#ifndef SESSION_STATE_MACHINE_H_
#define SESSION_STATE_MACHINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "session/limits.h"
#include "session/registry.h"
#include "session/table_set.h"
#include "session/types.h"
#include "session/versions.h"

namespace multiraft::disk::v1 {
class Command;
}

namespace session {

// A committed entry.
struct LogEntry {
  uint64_t log_index = 0;
  uint64_t term = 0;
  uint64_t time_ns = 0;
  absl::string_view payload;  // A disk.v1.Command; empty: a no-op of raft/.
};

// One numbered answer of a command.
struct CommandOutput {
  uint64_t number = 0;  // From 1, without gaps.
  uint64_t index = 0;   // The client-visible index when it was read.
  Result result;
};

// What applying an entry means for whoever proposed it.
struct Applied {
  enum class Outcome : uint8_t {
    kNothing,        // A no-op, tick or checkpoint.
    kSessionOpened,  // `session` is set.
    kKeptAlive,
    kSessionClosed,
    kAnswered,        // `output` is the unary command's; perhaps replayed.
    kOpen,            // The command waits or streams: attach, and ReadOutput.
    kUnknownSession,  // Never opened, closed or expired.
    kCanceled,        // The client had given this number up (the mark).
    kContentChanged,  // This number was used with another content.
    kBusy,            // Refused, but not for ever; `message` says why. It did
                      // not run, and may when it is sent again.
    kExhausted,       // A limit; `message` names it.
    kCannotApply,     // Unknown kind or version: the partition must stop here.
  };

  Outcome outcome = Outcome::kNothing;
  uint64_t index = 0;  // The client-visible index after this entry.
  SessionId session;
  CommandOutput output;
  std::string message;
};

// What became ready while entries were applied.
struct Effects {
  // Open commands that have a new output or have ended, each once.
  std::vector<CommandKey> commands;
  // Local query streams that have something to read or have ended, each once.
  std::vector<QueryStreamId> queries;
};

struct OutputRead {
  enum class Kind : uint8_t {
    kOutput,
    kNothingYet,
    // No more will come: the stream ended cleanly; a unary command that never
    // answered was cancelled.
    kEnded,
    // Local query streams only: it fell too far behind (Unavailable).
    kOverflow,
  };
  Kind kind = Kind::kNothingYet;
  CommandOutput output;
};

struct Query {
  SessionId session;
  SequenceNum sequence;  // Only names it for cancellation.
  PrimitiveId primitive;
  const PrimitiveType* type = nullptr;
  const Operation* operation = nullptr;  // Null: kNotSupported.
  std::string input;
  Generation generation = Generation::kMultiRaft;  // Which API carried it.
};

struct QueryAnswer {
  bool unknown_session = false;
  uint64_t index = 0;
  Result result;
};

// What an image pointer says beside its rows.
struct ImageHeader {
  uint64_t log_index = 0;
  uint64_t term = 0;
  uint64_t time_ns = 0;
  uint64_t command_index = 0;
  uint32_t machine_version = kMachineVersionMin;
  uint64_t checkpoint = 0;
  uint64_t digest = 0;
};

struct Counts {
  uint64_t sessions = 0;
  uint64_t primitives = 0;
  uint64_t open_commands = 0;
  uint64_t query_streams = 0;
};

struct SessionInfo {
  SessionId id;
  uint64_t timeout_ns = 0;
  uint64_t deadline_ns = 0;  // Log time.
  uint64_t open_commands = 0;
  uint64_t cached_bytes = 0;
};

class StateMachine {
 public:
  // `registry` must outlive it. `limits` is what Admit and local queries keep
  // to; `apply_limits`, the same on all replicas for ever, what Apply enforces.
  StateMachine(const Registry& registry, const Limits& limits,
               const Limits& apply_limits);
  // One set for both.
  StateMachine(const Registry& registry, const Limits& limits);
  ~StateMachine();

  // --- Commands -------------------------------------------------------------

  // Whether a leader may propose `command`: its limits, judged before it costs
  // anything. Unavailable: passes with time (cache full). ResourceExhausted: a
  // bound is reached. InvalidArgument: out of range.
  absl::Status Admit(const multiraft::disk::v1::Command& command) const;

  // Applies the next entry. REQUIRES: log_index is one above the last.
  Applied Apply(const LogEntry& entry);

  // What Apply, or a read that found nothing yet, made ready since the last
  // call.
  Effects TakeEffects();

  // The first output of an open or answered command with a number above
  // `after` that has not been acknowledged.
  OutputRead ReadOutput(CommandKey command, uint64_t after) const;

  // --- Queries --------------------------------------------------------------

  QueryAnswer RunQuery(const Query& query) const;

  // Opens a local stream query; its outputs, a failure included, are read by
  // ReadQuery. `unknown_session` of the answer: there is none. `exhausted`, if
  // not empty: the limit that was reached; nothing was opened.
  struct OpenedQuery {
    bool unknown_session = false;
    std::string exhausted = {};
    QueryStreamId id{};
  };
  OpenedQuery OpenQuery(Query query);

  // The next output; each is read once. After kEnded or kOverflow the stream is
  // gone. A read does a bounded amount of work: a listing that comes upon
  // nothing but rows that are gone answers kNothingYet, and is ready.
  OutputRead ReadQuery(QueryStreamId id);
  // TakeEffects has queries that no entry need make ready.
  bool has_ready_queries() const;

  // The caller went away.
  void CloseQuery(QueryStreamId id);

  // Ends every local query stream with kOverflow (an installed image).
  void InterruptQueries();

  // --- Time -----------------------------------------------------------------

  // Log time at which something is due: a timer, an expiry; the present when
  // work is left over; kNever. When it has come and nothing moves the log, the
  // leader proposes a Tick.
  uint64_t next_due_ns() const;

  // --- Checkpoints ----------------------------------------------------------
  // Apply of a Checkpoint entry freezes a cut, unless one is being written or
  // hold_checkpoints is set: then it merges into the next.

  void set_hold_checkpoints(bool hold);
  bool writing_checkpoint() const;

  // Moves encoded rows of the cut to `rows`, about `rows_max` of them and
  // `bytes_max` bytes. True when it is complete; then image_header() is known.
  bool EncodeSlice(size_t rows_max, size_t bytes_max,
                   std::vector<EncodedRow>& rows);
  const ImageHeader& image_header() const;
  // Of the last cut that is complete, or of the image that was loaded: the sums
  // of its tables, those without rows left out. image_header().digest is their
  // sum.
  std::vector<std::pair<TableId, uint64_t>> table_digests() const;
  // The pointer is durable: what no reader needs any more.
  TableSet::Obsolete ImageDurable();
  uint64_t dirty_bytes() const;
  uint64_t dirty_rows() const;
  // The next cut is the whole image, not only what changed: the one on disk is
  // damaged. cut_is_whole: it is this one. REQUIRES: writing_checkpoint().
  void RewriteImage();
  bool cut_is_whole() const;

  // --- Scrub ----------------------------------------------------------------

  // As TableSet's: reads rows that nobody changes, to find those that memory
  // has changed; and what they add to table_digests().
  Scrubbed Scrub(size_t rows_max, size_t bytes_max);
  std::map<TableId, uint64_t> damage() const;

  // --- Load -----------------------------------------------------------------

  // FailedPrecondition, naming the version needed: rows of an image of
  // `machine_version` are not for this replica, and need not even decode.
  absl::Status CanLoad(uint32_t machine_version) const;
  // Into an empty state machine, in (table, key) order, then FinishLoad.
  // DataLoss: a row that does not decode, or a sum that is not the header's.
  absl::Status LoadRow(const EncodedRow& row);
  absl::Status FinishLoad(const ImageHeader& header);

  // --- State ----------------------------------------------------------------

  uint64_t applied_log_index() const;
  uint64_t index() const;  // The client-visible one.
  uint64_t time_ns() const;
  uint32_t machine_version() const;
  // The log index of the entry that set it, if the version has that
  // (kMachineVersionNext); 0 otherwise.
  uint64_t version_since() const;
  uint64_t rows() const;
  uint64_t size_bytes() const;
  Counts counts() const;
  std::vector<SessionInfo> ListSessions(SessionId after, size_t max) const;
  // The sum over all rows as they are now, computed in full: for tests and the
  // comparison of replicas.
  uint64_t FullDigest() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace session

#endif  // SESSION_STATE_MACHINE_H_
