#include "partition/held_streams.h"

#include <utility>

#include "base/check.h"

namespace partition {
namespace {

// What a held stream costs beside its bytes.
constexpr uint64_t kHeldOverheadBytes = 256;

uint64_t BytesOf(const ProposeItem& item) {
  return kHeldOverheadBytes + item.request.bytes.size();
}

uint64_t BytesOf(const QueryItem& item) {
  return kHeldOverheadBytes + item.request.query.input.size();
}

}  // namespace

template <class Item>
bool HeldStreams::HoldIn(std::vector<Item>& held, Item& item, uint64_t now_ns) {
  CHECK(item.sink != nullptr);
  if (item.held_until_ns == 0) item.held_until_ns = now_ns + hold_ns_;
  const uint64_t bytes = BytesOf(item);
  if (item.held_until_ns <= now_ns || bytes_ + bytes > bytes_max_) return false;
  bytes_ += bytes;
  held.push_back(std::move(item));
  return true;
}

bool HeldStreams::Hold(ProposeItem& item, uint64_t now_ns) {
  return HoldIn(commands_, item, now_ns);
}

bool HeldStreams::Hold(QueryItem& item, uint64_t now_ns) {
  return HoldIn(queries_, item, now_ns);
}

template <class Item>
std::vector<Item> HeldStreams::TakeUntil(uint64_t now_ns,
                                         std::vector<Item>& held) {
  std::vector<Item> taken;
  std::vector<Item> kept;
  for (Item& item : held) {
    if (item.held_until_ns <= now_ns) {
      bytes_ -= BytesOf(item);
      taken.push_back(std::move(item));
    } else {
      kept.push_back(std::move(item));
    }
  }
  held = std::move(kept);
  return taken;
}

HeldStreams::Items HeldStreams::TakeAll() { return TakeExpired(UINT64_MAX); }

HeldStreams::Items HeldStreams::TakeExpired(uint64_t now_ns) {
  Items items;
  items.commands = TakeUntil(now_ns, commands_);
  items.queries = TakeUntil(now_ns, queries_);
  return items;
}

}  // namespace partition
