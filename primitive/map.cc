// Rows of a map:
//
//   by key:  version u8 = 1 | index u64 | expire u64 | value bytes
//
// and those of its Clears (clearable_table.h) and locks (key_locks.cc). Timers,
// by the first byte of the key:
//
//   'c'               the next slice of a Clear
//   't' | map key     the value expires
//   'w' | ...         of a waiter for locks
//   'p' | ...         of a prepared transaction

#include "primitive/map.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "primitive/basic_primitive.h"
#include "primitive/input.h"
#include "primitive/lock_rpcs.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using session::CommandContext;
using session::CommandKey;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;
using session::SessionId;

// Fields of MapInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kPut = 2,
  kInsert = 3,
  kUpdate = 4,
  kGet = 5,
  kRemove = 6,
  kClear = 7,
  kLock = 8,
  kUnlock = 9,
  kEntries = 10,
  kEvents = 11,
  kPrepare = 12,
  kCommit = 13,
  kAbort = 14,
  kApply = 15,
};

constexpr uint8_t kRowVersion = 1;
constexpr char kTtlTimers = 't';
constexpr char kLockTimers = 'w';
constexpr char kTransactionTimers = 'p';

// What is stored for a key: the same fields in Put, Insert and Update.
template <class Input>
absl::Status CheckStored(const Input& input, const Limits& limits) {
  RETURN_IF_ERROR(CheckKey("key", input.key(), limits));
  RETURN_IF_ERROR(CheckValue("value", input.value(), limits));
  return CheckDuration("ttl", input.ttl());
}

template <class Input>
absl::Status CheckKeyOnly(const Input& input, const Limits& limits) {
  return CheckKey("key", input.key(), limits);
}

// Of one input of a transaction; its number is in `status` if it is wrong.
absl::Status CheckChange(const pb::MapInput& input, const Limits& limits) {
  switch (input.input_case()) {
    case pb::MapInput::kPut:
      return CheckStored(input.put(), limits);
    case pb::MapInput::kInsert:
      return CheckStored(input.insert(), limits);
    case pb::MapInput::kUpdate:
      return CheckStored(input.update(), limits);
    case pb::MapInput::kRemove:
      return CheckKeyOnly(input.remove(), limits);
    default:
      return absl::InvalidArgumentError(
          "it changes no keys; put, insert, update and remove do");
  }
}

// Of Prepare and Apply.
template <class Input>
absl::Status CheckChanges(const Input& input, const Limits& limits) {
  if (input.inputs_size() > Map::kTransactionMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.inputs: ", input.inputs_size(),
                     " of them, at most ", Map::kTransactionMax, " allowed"));
  }
  for (int i = 0; i < input.inputs_size(); ++i) {
    const absl::Status status = CheckChange(input.inputs(i), limits);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "input.inputs[", i, "]: ", std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

std::string TtlTimer(const std::string& key) {
  return absl::StrCat(std::string(1, kTtlTimers), key);
}

std::string Cursor(const std::string& key) {
  return ClearableTable<std::string, MapRow>::Cursor(key);
}

pb::IndexedValue ToIndexedValue(const MapRow& row) {
  pb::IndexedValue value;
  value.set_value(row.value);
  value.set_index(row.index);
  return value;
}

// Always with a value message: drivers use it without looking.
std::string EntryOutput(const std::string& key, const MapRow& row) {
  pb::EntriesOutput output;
  output.mutable_entry()->set_key(key);
  *output.mutable_entry()->mutable_value() = ToIndexedValue(row);
  return output.SerializeAsString();
}

std::string RemovedOutput(const std::string& key, const MapRow& row,
                          bool expired) {
  pb::EventsOutput output;
  output.mutable_event()->set_key(key);
  pb::Event::Removed& removed = *output.mutable_event()->mutable_removed();
  *removed.mutable_value() = ToIndexedValue(row);
  removed.set_expired(expired);
  return output.SerializeAsString();
}

ClearableTable<std::string, MapRow>::Event ClearedEvent(const std::string& key,
                                                        const MapRow& row) {
  return {key, RemovedOutput(key, row, /*expired=*/false)};
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

template <class Input>
MapRow NewRow(const PrimitiveContext& context, const Input& input) {
  MapRow row{.value = input.value(), .index = context.index()};
  if (input.has_ttl()) row.expire_ns = Deadline(context.time_ns(), input.ttl());
  return row;
}

Result NotFound() {
  return Failure(OperationStatus::kNotFound, "key not found");
}

Result WrongIndex(const MapRow* row, uint64_t expected) {
  return Failure(OperationStatus::kConflict,
                 row == nullptr ? absl::StrCat("no value, not index ", expected)
                                : absl::StrCat("value has index ", row->index,
                                               ", not ", expected));
}

Result AlreadyThere(const MapRow& row) {
  return Failure(OperationStatus::kAlreadyExists,
                 absl::StrCat("key has a value, of index ", row.index));
}

Result LockGranted(uint64_t) { return Answer(pb::LockOutput()); }

}  // namespace

void MapRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
  base::AppendU64(out, expire_ns);
  out.append(value);
}

bool MapRow::Decode(absl::string_view bytes, MapRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  row.expire_ns = reader.U64();
  row.value = std::string(reader.rest());
  return reader.ok() && version == kRowVersion;
}

Map::Map(session::TableSet& tables, session::PrimitiveId id)
    : rows_(tables, id,
            {.row_table = session::TableId::kMap,
             .clear_table = session::TableId::kMapClear,
             .removed = ClearedEvent}),
      locks_(tables, id,
             {.hold_table = session::TableId::kMapHold,
              .waiter_table = session::TableId::kMapWaiter,
              .granted = LockGranted,
              .timer_prefix = kLockTimers}),
      transactions_(tables, id, kTransactionTimers) {}

void Map::Command(CommandContext& context, uint32_t operation,
                  absl::string_view bytes) {
  switch (operation) {
    case kPut:
      return HandleCommand<pb::PutInput, CheckStored>(
          context, bytes, [&](const auto& input) {
            const Result held = CheckNotPrepared(input.key());
            return held.status == OperationStatus::kOk ? Put(context, input)
                                                       : held;
          });
    case kInsert:
      return HandleCommand<pb::InsertInput, CheckStored>(
          context, bytes, [&](const auto& input) {
            const Result held = CheckNotPrepared(input.key());
            return held.status == OperationStatus::kOk ? Insert(context, input)
                                                       : held;
          });
    case kUpdate:
      return HandleCommand<pb::UpdateInput, CheckStored>(
          context, bytes, [&](const auto& input) {
            const Result held = CheckNotPrepared(input.key());
            return held.status == OperationStatus::kOk ? Update(context, input)
                                                       : held;
          });
    case kRemove:
      return HandleCommand<pb::RemoveInput, CheckKeyOnly>(
          context, bytes, [&](const auto& input) {
            const Result held = CheckNotPrepared(input.key());
            return held.status == OperationStatus::kOk ? Remove(context, input)
                                                       : held;
          });
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
    case kPrepare:
      return HandleCommand<pb::PrepareInput, CheckChanges>(
          context, bytes,
          [&](const auto& input) { return Prepare(context, input); });
    case kCommit:
      return HandleCommand<pb::CommitInput>(
          context, bytes,
          [&](const auto& input) { return Commit(context, input); });
    case kAbort:
      return HandleCommand<pb::AbortInput>(
          context, bytes,
          [&](const auto& input) { return Abort(context, input); });
    case kApply:
      return HandleCommand<pb::ApplyInput, CheckChanges>(
          context, bytes,
          [&](const auto& input) { return Apply(context, input); });
    default:
      return context.Answer(NotSupported());
  }
}

Result Map::Precondition(MapChange::Kind kind, const MapRow* row,
                         uint64_t prev_index) {
  const bool wrong_index =
      prev_index > 0 && (row == nullptr || row->index != prev_index);
  switch (kind) {
    case MapChange::Kind::kPut:
      return wrong_index ? WrongIndex(row, prev_index) : Result();
    case MapChange::Kind::kInsert:
      return row != nullptr ? AlreadyThere(*row) : Result();
    case MapChange::Kind::kUpdate:
    case MapChange::Kind::kRemove:
      if (row == nullptr) return NotFound();
      return wrong_index ? WrongIndex(row, prev_index) : Result();
  }
  return Result();
}

Result Map::CheckNotPrepared(const std::string& key) const {
  return transactions_.Holds(key) ? IsPrepared() : Result();
}

Result Map::IsPrepared() {
  return Failure(OperationStatus::kConflict,
                 "a transaction that changes the key is prepared");
}

Result Map::Put(Context& context, const pb::PutInput& input) {
  const MapRow* old = FindForWrite(context, input.key());
  Result refusal = Precondition(MapChange::Kind::kPut, old, input.prev_index());
  if (refusal.status != OperationStatus::kOk) return refusal;
  pb::PutOutput output;
  if (old != nullptr && old->value == input.value()) {
    output.set_index(old->index);
    return Answer(output);
  }
  output.set_index(context.index());
  if (old == nullptr) {
    Store(context, input.key(), NewRow(context, input), nullptr);
  } else {
    *output.mutable_prev_value() = ToIndexedValue(*old);
    Store(context, input.key(), NewRow(context, input), &output.prev_value());
  }
  return Answer(output);
}

Result Map::Insert(Context& context, const pb::InsertInput& input) {
  const MapRow* old = FindForWrite(context, input.key());
  Result refusal = Precondition(MapChange::Kind::kInsert, old, 0);
  if (refusal.status != OperationStatus::kOk) return refusal;
  Store(context, input.key(), NewRow(context, input), nullptr);
  pb::InsertOutput output;
  output.set_index(context.index());
  return Answer(output);
}

Result Map::Update(Context& context, const pb::UpdateInput& input) {
  const MapRow* old = FindForWrite(context, input.key());
  Result refusal =
      Precondition(MapChange::Kind::kUpdate, old, input.prev_index());
  if (refusal.status != OperationStatus::kOk) return refusal;
  pb::UpdateOutput output;
  output.set_index(context.index());
  *output.mutable_prev_value() = ToIndexedValue(*old);
  Store(context, input.key(), NewRow(context, input), &output.prev_value());
  return Answer(output);
}

Result Map::Remove(Context& context, const pb::RemoveInput& input) {
  const MapRow* old = FindForWrite(context, input.key());
  Result refusal =
      Precondition(MapChange::Kind::kRemove, old, input.prev_index());
  if (refusal.status != OperationStatus::kOk) return refusal;
  pb::RemoveOutput output;
  *output.mutable_value() = ToIndexedValue(*old);
  Erase(context, input.key(), /*expired=*/false);
  return Answer(output);
}

Result Map::Clear(Context& context) {
  pb::ClearOutput output;
  if (transactions_.HoldsAny()) {
    return Failure(OperationStatus::kConflict,
                   "a transaction that changes keys is prepared");
  }
  if (rows_.empty()) return Answer(output);
  const bool small = rows_.IsSmall();
  if (small) {
    rows_.rows().Scan([&](const std::string& key, const MapRow& row) {
      TellRemoved(context, key, row, row.expire_ns <= context.time_ns());
      return true;
    });
  } else {
    context.InterruptWatchers();
  }
  context.CancelTimers(kTtlTimers);
  rows_.Clear(context, /*told=*/small);
  return Answer(output);
}

Result Map::Query(uint32_t operation, absl::string_view bytes) const {
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
            const MapRow* row = rows_.Find(input.key());
            if (row == nullptr) return NotFound();
            pb::GetOutput output;
            *output.mutable_value() = ToIndexedValue(*row);
            return Answer(output);
          });
    default:
      return NotSupported();
  }
}

Listing Map::List(const session::StreamQuery& query, absl::string_view cursor,
                  const session::SliceBounds& bounds) const {
  if (query.operation != kEntries) return {.done = true};
  return rows_.List(cursor, bounds, EntryOutput);
}

bool Map::Watches(const session::StreamQuery& query) const {
  return query.operation == kEntries &&
         WantsWatch<pb::EntriesInput>(query.input);
}

void Map::TimerFired(Context& context, absl::string_view timer) {
  if (rows_.TimerFired(context, timer)) return;
  if (timer.front() == kLockTimers) return locks_.TimerFired(context, timer);
  if (timer.front() == kTransactionTimers) {
    return transactions_.TimerFired(context, timer);
  }
  const std::string key(timer.substr(1));
  const MapRow* row = rows_.Find(key);
  if (row == nullptr || row->expire_ns > context.time_ns()) return;
  Erase(context, key, /*expired=*/true);
}

void Map::WaiterCancelled(Context& context, CommandKey command) {
  locks_.WaiterCancelled(context, command);
}

bool Map::SessionClosed(Context& context, SessionId session, size_t items_max) {
  const MapTransactions::Freed freed =
      transactions_.AbortSome(context, session, items_max);
  if (!freed.done || freed.keys >= items_max) return false;
  return locks_.ReleaseAll(context, session, items_max - freed.keys);
}

void Map::Loaded(Context& context) {
  rows_.Loaded(context, [&](const std::string& key, const MapRow& row) {
    if (row.expire_ns != session::kNever) {
      context.SetTimer(TtlTimer(key), row.expire_ns);
    }
  });
  locks_.Loaded(context);
  transactions_.Loaded(context);
}

void Map::Store(Context& context, const std::string& key, MapRow row,
                const pb::IndexedValue* previous) {
  const MapRow* old = rows_.Find(key);
  const bool had_timer = old != nullptr && old->expire_ns != session::kNever;
  if (row.expire_ns != session::kNever) {
    context.SetTimer(TtlTimer(key), row.expire_ns);
  } else if (had_timer) {
    context.CancelTimer(TtlTimer(key));
  }
  const MapRow& stored = rows_.Put(key, std::move(row));

  if (context.has_listeners()) {
    pb::EventsOutput output;
    pb::Event& event = *output.mutable_event();
    event.set_key(key);
    if (previous == nullptr) {
      *event.mutable_inserted()->mutable_value() = ToIndexedValue(stored);
    } else {
      *event.mutable_updated()->mutable_value() = ToIndexedValue(stored);
      *event.mutable_updated()->mutable_prev_value() = *previous;
    }
    context.Publish(context.index(), key, output.SerializeAsString());
  }
  if (context.has_watchers()) {
    context.Notify(Cursor(key), EntryOutput(key, stored));
  }
}

const MapRow* Map::FindForWrite(Context& context, const std::string& key) {
  const MapRow* row = rows_.FindForWrite(context, key);
  if (row == nullptr || row->expire_ns > context.time_ns()) return row;
  Erase(context, key, /*expired=*/true);
  return nullptr;
}

void Map::Erase(Context& context, const std::string& key, bool expired) {
  const MapRow& row = *rows_.Find(key);
  if (row.expire_ns != session::kNever) context.CancelTimer(TtlTimer(key));
  TellRemoved(context, key, row, expired);
  rows_.Erase(key);
}

void Map::TellRemoved(Context& context, const std::string& key,
                      const MapRow& row, bool expired) const {
  if (context.has_listeners()) {
    context.Publish(context.index(), key, RemovedOutput(key, row, expired));
  }
  // The old item once more: what the first generation did, and clients count
  // one message for each change.
  if (context.has_watchers()) {
    context.Notify(Cursor(key), EntryOutput(key, row));
  }
}

session::PrimitiveType MapType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "map",
      .service = "atomix.multiraft.map.v1.Map",
      .type_strings = {"atomix.runtime.map.v1.Map",
                       "atomix.multiraft.map.v1.Map"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kPut, "Put", kCommand, kGrows,
               CheckInput<pb::PutInput, CheckStored>},
              {kInsert, "Insert", kCommand, kGrows,
               CheckInput<pb::InsertInput, CheckStored>},
              {kUpdate, "Update", kCommand, kGrows,
               CheckInput<pb::UpdateInput, CheckStored>},
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
              {kPrepare, "Prepare", kCommand, kGrows,
               CheckInput<pb::PrepareInput, CheckChanges>},
              // What it stores was counted when it was prepared.
              {kCommit, "Commit", kCommand, kDoesNotGrow,
               CheckInput<pb::CommitInput>},
              {kAbort, "Abort", kCommand, kDoesNotGrow,
               CheckInput<pb::AbortInput>},
              {kApply, "Apply", kCommand, kGrows,
               CheckInput<pb::ApplyInput, CheckChanges>},
          },
      .create = CreatePrimitive<Map>,
  };
}

}  // namespace primitive
