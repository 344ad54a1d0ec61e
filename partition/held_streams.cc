#include "partition/held_streams.h"

#include <utility>

#include "base/check.h"

namespace partition {

void HeldStreams::Hold(ProposeItem item, uint64_t now_ns) {
  CHECK(item.sink != nullptr);
  commands_.push_back(
      {.item = std::move(item), .deadline_ns = now_ns + hold_ns_});
}

void HeldStreams::Hold(QueryItem item, uint64_t now_ns) {
  CHECK(item.sink != nullptr);
  queries_.push_back(
      {.item = std::move(item), .deadline_ns = now_ns + hold_ns_});
}

template <class Item>
std::vector<Item> HeldStreams::TakeUntil(uint64_t now_ns,
                                         std::vector<Held<Item>>& held) {
  std::vector<Item> taken;
  std::vector<Held<Item>> kept;
  for (Held<Item>& one : held) {
    if (one.deadline_ns <= now_ns) {
      taken.push_back(std::move(one.item));
    } else {
      kept.push_back(std::move(one));
    }
  }
  held = std::move(kept);
  return taken;
}

HeldStreams::Items HeldStreams::TakeAll() { return TakeExpired(UINT64_MAX); }

HeldStreams::Items HeldStreams::TakeExpired(uint64_t now_ns) {
  return {.commands = TakeUntil(now_ns, commands_),
          .queries = TakeUntil(now_ns, queries_)};
}

}  // namespace partition
