// Rows of a counter map:
//
//   by key:  version u8 = 1 | index u64 | value u64, two's complement
//
// and those of its Clears (clearable_table.h) and locks (key_locks.cc). Timers,
// by the first byte of the key:
//
//   'c'        the next slice of a Clear
//   'w' | ...  of a waiter for locks

#include "primitive/countermap.h"

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "primitive/basic_primitive.h"
#include "primitive/input.h"
#include "primitive/lock_rpcs.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::countermap::v1;
using session::CommandContext;
using session::CommandKey;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;
using session::SessionId;

// Fields of CounterMapInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kSet = 2,
  kInsert = 3,
  kUpdate = 4,
  kIncrement = 5,
  kDecrement = 6,
  kGet = 7,
  kRemove = 8,
  kClear = 9,
  kLock = 10,
  kUnlock = 11,
  kEntries = 12,
  kEvents = 13,
};

constexpr uint8_t kRowVersion = 1;
constexpr char kLockTimers = 'w';

template <class Input>
absl::Status CheckKeyOnly(const Input& input, const Limits& limits) {
  return CheckKey("key", input.key(), limits);
}

// What an increment or decrement adds or takes away: 0 on the wire means 1.
template <class Input>
uint64_t DeltaOf(const Input& input) {
  return input.delta() == 0 ? 1 : static_cast<uint64_t>(input.delta());
}

std::string Cursor(const std::string& key) {
  return ClearableTable<std::string, CounterMapRow>::Cursor(key);
}

std::string EntryOutput(const std::string& key, const CounterMapRow& row) {
  pb::EntriesOutput output;
  output.mutable_entry()->set_key(key);
  output.mutable_entry()->set_value(row.value);
  return output.SerializeAsString();
}

std::string RemovedOutput(const std::string& key, const CounterMapRow& row) {
  pb::EventsOutput output;
  output.mutable_event()->set_key(key);
  output.mutable_event()->mutable_removed()->set_value(row.value);
  return output.SerializeAsString();
}

ClearableTable<std::string, CounterMapRow>::Event ClearedEvent(
    const std::string& key, const CounterMapRow& row) {
  return {key, RemovedOutput(key, row)};
}

// The second generation's drivers wait for an event of no kind before they
// believe that they listen; the first's cannot take one.
std::string FirstOutput(session::Generation generation,
                        const std::string& filter) {
  if (generation == session::Generation::kMultiRaft) return "";
  pb::EventsOutput output;
  output.mutable_event()->set_key(filter);
  return output.SerializeAsString();
}

Result NotFound() {
  return Failure(OperationStatus::kNotFound, "key not found");
}

Result WrongValue(const CounterMapRow& row, int64_t expected) {
  return Failure(OperationStatus::kConflict,
                 absl::StrCat("value is ", row.value, ", not ", expected));
}

Result LockGranted(uint64_t) { return Answer(pb::LockOutput()); }

}  // namespace

void CounterMapRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
  base::AppendU64(out, static_cast<uint64_t>(value));
}

bool CounterMapRow::Decode(absl::string_view bytes, CounterMapRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  row.value = static_cast<int64_t>(reader.U64());
  return reader.done() && version == kRowVersion;
}

CounterMap::CounterMap(session::TableSet& tables, session::PrimitiveId id)
    : rows_(tables, id,
            {.row_table = session::TableId::kCounterMap,
             .clear_table = session::TableId::kCounterMapClear,
             .removed = ClearedEvent}),
      locks_(tables, id,
             {.hold_table = session::TableId::kCounterMapHold,
              .waiter_table = session::TableId::kCounterMapWaiter,
              .granted = LockGranted,
              .timer_prefix = kLockTimers}) {}

void CounterMap::Command(CommandContext& context, uint32_t operation,
                         absl::string_view bytes) {
  switch (operation) {
    case kSet:
      return HandleCommand<pb::SetInput, CheckKeyOnly>(
          context, bytes,
          [&](const auto& input) { return Set(context, input); });
    case kInsert:
      return HandleCommand<pb::InsertInput, CheckKeyOnly>(
          context, bytes,
          [&](const auto& input) { return Insert(context, input); });
    case kUpdate:
      return HandleCommand<pb::UpdateInput, CheckKeyOnly>(
          context, bytes,
          [&](const auto& input) { return Update(context, input); });
    case kIncrement:
      return HandleCommand<pb::IncrementInput, CheckKeyOnly>(
          context, bytes, [&](const auto& input) {
            pb::IncrementOutput output;
            output.set_prev_value(Add(context, input.key(), DeltaOf(input)));
            return Answer(output);
          });
    case kDecrement:
      return HandleCommand<pb::DecrementInput, CheckKeyOnly>(
          context, bytes, [&](const auto& input) {
            pb::DecrementOutput output;
            output.set_prev_value(
                Add(context, input.key(), uint64_t{0} - DeltaOf(input)));
            return Answer(output);
          });
    case kRemove:
      return HandleCommand<pb::RemoveInput, CheckKeyOnly>(
          context, bytes,
          [&](const auto& input) { return Remove(context, input); });
    case kClear:
      return HandleCommand<pb::ClearInput>(
          context, bytes, [&](const auto&) { return Clear(context); });
    case kLock:
      return HandleCommand<pb::LockInput, CheckLock>(
          context, bytes,
          [&](const auto& input) { HandleLock(context, locks_, input); });
    case kUnlock:
      return HandleCommand<pb::UnlockInput, CheckLockKeys>(
          context, bytes, [&](const auto& input) {
            return HandleUnlock<pb::UnlockOutput>(context, locks_, input);
          });
    case kEvents:
      return HandleCommand<pb::EventsInput, CheckKeyOnly>(
          context, bytes, [&](const auto& input) {
            context.Listen(input.key(),
                           FirstOutput(context.generation(), input.key()));
          });
    default:
      return context.Answer(NotSupported());
  }
}

Result CounterMap::Set(Context& context, const pb::SetInput& input) {
  const CounterMapRow* old = rows_.FindForWrite(context, input.key());
  pb::SetOutput output;
  if (old != nullptr) output.set_prev_value(old->value);
  Store(context, input.key(), input.value(), old);
  return Answer(output);
}

Result CounterMap::Insert(Context& context, const pb::InsertInput& input) {
  const CounterMapRow* old = rows_.FindForWrite(context, input.key());
  if (old != nullptr) {
    return Failure(OperationStatus::kAlreadyExists,
                   absl::StrCat("key has the value ", old->value));
  }
  Store(context, input.key(), input.value(), nullptr);
  return Answer(pb::InsertOutput());
}

Result CounterMap::Update(Context& context, const pb::UpdateInput& input) {
  const CounterMapRow* old = rows_.FindForWrite(context, input.key());
  if (old == nullptr) return NotFound();
  if (old->value != input.prev_value()) {
    return WrongValue(*old, input.prev_value());
  }
  Store(context, input.key(), input.value(), old);
  pb::UpdateOutput output;
  output.set_prev_value(input.prev_value());
  return Answer(output);
}

Result CounterMap::Remove(Context& context, const pb::RemoveInput& input) {
  const CounterMapRow* old = rows_.FindForWrite(context, input.key());
  if (old == nullptr) return NotFound();
  if (old->value != input.prev_value()) {
    return WrongValue(*old, input.prev_value());
  }
  pb::RemoveOutput output;
  output.set_value(old->value);
  TellRemoved(context, input.key(), *old);
  rows_.Erase(input.key());
  return Answer(output);
}

Result CounterMap::Clear(Context& context) {
  pb::ClearOutput output;
  if (rows_.empty()) return Answer(output);
  const bool small = rows_.IsSmall();
  if (small) {
    rows_.rows().Scan([&](const std::string& key, const CounterMapRow& row) {
      TellRemoved(context, key, row);
      return true;
    });
  } else {
    context.InterruptWatchers();
  }
  rows_.Clear(context, /*told=*/small);
  return Answer(output);
}

int64_t CounterMap::Add(Context& context, const std::string& key,
                        uint64_t delta) {
  const CounterMapRow* old = rows_.FindForWrite(context, key);
  const int64_t before = old == nullptr ? 0 : old->value;
  Store(context, key,
        static_cast<int64_t>(static_cast<uint64_t>(before) + delta), old);
  return before;
}

Result CounterMap::Query(uint32_t operation, absl::string_view bytes) const {
  switch (operation) {
    case kSize:
      return HandleQuery<pb::SizeInput>(bytes, [&](const auto&) {
        pb::SizeOutput output;
        output.set_size(static_cast<uint32_t>(rows_.size()));
        return Answer(output);
      });
    case kGet:
      return HandleQuery<pb::GetInput, CheckKeyOnly>(
          bytes, [&](const auto& input) {
            const CounterMapRow* row = rows_.Find(input.key());
            if (row == nullptr) return NotFound();
            pb::GetOutput output;
            output.set_value(row->value);
            return Answer(output);
          });
    default:
      return NotSupported();
  }
}

Listing CounterMap::List(const session::StreamQuery& query,
                         absl::string_view cursor,
                         const session::SliceBounds& bounds) const {
  if (query.operation != kEntries) return {.done = true};
  return rows_.List(cursor, bounds, EntryOutput);
}

bool CounterMap::Watches(const session::StreamQuery& query) const {
  return query.operation == kEntries &&
         WantsWatch<pb::EntriesInput>(query.input);
}

void CounterMap::TimerFired(Context& context, absl::string_view timer) {
  if (rows_.TimerFired(context, timer)) return;
  locks_.TimerFired(context, timer);
}

void CounterMap::WaiterCancelled(Context& context, CommandKey command) {
  locks_.WaiterCancelled(context, command);
}

bool CounterMap::SessionClosed(Context& context, SessionId session,
                               size_t items_max) {
  return locks_.ReleaseAll(context, session, items_max);
}

void CounterMap::Loaded(Context& context) {
  rows_.Loaded(context, [](const std::string&, const CounterMapRow&) {});
  locks_.Loaded(context);
}

void CounterMap::Store(Context& context, const std::string& key, int64_t value,
                       const CounterMapRow* old) {
  if (context.has_listeners()) {
    pb::EventsOutput output;
    pb::Event& event = *output.mutable_event();
    event.set_key(key);
    if (old == nullptr) {
      event.mutable_inserted()->set_value(value);
    } else {
      event.mutable_updated()->set_value(value);
      event.mutable_updated()->set_prev_value(old->value);
    }
    context.Publish(context.index(), key, output.SerializeAsString());
  }
  const CounterMapRow& stored =
      rows_.Put(key, {.value = value, .index = context.index()});
  if (context.has_watchers()) {
    context.Notify(Cursor(key), EntryOutput(key, stored));
  }
}

void CounterMap::TellRemoved(Context& context, const std::string& key,
                             const CounterMapRow& row) const {
  if (context.has_listeners()) {
    context.Publish(context.index(), key, RemovedOutput(key, row));
  }
  // The old item once more: what the first generation did, and clients count
  // one message for each change.
  if (context.has_watchers()) {
    context.Notify(Cursor(key), EntryOutput(key, row));
  }
}

session::PrimitiveType CounterMapType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "countermap",
      .service = "atomix.multiraft.countermap.v1.CounterMap",
      .type_strings = {"atomix.runtime.countermap.v1.CounterMap",
                       "atomix.multiraft.countermap.v1.CounterMap"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kSet, "Set", kCommand, kGrows,
               CheckInput<pb::SetInput, CheckKeyOnly>},
              {kInsert, "Insert", kCommand, kGrows,
               CheckInput<pb::InsertInput, CheckKeyOnly>},
              {kUpdate, "Update", kCommand, kDoesNotGrow,
               CheckInput<pb::UpdateInput, CheckKeyOnly>},
              {kIncrement, "Increment", kCommand, kGrows,
               CheckInput<pb::IncrementInput, CheckKeyOnly>},
              {kDecrement, "Decrement", kCommand, kGrows,
               CheckInput<pb::DecrementInput, CheckKeyOnly>},
              {kGet, "Get", kQuery, kDoesNotGrow,
               CheckInput<pb::GetInput, CheckKeyOnly>},
              {kRemove, "Remove", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveInput, CheckKeyOnly>},
              {kClear, "Clear", kCommand, kDoesNotGrow,
               CheckInput<pb::ClearInput>},
              {kLock, "Lock", kCommand, kGrows,
               CheckInput<pb::LockInput, CheckLock>},
              {kUnlock, "Unlock", kCommand, kDoesNotGrow,
               CheckInput<pb::UnlockInput, CheckLockKeys>},
              {kEntries, "Entries", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::EntriesInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput, CheckKeyOnly>},
          },
      .create = CreatePrimitive<CounterMap>,
  };
}

}  // namespace primitive
