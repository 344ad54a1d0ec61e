// PositionCursor is the cursor of listings that go by position (a list): how
// many items are before the next one, and how many were listed.
//
// Positions move when items before them come and go, so LocalQueries keeps the
// cursors of listings that are under way up to date (PrimitiveContext::
// NotifyAt). An item that is there all the while is listed once, then, and the
// listed items are what the list has before `next`, but for the changes that
// watchers are told of behind the listing.

#ifndef SESSION_POSITION_CURSOR_H_
#define SESSION_POSITION_CURSOR_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/coding.h"

namespace session {

struct PositionCursor {
  // Of an empty or foreign cursor: the start.
  static PositionCursor Decode(absl::string_view bytes) {
    base::Reader reader(bytes);
    PositionCursor cursor;
    cursor.next = reader.U64();
    cursor.listed = reader.U64();
    return reader.done() ? cursor : PositionCursor();
  }
  std::string Encode() const {
    std::string bytes;
    base::AppendU64(bytes, next);
    base::AppendU64(bytes, listed);
    return bytes;
  }

  uint64_t next = 0;
  uint64_t listed = 0;
};

}  // namespace session

#endif  // SESSION_POSITION_CURSOR_H_
