// Follow reads a stream on a thread of its own and tells a callback of each
// item.
//
//   const client::Follower follower = client::Follow(
//       users.Events(""), [](const client::MapEvent& event) { ... },
//       [](const absl::Status& why) { ... });
//
// The callbacks run on that thread, one at a time. Destroying the Follower
// cancels the stream and waits for the thread: nothing is told from then on,
// except for the end (kCancelled). Not from within a callback.

#ifndef CLIENT_FOLLOW_H_
#define CLIENT_FOLLOW_H_

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/stream.h"

namespace client {

class Follower {
 public:
  Follower(std::thread thread, std::function<void()> cancel)
      : thread_(std::move(thread)), cancel_(std::move(cancel)) {}
  Follower(Follower&&) = default;
  Follower& operator=(Follower&&) = delete;
  ~Follower() {
    if (!thread_.joinable()) return;  // It was moved.
    cancel_();
    thread_.join();
  }

 private:
  std::thread thread_;
  std::function<void()> cancel_;
};

// `on_end` is called once, after the last item: with OK if the stream came to
// its end.
template <class Item>
Follower Follow(std::unique_ptr<Stream<Item>> stream,
                std::type_identity_t<std::function<void(const Item&)>> on_item,
                std::function<void(const absl::Status& why)> on_end) {
  const std::shared_ptr<Stream<Item>> shared = std::move(stream);
  std::thread thread(
      [shared, on_item = std::move(on_item), on_end = std::move(on_end)] {
        while (true) {
          const absl::StatusOr<std::optional<Item>> item = shared->Next();
          if (!item.ok() || !item->has_value()) return on_end(item.status());
          on_item(**item);
        }
      });
  return Follower(std::move(thread), [shared] { shared->Cancel(); });
}

}  // namespace client

#endif  // CLIENT_FOLLOW_H_
