// LocalQueries is the stream queries that run on this node: a listing in
// slices, perhaps followed by the changes. They read replicated state and are
// no part of it; nothing here may decide what an entry does.
//
// The changes of a primitive are kept once, in a bounded ring, for all its
// watchers. A slice is read when the one before it was; a watcher remembers, of
// each slice, up to which key it reached and how many changes had been made
// then. So for any change it knows whether the slice that lists its key was
// read before (the change is sent) or after it (the listing showed it): none is
// missed, none comes twice.
//
// A primitive that lists by position says of each change where it is and what
// moves. Listings that are under way move with it, and whether they have shown
// the item, or are going to, is decided at once.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_LOCAL_QUERIES_H_
#define SESSION_LOCAL_QUERIES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "session/limits.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/types.h"

namespace session {

class LocalQueries {
 public:
  // `limits` must outlive it.
  explicit LocalQueries(const Limits& limits) : limits_(limits) {}

  // --- Streams --------------------------------------------------------------

  struct Query {
    SessionId session;
    SequenceNum sequence;
    PrimitiveId primitive;
    uint32_t operation = 0;
    Generation generation = Generation::kMultiRaft;
    std::string input;

    StreamQuery AsOfPrimitive() const {
      return {.operation = operation, .input = input, .generation = generation};
    }
  };

  // Opens a stream over `primitive`, which must outlive it.
  QueryStreamId Open(Query query, const Primitive& primitive);
  // Opens a stream that says why it failed and ends.
  QueryStreamId OpenFailed(Query query, Result failure);

  struct Read {
    enum class Kind : uint8_t { kOutput, kNothingYet, kEnded, kOverflow };
    Kind kind = Kind::kEnded;
    uint64_t number = 0;
    Result result;
  };
  // The next output. After kEnded or kOverflow the stream is gone; for one that
  // is gone, kEnded. Looks at one slice of a listing at most: if nothing in it
  // is live, the answer is kNothingYet and the stream is ready at once.
  Read ReadNext(QueryStreamId id);

  // Its reader went away. Nothing happens if it is gone.
  void Close(QueryStreamId id);

  // --- What ends streams ----------------------------------------------------

  // A KeepAlive: those at or below `last` that `is_running` denies end.
  void CancelFinished(SessionId session, SequenceNum last,
                      absl::FunctionRef<bool(SequenceNum)> is_running);
  void CancelSession(SessionId session);
  void CancelPrimitive(SessionId session, PrimitiveId primitive);
  // These end with kOverflow.
  void InterruptPrimitive(PrimitiveId primitive);
  void InterruptAll();

  // --- Changes --------------------------------------------------------------

  bool HasWatchers(PrimitiveId primitive) const;
  void Notify(PrimitiveId primitive, absl::string_view cursor,
              std::string output);
  void NotifyAt(PrimitiveId primitive, uint64_t position, int shift,
                std::string output);

  // Streams that got something to read, or ended, since they were last read
  // empty; each once, in the order of their ids.
  std::vector<QueryStreamId> TakeReady();
  bool has_ready() const { return !ready_.empty(); }

  size_t size() const { return streams_.size(); }
  size_t size_of(SessionId session) const;

 private:
  struct Change {
    std::string cursor;
    std::string output;
  };
  // The changes of one primitive from first_position on, and who reads them.
  struct Ring {
    std::deque<Change> changes;
    uint64_t first_position = 0;
    uint64_t bytes = 0;
    absl::btree_set<QueryStreamId> watchers;
    std::vector<QueryStreamId> waiting;  // Those that have read everything.

    uint64_t end() const { return first_position + changes.size(); }
  };
  // Keys up to `cursor` (and above the slice before) were listed when there
  // were `position` changes.
  struct Slice {
    std::string cursor;
    uint64_t position = 0;
  };
  enum class State : uint8_t { kListing, kWatching, kEnded, kOverflow };
  struct Stream {
    Query query;
    const Primitive* primitive = nullptr;
    State state = State::kListing;
    bool watches = false;  // Then it is in its primitive's ring.
    bool waits = false;    // Then it is among the ring's waiting.
    uint64_t last_number = 0;
    std::deque<Result> outputs;  // Of the slice being read.
    std::string cursor;          // Where the next slice goes on.
    std::vector<Slice> slices;  // Until every change they decide about is read.
    uint64_t rest_position = 0;  // Of the keys above all slices.
    uint64_t next_position = 0;  // The next change to look at.
    // Changes of what was not listed yet, by position: not to be sent. Of
    // streams that list by position, in the place of slices.
    std::deque<uint64_t> skipped;
  };

  void ListSlice(QueryStreamId id, Stream& stream);
  void EndListing(QueryStreamId id, const Stream& stream);
  // The next change to send, or none yet.
  std::optional<std::string> NextChange(Stream& stream, const Ring& ring);
  bool WasListedLater(const Stream& stream, absl::string_view cursor,
                      uint64_t position) const;
  void WaitForChange(QueryStreamId id, Stream& stream);
  void End(QueryStreamId id, Stream& stream, State state);
  void Unwatch(QueryStreamId id, Stream& stream);
  void Trim(Ring& ring);
  // Ends the streams of `session` that `wanted` names.
  void CancelIf(SessionId session,
                absl::FunctionRef<bool(const Stream&)> wanted);

  const Limits& limits_;
  uint64_t last_id_ = 0;
  std::map<QueryStreamId, Stream> streams_;
  absl::flat_hash_map<SessionId, absl::btree_set<QueryStreamId>> by_session_;
  std::map<PrimitiveId, Ring> rings_;  // With watchers.
  // Those that are kListing.
  std::map<PrimitiveId, absl::btree_set<QueryStreamId>> listings_;
  absl::btree_set<QueryStreamId> ready_;
};

}  // namespace session

#endif  // SESSION_LOCAL_QUERIES_H_
