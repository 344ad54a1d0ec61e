// Primitive is one named state machine inside a partition: a counter, a map, a
// lock. Its whole state is rows of Tables (session/table.h); everything else
// it needs, from the log to the listeners, comes through a context.
//
// A primitive is deterministic: it reads nothing but its tables and the
// context. It is used on its partition's worker only.

#ifndef SESSION_PRIMITIVE_H_
#define SESSION_PRIMITIVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "session/types.h"

namespace session {

// A timer's due time for "with the next entry".
inline constexpr uint64_t kAtOnce = 0;

// What a primitive may read and do while an entry is applied. Implemented by
// the state machine, and by a fake in the primitives' tests.
class PrimitiveContext {
 public:
  virtual ~PrimitiveContext() = default;

  // The index that clients see, of the command being applied: versions and
  // fencing tokens are made of it.
  virtual uint64_t index() const = 0;
  // Log time. Timers that were due have already fired.
  virtual uint64_t time_ns() const = 0;
  virtual uint32_t machine_version() const = 0;

  // Whether a command listens to this primitive's events (Listen). The same on
  // every replica, so it may decide what happens.
  virtual bool has_listeners() const = 0;
  // Appends one event for every listener whose filter is empty or equals
  // `key`. `output` is the public EventsOutput message; it is kept once.
  // `change_index` is the index() at which what it reports was done, mostly the
  // present one: listeners that came later do not get it.
  virtual void Publish(uint64_t change_index, absl::string_view key,
                       std::string output) = 0;

  // Tells the local watchers (open stream queries) of a change at `cursor`,
  // which orders as the keys of List do. Costs nothing without watchers, so ask
  // has_watchers() before encoding `output`.
  virtual bool has_watchers() const = 0;
  virtual void Notify(absl::string_view cursor, std::string output) = 0;
  // The same for a primitive that lists by position (Listing::by_position), and
  // to be called for each of its changes, watchers or not: the item at
  // `position` was inserted there (`shift` 1), removed (-1) or changed (0).
  // Listings that are under way move with their items. Without watchers nobody
  // reads `output`.
  virtual void NotifyAt(uint64_t position, int shift, std::string output) = 0;
  // Ends the local watchers (Unavailable: their clients list again): more has
  // changed than is worth telling.
  virtual void InterruptWatchers() = 0;

  // One timer for each key of this primitive; setting it again moves it. It
  // fires (TimerFired) before an entry whose time is >= due_ns takes effect, in
  // the order of (due, primitive, key): before the first such entry, unless
  // more is due than one entry may do (Limits::reclaim_items_max), and then
  // before the next ones; those that are due at once have half of that for
  // themselves, and the others the other half. Never during the entry that set
  // it, so that work left over can be put off by a timer that is due at once.
  // Timers are derived state: Loaded sets them again. So due_ns follows from
  // the rows alone, or is kAtOnce; made of time_ns() at load it would order
  // timers otherwise than on a replica that did not load.
  virtual void SetTimer(absl::string_view key, uint64_t due_ns) = 0;
  virtual void CancelTimer(absl::string_view key) = 0;
  // All of this primitive's whose keys start with `prefix`, in O(1): they are
  // reclaimed at leisure.
  virtual void CancelTimers(char prefix) = 0;

  // What was just done is as much as `items` items, beside events and answers:
  // it counts against what this entry may still do (Limits::reclaim_items_max).
  virtual void Charge(uint64_t items) = 0;

  // Answers a command that KeepOpen left waiting. REQUIRES: it is waiting.
  virtual void Complete(CommandKey command, Result result) = 0;
};

// The context of a command. Exactly one of Answer, KeepOpen and Listen is
// called before Command returns.
class CommandContext : public PrimitiveContext {
 public:
  virtual CommandKey command() const = 0;
  virtual Generation generation() const = 0;

  // The command is done.
  virtual void Answer(Result result) = 0;

  // The command waits (a lock that is taken): Complete answers it later, or
  // WaiterCancelled says that nobody wants the answer any more. The primitive
  // keeps the waiter in a row of its own.
  virtual void KeepOpen() = 0;

  // The command becomes a listener of this primitive's events, those with key
  // `filter` or, if empty, all. `first_output`, unless empty, is its output
  // number 1. Nothing else is kept by the primitive.
  virtual void Listen(absl::string_view filter, std::string first_output) = 0;
};

// How much one slice of a listing may have: so many rows, and no further one
// behind so many bytes of outputs.
struct SliceBounds {
  size_t rows_max = 0;
  uint64_t bytes_max = 0;
};

// A slice of a listing. `cursor` names the last item listed; pass it to go on.
struct Listing {
  std::vector<std::string> outputs;  // Public <Rpc>Output messages.
  std::string cursor;
  bool done = false;
  // `cursor` is a PositionCursor, and changes come by NotifyAt.
  bool by_position = false;
};

// A stream query, as a primitive gets it. The view lives as long as the call.
struct StreamQuery {
  uint32_t operation = 0;
  absl::string_view input;  // The public <Rpc>Input message.
  Generation generation = Generation::kMultiRaft;
};

class Primitive {
 public:
  virtual ~Primitive() = default;

  // Applies a command. `input` is the public <Rpc>Input message; it passed the
  // operation's check before it was proposed, but a committed entry may still
  // hold anything: answer kInternal rather than CHECK.
  virtual void Command(CommandContext& context, uint32_t operation,
                       absl::string_view input) = 0;

  // Answers a unary query from the present state.
  virtual Result Query(uint32_t operation, absl::string_view input) const = 0;

  // Lists items within `bounds` behind `cursor` (empty: from the start) for a
  // stream query, at least one. Cursors order bytewise as the listing does, so
  // that a watcher can tell what it has been shown; or they are positions.
  virtual Listing List(const StreamQuery& query, absl::string_view cursor,
                       const SliceBounds& bounds) const = 0;

  // Whether the stream query goes on with changes after its listing.
  virtual bool Watches(const StreamQuery& query) const = 0;

  // A timer set by this primitive is due.
  virtual void TimerFired(PrimitiveContext& context, absl::string_view key) = 0;

  // A command left open by KeepOpen was cancelled: forget the waiter.
  virtual void WaiterCancelled(PrimitiveContext& context,
                               CommandKey command) = 0;

  // `session` ended or closed this primitive; its waiters were cancelled
  // before. Releases what the session held here, at most `items_max` items;
  // false if more is left, and then it is called again by later entries.
  virtual bool SessionClosed(PrimitiveContext& context, SessionId session,
                             size_t items_max) = 0;

  // All rows are loaded: set timers and rebuild whatever is derived.
  virtual void Loaded(PrimitiveContext& context) = 0;
};

}  // namespace session

#endif  // SESSION_PRIMITIVE_H_
