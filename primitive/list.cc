// Rows of a list:
//
//   by item number:   version u8 = 1 | next u64 | value bytes
//   state, at 0:      version u8 = 1 | last number u64 | first u64
//   clear, by index:  version u8 = 1 | first u64 | count u64
//
// The only timer, "c", is the next slice of a Clear.

#include "primitive/list.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "primitive/input.h"
#include "session/position_cursor.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::list::v1;
using session::CommandContext;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PositionCursor;
using session::PrimitiveContext;
using session::Result;

// Fields of ListInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kAppend = 2,
  kInsert = 3,
  kGet = 4,
  kSet = 5,
  kRemove = 6,
  kClear = 7,
  kEvents = 8,
  kItems = 9,
};

constexpr uint8_t kRowVersion = 1;
constexpr uint64_t kStateKey = 0;
constexpr char kClearTimer[] = "c";
// Events of a list have no key.
constexpr char kNoKey[] = "";

template <class Input>
absl::Status CheckStored(const Input& input, const Limits& limits) {
  return CheckValue("value.value", input.value().value(), limits);
}

std::string ItemOutput(uint64_t position, const std::string& value) {
  pb::ItemsOutput output;
  output.mutable_item()->set_index(static_cast<uint32_t>(position));
  output.mutable_item()->mutable_value()->set_value(value);
  return output.SerializeAsString();
}

// What Get, Set, Insert and Remove answer.
template <class Output>
Result AnswerItem(uint32_t position, const std::string& value) {
  Output output;
  output.mutable_item()->set_index(position);
  output.mutable_item()->mutable_value()->set_value(value);
  return Answer(output);
}

Result OutOfRange(uint32_t position, size_t size) {
  return Failure(OperationStatus::kInvalid,
                 absl::StrCat("index ", position, " of ", size, " items"));
}

// The second generation's drivers wait for an event of no kind before they
// believe that they listen; the first's cannot take one.
std::string FirstOutput(session::Generation generation) {
  if (generation == session::Generation::kMultiRaft) return "";
  pb::EventsOutput output;
  output.mutable_event();
  return output.SerializeAsString();
}

void Publish(PrimitiveContext& context, uint64_t change_index,
             uint64_t position, pb::Event event) {
  pb::EventsOutput output;
  event.set_index(static_cast<uint32_t>(position));
  *output.mutable_event() = std::move(event);
  context.Publish(change_index, kNoKey, output.SerializeAsString());
}

pb::Event RemovedEvent(const ListRow& row) {
  pb::Event event;
  event.mutable_removed()->mutable_value()->set_value(row.value);
  return event;
}

void NotifyItem(PrimitiveContext& context, uint64_t position, int shift,
                const std::string& value) {
  context.NotifyAt(position, shift,
                   context.has_watchers() ? ItemOutput(position, value) : "");
}

}  // namespace

void ListRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, next);
  out.append(value);
}

bool ListRow::Decode(absl::string_view bytes, ListRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.next = reader.U64();
  row.value = std::string(reader.rest());
  return reader.ok() && version == kRowVersion;
}

void ListStateRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, last_number);
  base::AppendU64(out, first);
}

bool ListStateRow::Decode(absl::string_view bytes, ListStateRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.last_number = reader.U64();
  row.first = reader.U64();
  return reader.done() && version == kRowVersion;
}

void ListClearRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, first);
  base::AppendU64(out, count);
}

bool ListClearRow::Decode(absl::string_view bytes, ListClearRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.first = reader.U64();
  row.count = reader.U64();
  return reader.done() && version == kRowVersion;
}

ItemList::ItemList(session::TableSet& tables, session::PrimitiveId id)
    : rows_(tables, session::TableId::kList, id.value()),
      state_(tables, session::TableId::kListState, id.value()),
      clears_(tables, session::TableId::kListClear, id.value()) {}

void ItemList::Command(CommandContext& context, uint32_t operation,
                       absl::string_view bytes) {
  switch (operation) {
    case kAppend:
      return HandleCommand<pb::AppendInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Append(context, input); });
    case kInsert:
      return HandleCommand<pb::InsertInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Insert(context, input); });
    case kSet:
      return HandleCommand<pb::SetInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Set(context, input); });
    case kRemove:
      return HandleCommand<pb::RemoveInput>(
          context, bytes,
          [&](const auto& input) { return Remove(context, input); });
    case kClear:
      return HandleCommand<pb::ClearInput>(
          context, bytes, [&](const auto&) { return Clear(context); });
    case kEvents:
      return HandleCommand<pb::EventsInput>(context, bytes, [&](const auto&) {
        context.Listen(kNoKey, FirstOutput(context.generation()));
      });
    default:
      return context.Answer(NotSupported());
  }
}

Result ItemList::Append(Context& context, const pb::AppendInput& input) {
  // Positions are 32 bits in the API.
  if (order_.size() == UINT32_MAX) return OutOfRange(UINT32_MAX, UINT32_MAX);
  const size_t position = order_.size();
  Store(context, position, input.value().value());
  if (context.has_listeners()) {
    pb::Event event;
    // In a copy that still has the items of a Clear this is not the end.
    *(dead_size_ == 0 ? event.mutable_appended()->mutable_value()
                      : event.mutable_inserted()->mutable_value()) =
        input.value();
    Publish(context, context.index(), position, std::move(event));
  }
  return Answer(pb::AppendOutput());
}

Result ItemList::Insert(Context& context, const pb::InsertInput& input) {
  if (input.index() > order_.size() || order_.size() == UINT32_MAX) {
    return OutOfRange(input.index(), order_.size());
  }
  Store(context, input.index(), input.value().value());
  if (context.has_listeners()) {
    pb::Event event;
    *event.mutable_inserted()->mutable_value() = input.value();
    Publish(context, context.index(), input.index(), std::move(event));
  }
  return AnswerItem<pb::InsertOutput>(input.index(), input.value().value());
}

Result ItemList::Set(Context& context, const pb::SetInput& input) {
  if (input.index() >= order_.size()) {
    return OutOfRange(input.index(), order_.size());
  }
  const std::string& value = input.value().value();
  std::string previous = value;
  rows_.Update(order_.At(input.index()),
               [&previous](ListRow& row) { row.value.swap(previous); });
  if (context.has_listeners()) {
    pb::Event event;
    event.mutable_updated()->mutable_value()->set_value(value);
    event.mutable_updated()->mutable_prev_value()->set_value(previous);
    Publish(context, context.index(), input.index(), std::move(event));
  }
  NotifyItem(context, input.index(), 0, value);
  return AnswerItem<pb::SetOutput>(input.index(), value);
}

Result ItemList::Remove(Context& context, const pb::RemoveInput& input) {
  if (input.index() >= order_.size()) {
    return OutOfRange(input.index(), order_.size());
  }
  const uint64_t number = order_.At(input.index());
  const ListRow& row = *rows_.Find(number);
  TellRemoved(context, input.index(), row);
  Link(input.index(), row.next);
  Result result = AnswerItem<pb::RemoveOutput>(input.index(), row.value);
  rows_.Erase(number);
  order_.Erase(input.index());
  return result;
}

Result ItemList::Clear(Context& context) {
  pb::ClearOutput output;
  const size_t size = order_.size();
  if (size == 0) return Answer(output);
  const bool small = size <= kClearSlice && dead_size_ == 0;
  if (small) {
    for (size_t i = size; i-- > 0;) {
      TellRemoved(context, i, *rows_.Find(order_.At(i)));
    }
  } else {
    context.InterruptWatchers();
  }

  ListStateRow state = this->state();
  const uint64_t first = std::exchange(state.first, 0);
  state_.Put(kStateKey, state);
  if (small || !context.has_listeners()) {
    rows_.Clear();
    order_.Clear();
    FinishClears(context);
  } else {
    clears_.Insert(context.index(), {.first = first, .count = size});
    dead_size_ += size;
    dead_[context.index()] = std::exchange(order_, Sequence());
    context.SetTimer(kClearTimer, session::kAtOnce);
  }
  return Answer(output);
}

Result ItemList::Query(uint32_t operation, absl::string_view bytes) const {
  switch (operation) {
    case kSize:
      return HandleQuery<pb::SizeInput>(bytes, [&](const auto&) {
        pb::SizeOutput output;
        output.set_size(static_cast<uint32_t>(order_.size()));
        return Answer(output);
      });
    case kGet:
      return HandleQuery<pb::GetInput>(bytes, [&](const auto& input) {
        if (input.index() >= order_.size()) {
          return OutOfRange(input.index(), order_.size());
        }
        return AnswerItem<pb::GetOutput>(
            input.index(), rows_.Find(order_.At(input.index()))->value);
      });
    default:
      return NotSupported();
  }
}

// An item's index is how many were listed before it, whatever has moved since.
Listing ItemList::List(const session::StreamQuery& query,
                       absl::string_view cursor,
                       const session::SliceBounds& bounds) const {
  Listing listing{
      .cursor = std::string(cursor), .done = true, .by_position = true};
  if (query.operation != kItems) return listing;
  PositionCursor at = PositionCursor::Decode(cursor);
  uint64_t bytes = 0;
  order_.ScanFrom(at.next, [&](uint64_t number) {
    if (listing.outputs.size() == bounds.rows_max ||
        bytes >= bounds.bytes_max) {
      listing.done = false;
      return false;
    }
    listing.outputs.push_back(ItemOutput(at.listed, rows_.Find(number)->value));
    bytes += listing.outputs.back().size();
    ++at.next;
    ++at.listed;
    return true;
  });
  listing.cursor = at.Encode();
  return listing;
}

bool ItemList::Watches(const session::StreamQuery& query) const {
  return query.operation == kItems && WantsWatch<pb::ItemsInput>(query.input);
}

void ItemList::TimerFired(Context& context, absl::string_view) {
  ReapSlice(context);
}

void ItemList::Loaded(Context& context) {
  const auto follow = [this](uint64_t number, uint64_t count, Sequence& order) {
    for (; number != 0 && order.size() < count;) {
      const ListRow* row = rows_.Find(number);
      CHECK(row != nullptr) << "list without its item " << number;
      order.Insert(order.size(), number);
      number = row->next;
    }
  };
  clears_.Scan([&](uint64_t index, const ListClearRow& clear) {
    follow(clear.first, clear.count, dead_[index]);
    dead_size_ += clear.count;
    return true;
  });
  follow(state().first, rows_.size(), order_);
  CHECK_EQ(order_.size() + dead_size_, rows_.size());
  if (dead_size_ > 0) context.SetTimer(kClearTimer, session::kAtOnce);
}

ListStateRow ItemList::state() const {
  const ListStateRow* state = state_.Find(kStateKey);
  return state == nullptr ? ListStateRow() : *state;
}

void ItemList::Link(size_t position, uint64_t next) {
  if (position > 0) {
    rows_.Update(order_.At(position - 1),
                 [next](ListRow& row) { row.next = next; });
  } else {
    ListStateRow state = this->state();
    state.first = next;
    state_.Put(kStateKey, state);
  }
}

void ItemList::Store(Context& context, size_t position,
                     const std::string& value) {
  ListStateRow state = this->state();
  const uint64_t number = ++state.last_number;
  state_.Put(kStateKey, state);
  const uint64_t next = position < order_.size() ? order_.At(position) : 0;
  rows_.Insert(number, {.value = value, .next = next});
  Link(position, number);
  order_.Insert(position, number);
  NotifyItem(context, position, 1, value);
}

void ItemList::TellRemoved(Context& context, size_t position,
                           const ListRow& row) const {
  if (context.has_listeners()) {
    Publish(context, context.index(), position, RemovedEvent(row));
  }
  // The old item once more, as every primitive does.
  NotifyItem(context, position, -1, row.value);
}

void ItemList::ReapSlice(Context& context) {
  context.Charge(std::min(kClearSlice, dead_size_));
  for (size_t left = kClearSlice; left > 0 && dead_size_ > 0;) {
    const auto oldest = dead_.begin();
    const uint64_t clear = oldest->first;
    Sequence& order = oldest->second;
    for (; left > 0 && !order.empty(); --left) {
      const uint64_t number = order.Erase(order.size() - 1);
      --dead_size_;
      if (context.has_listeners()) {
        // The last of a copy that has them all.
        Publish(context, clear, order_.size() + dead_size_,
                RemovedEvent(*rows_.Find(number)));
      }
      rows_.Erase(number);
    }
    if (order.empty()) {
      clears_.Erase(clear);
      dead_.erase(oldest);
    } else {
      clears_.Update(clear,
                     [&order](ListClearRow& row) { row.count = order.size(); });
    }
  }
  if (dead_size_ > 0) context.SetTimer(kClearTimer, session::kAtOnce);
}

void ItemList::FinishClears(Context& context) {
  if (dead_size_ == 0) return;
  context.CancelTimer(kClearTimer);
  clears_.Clear();
  for (auto& [clear, order] : dead_) order_.Discard(std::move(order));
  dead_.clear();
  dead_size_ = 0;
}

session::PrimitiveType ListType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "list",
      .service = "atomix.multiraft.list.v1.List",
      .first_generation_only = true,
      .type_strings = {"atomix.runtime.list.v1.List",
                       "atomix.multiraft.list.v1.List"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kAppend, "Append", kCommand, kGrows,
               CheckInput<pb::AppendInput, CheckStored>},
              {kInsert, "Insert", kCommand, kGrows,
               CheckInput<pb::InsertInput, CheckStored>},
              {kGet, "Get", kQuery, kDoesNotGrow, CheckInput<pb::GetInput>},
              {kSet, "Set", kCommand, kGrows,
               CheckInput<pb::SetInput, CheckStored>},
              {kRemove, "Remove", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveInput>},
              {kClear, "Clear", kCommand, kDoesNotGrow,
               CheckInput<pb::ClearInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput>},
              {kItems, "Items", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::ItemsInput>},
          },
      .create = CreatePrimitive<ItemList>,
  };
}

}  // namespace primitive
