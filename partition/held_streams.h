// HeldStreams is the stream requests that a partition cannot serve now and does
// not refuse yet: a driver re-opens a refused stream without a pause
// (semantics 8.4), so each is tried again until its deadline.
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
  // Each is held for at most `hold_ns`, however often it is tried; all of them
  // take up to about `bytes_max`.
  HeldStreams(uint64_t hold_ns, uint64_t bytes_max)
      : hold_ns_(hold_ns), bytes_max_(bytes_max) {}

  // True: `item` was taken. False: it is still the caller's, to be refused; it
  // was held its whole time, or too much is held. REQUIRES: it has a sink.
  bool Hold(ProposeItem& item, uint64_t now_ns);
  bool Hold(QueryItem& item, uint64_t now_ns);

  struct Items {
    std::vector<ProposeItem> commands;
    std::vector<QueryItem> queries;
  };
  // All of them, to be tried or refused; each kind in the order it came.
  Items TakeAll();
  // Those that have waited their whole time, to be refused.
  Items TakeExpired(uint64_t now_ns);

  bool empty() const { return commands_.empty() && queries_.empty(); }

 private:
  template <class Item>
  bool HoldIn(std::vector<Item>& held, Item& item, uint64_t now_ns);
  template <class Item>
  std::vector<Item> TakeUntil(uint64_t now_ns, std::vector<Item>& held);

  const uint64_t hold_ns_;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  std::vector<ProposeItem> commands_;
  std::vector<QueryItem> queries_;
};

}  // namespace partition

#endif  // PARTITION_HELD_STREAMS_H_
