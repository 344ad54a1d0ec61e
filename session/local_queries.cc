#include "session/local_queries.h"

#include <algorithm>

#include "base/check.h"
#include "session/position_cursor.h"

namespace session {
namespace {

constexpr uint64_t kChangeOverhead = 64;

}  // namespace

QueryStreamId LocalQueries::Open(Query query, const Primitive& primitive) {
  const QueryStreamId id{++last_id_};
  by_session_[query.session].insert(id);
  Stream& stream = streams_[id];
  stream.query = std::move(query);
  stream.primitive = &primitive;
  stream.watches = primitive.Watches(stream.query.AsOfPrimitive());
  if (stream.watches) {
    Ring& ring = rings_[stream.query.primitive];
    ring.watchers.insert(id);
    stream.next_position = ring.end();
  }
  listings_[stream.query.primitive].insert(id);
  return id;
}

QueryStreamId LocalQueries::OpenFailed(Query query, Result failure) {
  const QueryStreamId id{++last_id_};
  by_session_[query.session].insert(id);
  Stream& stream = streams_[id];
  stream.query = std::move(query);
  stream.state = State::kWatching;  // Nothing to list, nothing to watch.
  stream.outputs.push_back(std::move(failure));
  return id;
}

LocalQueries::Read LocalQueries::ReadNext(QueryStreamId id) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return {.kind = Read::Kind::kEnded};
  Stream& stream = it->second;
  if (stream.state == State::kEnded || stream.state == State::kOverflow) {
    const Read::Kind kind = stream.state == State::kEnded
                                ? Read::Kind::kEnded
                                : Read::Kind::kOverflow;
    Close(id);
    return {.kind = kind};
  }

  if (stream.outputs.empty() && stream.state == State::kListing) {
    ListSlice(id, stream);
    if (stream.outputs.empty() && stream.state == State::kListing) {
      // Whatever the slices cost, a turn of the partition has only one of them.
      ready_.insert(id);
      return {.kind = Read::Kind::kNothingYet};
    }
  }
  if (!stream.outputs.empty()) {
    Result result = std::move(stream.outputs.front());
    stream.outputs.pop_front();
    return {.kind = Read::Kind::kOutput,
            .number = ++stream.last_number,
            .result = std::move(result)};
  }
  if (!stream.watches) {
    Close(id);
    return {.kind = Read::Kind::kEnded};
  }
  std::optional<std::string> change =
      NextChange(stream, rings_.at(stream.query.primitive));
  if (!change) {
    WaitForChange(id, stream);
    return {.kind = Read::Kind::kNothingYet};
  }
  return {.kind = Read::Kind::kOutput,
          .number = ++stream.last_number,
          .result = Ok(*std::move(change))};
}

void LocalQueries::ListSlice(QueryStreamId id, Stream& stream) {
  Listing listing =
      stream.primitive->List(stream.query.AsOfPrimitive(), stream.cursor,
                             {.rows_max = limits_.listing_rows_max,
                              .bytes_max = limits_.listing_bytes_max});
  for (std::string& output : listing.outputs) {
    stream.outputs.push_back(Ok(std::move(output)));
  }
  const bool by_key = stream.watches && !listing.by_position;
  uint64_t position = 0;
  if (by_key) position = rings_.at(stream.query.primitive).end();
  // A listing that does not move on would be read for ever.
  if (listing.done || listing.cursor <= stream.cursor) {
    stream.rest_position = position;
    EndListing(id, stream);
    stream.state = State::kWatching;
    return;
  }
  stream.cursor = std::move(listing.cursor);
  if (by_key) stream.slices.push_back({stream.cursor, position});
}

void LocalQueries::EndListing(QueryStreamId id, const Stream& stream) {
  if (stream.state != State::kListing) return;
  auto it = listings_.find(stream.query.primitive);
  it->second.erase(id);
  if (it->second.empty()) listings_.erase(it);
}

std::optional<std::string> LocalQueries::NextChange(Stream& stream,
                                                    const Ring& ring) {
  while (stream.next_position < ring.end()) {
    const uint64_t position = stream.next_position++;
    if (!stream.skipped.empty() && stream.skipped.front() == position) {
      stream.skipped.pop_front();
      continue;
    }
    const Change& change = ring.changes[position - ring.first_position];
    if (!WasListedLater(stream, change.cursor, position)) return change.output;
  }
  return std::nullopt;
}

bool LocalQueries::WasListedLater(const Stream& stream,
                                  absl::string_view cursor,
                                  uint64_t position) const {
  if (position >= stream.rest_position) return false;  // The last slice of all.
  auto slice =
      std::lower_bound(stream.slices.begin(), stream.slices.end(), cursor,
                       [](const Slice& s, absl::string_view c) {
                         return absl::string_view(s.cursor) < c;
                       });
  const uint64_t listed =
      slice == stream.slices.end() ? stream.rest_position : slice->position;
  return position < listed;
}

void LocalQueries::WaitForChange(QueryStreamId id, Stream& stream) {
  if (stream.waits) return;
  stream.waits = true;
  stream.slices.clear();  // They decided about changes that are read now.
  Ring& ring = rings_.at(stream.query.primitive);
  ring.waiting.push_back(id);
  if (ring.waiting.size() < ring.watchers.size()) return;
  // All have read everything: nobody needs it any more.
  ring.first_position = ring.end();
  ring.changes.clear();
  ring.bytes = 0;
}

void LocalQueries::Close(QueryStreamId id) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  EndListing(id, it->second);
  Unwatch(id, it->second);
  auto of_session = by_session_.find(it->second.query.session);
  of_session->second.erase(id);
  if (of_session->second.empty()) by_session_.erase(of_session);
  ready_.erase(id);
  streams_.erase(it);
}

void LocalQueries::CancelFinished(
    SessionId session, SequenceNum last,
    absl::FunctionRef<bool(SequenceNum)> is_running) {
  CancelIf(session, [&](const Stream& stream) {
    return stream.query.sequence <= last && !is_running(stream.query.sequence);
  });
}

void LocalQueries::CancelSession(SessionId session) {
  CancelIf(session, [](const Stream&) { return true; });
}

void LocalQueries::CancelPrimitive(SessionId session, PrimitiveId primitive) {
  CancelIf(session, [primitive](const Stream& stream) {
    return stream.query.primitive == primitive;
  });
}

void LocalQueries::CancelIf(SessionId session,
                            absl::FunctionRef<bool(const Stream&)> wanted) {
  auto of_session = by_session_.find(session);
  if (of_session == by_session_.end()) return;
  for (QueryStreamId id : of_session->second) {
    Stream& stream = streams_.at(id);
    if (wanted(stream)) End(id, stream, State::kEnded);
  }
}

void LocalQueries::InterruptPrimitive(PrimitiveId primitive) {
  auto ring = rings_.find(primitive);
  if (ring == rings_.end()) return;
  const std::vector<QueryStreamId> watchers(ring->second.watchers.begin(),
                                            ring->second.watchers.end());
  for (QueryStreamId id : watchers) {
    End(id, streams_.at(id), State::kOverflow);
  }
}

void LocalQueries::InterruptAll() {
  for (auto& [id, stream] : streams_) End(id, stream, State::kOverflow);
}

void LocalQueries::End(QueryStreamId id, Stream& stream, State state) {
  if (stream.state == State::kEnded || stream.state == State::kOverflow) return;
  EndListing(id, stream);
  Unwatch(id, stream);
  stream.state = state;
  stream.primitive = nullptr;
  stream.outputs.clear();
  stream.slices.clear();
  stream.skipped.clear();
  ready_.insert(id);
}

void LocalQueries::Unwatch(QueryStreamId id, Stream& stream) {
  if (!stream.watches) return;
  stream.watches = false;
  auto it = rings_.find(stream.query.primitive);
  it->second.watchers.erase(id);
  if (stream.waits) std::erase(it->second.waiting, id);
  stream.waits = false;
  if (it->second.watchers.empty()) rings_.erase(it);
}

size_t LocalQueries::size_of(SessionId session) const {
  auto it = by_session_.find(session);
  return it == by_session_.end() ? 0 : it->second.size();
}

bool LocalQueries::HasWatchers(PrimitiveId primitive) const {
  return rings_.contains(primitive);
}

void LocalQueries::Notify(PrimitiveId primitive, absl::string_view cursor,
                          std::string output) {
  auto it = rings_.find(primitive);
  if (it == rings_.end()) return;
  Ring& ring = it->second;
  ring.bytes += kChangeOverhead + cursor.size() + output.size();
  ring.changes.push_back({std::string(cursor), std::move(output)});
  for (QueryStreamId id : ring.waiting) {
    streams_.at(id).waits = false;
    ready_.insert(id);
  }
  ring.waiting.clear();
  Trim(ring);
}

void LocalQueries::NotifyAt(PrimitiveId primitive, uint64_t position, int shift,
                            std::string output) {
  const auto ring = rings_.find(primitive);
  if (const auto it = listings_.find(primitive); it != listings_.end()) {
    for (QueryStreamId id : it->second) {
      Stream& stream = streams_.at(id);
      PositionCursor cursor = PositionCursor::Decode(stream.cursor);
      if (position >= cursor.next) {
        if (stream.watches) stream.skipped.push_back(ring->second.end());
      } else if (shift != 0) {
        cursor.next += static_cast<uint64_t>(shift);
        stream.cursor = cursor.Encode();
      }
    }
  }
  Notify(primitive, "", std::move(output));
}

void LocalQueries::Trim(Ring& ring) {
  std::vector<QueryStreamId> behind;
  uint64_t first = ring.first_position;
  uint64_t count = ring.changes.size();
  while (count > 0 && (count > limits_.watch_changes_max ||
                       ring.bytes > limits_.watch_bytes_max)) {
    const Change& change = ring.changes.front();
    ring.bytes -= kChangeOverhead + change.cursor.size() + change.output.size();
    ring.changes.pop_front();
    --count;
    ++first;
  }
  if (first == ring.first_position) return;
  ring.first_position = first;
  for (QueryStreamId id : ring.watchers) {
    if (streams_.at(id).next_position < first) behind.push_back(id);
  }
  // May be the end of the ring: last.
  for (QueryStreamId id : behind) End(id, streams_.at(id), State::kOverflow);
}

std::vector<QueryStreamId> LocalQueries::TakeReady() {
  std::vector<QueryStreamId> ready(ready_.begin(), ready_.end());
  ready_.clear();
  return ready;
}

}  // namespace session
