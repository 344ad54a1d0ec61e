// HeldStreams is the stream requests that a partition cannot serve now and does
// not refuse yet: a driver re-opens a refused stream without a pause
// (semantics 8.4), so each waits for better times, until its deadline.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_HELD_STREAMS_H_
#define PARTITION_HELD_STREAMS_H_

#include <cstdint>
#include <vector>

#include "partition/mailbox.h"

namespace partition {

class HeldStreams {
 public:
  // Each is held for at most `hold_ns`.
  explicit HeldStreams(uint64_t hold_ns) : hold_ns_(hold_ns) {}

  // REQUIRES: the item has a sink.
  void Hold(ProposeItem item, uint64_t now_ns);
  void Hold(QueryItem item, uint64_t now_ns);

  struct Items {
    std::vector<ProposeItem> commands;
    std::vector<QueryItem> queries;
  };
  // All of them, to be served or refused; each kind in the order it came.
  Items TakeAll();
  // Those that have waited too long, to be refused.
  Items TakeExpired(uint64_t now_ns);

  bool empty() const { return commands_.empty() && queries_.empty(); }

 private:
  template <class Item>
  struct Held {
    Item item;
    uint64_t deadline_ns = 0;
  };
  template <class Item>
  static std::vector<Item> TakeUntil(uint64_t now_ns,
                                     std::vector<Held<Item>>& held);

  const uint64_t hold_ns_;
  std::vector<Held<ProposeItem>> commands_;
  std::vector<Held<QueryItem>> queries_;
};

}  // namespace partition

#endif  // PARTITION_HELD_STREAMS_H_
