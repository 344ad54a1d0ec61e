// Stream is what the server sends one after another: events, entries, leaders.
//
//   while (true) {
//     auto item = (*events)->Next();
//     if (!item.ok()) return item.status();   // For good.
//     if (!item->has_value()) break;          // The end: nothing more will
//     come. Use(**item);
//   }
//
// It survives the server: when the connection breaks it is asked for again,
// with growing pauses, until it is cancelled or its session is lost.
//
// Next by one thread at a time; Cancel by any.

#ifndef CLIENT_STREAM_H_
#define CLIENT_STREAM_H_

#include <optional>

#include "absl/status/statusor.h"

namespace client {

template <class Item>
class Stream {
 public:
  // Destroying a stream ends it; the server learns of it by a KeepAlive.
  virtual ~Stream() = default;

  // Blocks for the next item. Nothing at the end of what is finite, such as a
  // listing. kCancelled after Cancel. After an error or the end, the same
  // again.
  virtual absl::StatusOr<std::optional<Item>> Next() = 0;

  // Ends the stream: a blocked Next returns.
  virtual void Cancel() = 0;
};

}  // namespace client

#endif  // CLIENT_STREAM_H_
