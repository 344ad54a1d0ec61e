// Rows of an indexed map:
//
//   by index:         version u8 = 1 | command index u64 | expire u64 |
//                     key size u32, key | value bytes
//   state, at 0:      version u8 = 1 | last index u64
//
// and those of its Clears (clearable_table.h). Timers, by the first byte of the
// key:
//
//   'c'               the next slice of a Clear
//   't' | index u64   the entry expires

#include "primitive/indexedmap.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::indexedmap::v1;
using session::CommandContext;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;

// Fields of IndexedMapInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kAppend = 2,
  kUpdate = 3,
  kGet = 4,
  kFirstEntry = 5,
  kLastEntry = 6,
  kNextEntry = 7,
  kPrevEntry = 8,
  kRemove = 9,
  kClear = 10,
  kEntries = 11,
  kEvents = 12,
};

constexpr uint8_t kRowVersion = 1;
constexpr uint64_t kStateKey = 0;
constexpr char kTtlTimers = 't';

// What is stored: the same fields in Append and Update.
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

std::string TtlTimer(uint64_t index) {
  std::string key(1, kTtlTimers);
  base::AppendU64(key, index);
  return key;
}

std::string Cursor(uint64_t index) {
  std::string cursor;
  base::AppendU64(cursor, index);
  return cursor;
}

pb::Value ToValue(const IndexedMapRow& row) {
  pb::Value value;
  value.set_value(row.value);
  value.set_version(row.index);
  return value;
}

// Always with a value message: drivers use it without looking.
void SetEntry(uint64_t index, const IndexedMapRow& row, pb::Entry& entry) {
  entry.set_key(row.key);
  entry.set_index(index);
  *entry.mutable_value() = ToValue(row);
}

template <class Output>
std::string EntryOutput(uint64_t index, const IndexedMapRow& row) {
  Output output;
  SetEntry(index, row, *output.mutable_entry());
  return output.SerializeAsString();
}

Result NotFound() {
  return Failure(OperationStatus::kNotFound, "no such entry");
}

// What a query answers that found `row`, or nothing.
template <class Output>
Result EntryOrNotFound(uint64_t index, const IndexedMapRow* row) {
  if (row == nullptr) return NotFound();
  return session::Ok(EntryOutput<Output>(index, *row));
}

Result WrongVersion(const IndexedMapRow& row, uint64_t expected) {
  return Failure(
      OperationStatus::kConflict,
      absl::StrCat("entry has version ", row.index, ", not ", expected));
}

std::string RemovedOutput(uint64_t index, const IndexedMapRow& row,
                          bool expired) {
  pb::EventsOutput output;
  pb::Event& event = *output.mutable_event();
  event.set_key(row.key);
  event.set_index(index);
  *event.mutable_removed()->mutable_value() = ToValue(row);
  event.mutable_removed()->set_expired(expired);
  return output.SerializeAsString();
}

ClearableTable<uint64_t, IndexedMapRow>::Event ClearedEvent(
    const uint64_t& index, const IndexedMapRow& row) {
  return {.key = row.key,
          .output = RemovedOutput(index, row, /*expired=*/false)};
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
IndexedMapRow NewRow(const PrimitiveContext& context, const std::string& key,
                     const Input& input) {
  IndexedMapRow row{
      .key = key, .value = input.value(), .index = context.index()};
  if (input.has_ttl()) row.expire_ns = Deadline(context.time_ns(), input.ttl());
  return row;
}

}  // namespace

void IndexedMapRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
  base::AppendU64(out, expire_ns);
  base::AppendU32(out, static_cast<uint32_t>(key.size()));
  out.append(key);
  out.append(value);
}

bool IndexedMapRow::Decode(absl::string_view bytes, IndexedMapRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  row.expire_ns = reader.U64();
  const uint32_t key_size = reader.U32();
  row.key = std::string(reader.Bytes(key_size));
  row.value = std::string(reader.rest());
  return reader.ok() && version == kRowVersion;
}

void IndexedMapStateRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, last_index);
}

bool IndexedMapStateRow::Decode(absl::string_view bytes,
                                IndexedMapStateRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.last_index = reader.U64();
  return reader.done() && version == kRowVersion;
}

IndexedMap::IndexedMap(session::TableSet& tables, session::PrimitiveId id)
    : rows_(tables, id,
            {.row_table = session::TableId::kIndexedMap,
             .clear_table = session::TableId::kIndexedMapClear,
             .removed = ClearedEvent,
             .reaped =
                 [this](const uint64_t&, const IndexedMapRow& row) {
                   by_key_.erase(row.key);
                 }}),
      state_(tables, session::TableId::kIndexedMapState, id.value()) {}

void IndexedMap::Command(CommandContext& context, uint32_t operation,
                         absl::string_view bytes) {
  retired_.FreeSome();
  switch (operation) {
    case kAppend:
      return HandleCommand<pb::AppendInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Append(context, input); });
    case kUpdate:
      return HandleCommand<pb::UpdateInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Update(context, input); });
    case kRemove:
      return HandleCommand<pb::RemoveInput, CheckKeyOnly>(
          context, bytes,
          [&](const auto& input) { return Remove(context, input); });
    case kClear:
      return HandleCommand<pb::ClearInput>(
          context, bytes, [&](const auto&) { return Clear(context); });
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

Result IndexedMap::Append(Context& context, const pb::AppendInput& input) {
  // One of this key that is dead, or whose time is over, is told of first.
  if (auto it = by_key_.find(input.key()); it != by_key_.end()) {
    const uint64_t index = it->second;
    const IndexedMapRow* old = rows_.FindForWrite(context, index);
    if (IfNotOver(context, {.index = index, .row = old}).row != nullptr) {
      return Failure(OperationStatus::kAlreadyExists,
                     absl::StrCat("key has an entry, of index ", index));
    }
  }
  const uint64_t index = last_index() + 1;
  state_.Put(kStateKey, {.last_index = index});
  by_key_[input.key()] = index;
  pb::AppendOutput output;
  SetEntry(index,
           Store(context, index, NewRow(context, input.key(), input), nullptr),
           *output.mutable_entry());
  return Answer(output);
}

Result IndexedMap::Update(Context& context, const pb::UpdateInput& input) {
  if (input.index() == 0 && input.key().empty()) {
    return Failure(OperationStatus::kInvalid, "neither a key nor an index");
  }
  const auto [index, old] =
      IfNotOver(context, input.index() > 0 ? FindByIndex(input.index())
                                           : FindByKey(input.key()));
  if (old == nullptr) return NotFound();
  if (!input.key().empty() && input.key() != old->key) {
    // The first generation said FAULT, for what is only a wrong request.
    return Failure(OperationStatus::kInvalid,
                   absl::StrCat("entry ", index, " has another key"));
  }
  if (input.prev_version() > 0 && old->index != input.prev_version()) {
    return WrongVersion(*old, input.prev_version());
  }
  pb::UpdateOutput output;
  if (old->value == input.value()) {
    SetEntry(index, *old, *output.mutable_entry());
    return Answer(output);
  }
  const pb::Value previous = ToValue(*old);
  SetEntry(index,
           Store(context, index, NewRow(context, old->key, input), &previous),
           *output.mutable_entry());
  return Answer(output);
}

Result IndexedMap::Remove(Context& context, const pb::RemoveInput& input) {
  const auto [index, old] =
      IfNotOver(context, input.index() > 0 ? FindByIndex(input.index())
                                           : FindByKey(input.key()));
  if (old == nullptr) return NotFound();
  if (input.prev_version() > 0 && old->index != input.prev_version()) {
    return WrongVersion(*old, input.prev_version());
  }
  pb::RemoveOutput output;
  SetEntry(index, *old, *output.mutable_entry());
  Erase(context, index, /*expired=*/false);
  return Answer(output);
}

Result IndexedMap::Clear(Context& context) {
  pb::ClearOutput output;
  if (rows_.empty()) return Answer(output);
  const bool small = rows_.IsSmall();
  if (small) {
    rows_.rows().Scan([&](uint64_t index, const IndexedMapRow& row) {
      TellRemoved(context, index, row, row.expire_ns <= context.time_ns());
      return true;
    });
  } else {
    context.InterruptWatchers();
  }
  context.CancelTimers(kTtlTimers);
  rows_.Clear(context, /*told=*/small);
  live_from_ = last_index() + 1;
  if (rows_.rows().empty()) retired_.Add(std::exchange(by_key_, {}));
  return Answer(output);
}

Result IndexedMap::Query(uint32_t operation, absl::string_view bytes) const {
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
            if (input.index() == 0 && input.key().empty()) return NotFound();
            const auto [index, row] = input.index() > 0
                                          ? FindByIndex(input.index())
                                          : FindByKey(input.key());
            return EntryOrNotFound<pb::GetOutput>(index, row);
          });
    case kFirstEntry:
      return HandleQuery<pb::FirstEntryInput>(bytes, [&](const auto&) {
        const auto [index, row] = First();
        return EntryOrNotFound<pb::FirstEntryOutput>(index, row);
      });
    case kLastEntry:
      return HandleQuery<pb::LastEntryInput>(bytes, [&](const auto&) {
        const auto [index, row] = Last();
        return EntryOrNotFound<pb::LastEntryOutput>(index, row);
      });
    case kNextEntry:
      return HandleQuery<pb::NextEntryInput>(bytes, [&](const auto& input) {
        if (input.index() == UINT64_MAX) return NotFound();
        const auto [index, row] = FirstFrom(input.index() + 1);
        return EntryOrNotFound<pb::NextEntryOutput>(index, row);
      });
    case kPrevEntry:
      return HandleQuery<pb::PrevEntryInput>(bytes, [&](const auto& input) {
        const uint64_t below = input.index();
        const auto [index, row] = LastBelow(&below);
        return EntryOrNotFound<pb::PrevEntryOutput>(index, row);
      });
    default:
      return NotSupported();
  }
}

Listing IndexedMap::List(const session::StreamQuery& query,
                         absl::string_view cursor,
                         const session::SliceBounds& bounds) const {
  Listing listing{.cursor = std::string(cursor), .done = true};
  if (query.operation != kEntries) return listing;
  base::Reader reader(cursor);
  const uint64_t listed = cursor.empty() ? 0 : reader.U64();
  uint64_t bytes = 0;
  rows_.rows().ScanFrom(
      std::max(listed + 1, live_from_),
      [&](uint64_t index, const IndexedMapRow& row) {
        if (listing.outputs.size() == bounds.rows_max ||
            bytes >= bounds.bytes_max) {
          listing.done = false;
          return false;
        }
        listing.outputs.push_back(EntryOutput<pb::EntriesOutput>(index, row));
        bytes += listing.outputs.back().size();
        listing.cursor = Cursor(index);
        return true;
      });
  return listing;
}

bool IndexedMap::Watches(const session::StreamQuery& query) const {
  return query.operation == kEntries &&
         WantsWatch<pb::EntriesInput>(query.input);
}

void IndexedMap::TimerFired(Context& context, absl::string_view timer) {
  retired_.FreeSome();
  if (rows_.TimerFired(context, timer)) return;
  base::Reader reader(timer.substr(1));
  const uint64_t index = reader.U64();
  const IndexedMapRow* row = rows_.Find(index);
  if (row == nullptr || row->expire_ns > context.time_ns()) return;
  Erase(context, index, /*expired=*/true);
}

void IndexedMap::Loaded(Context& context) {
  live_from_ = last_index() + 1;
  rows_.Loaded(context, [&](uint64_t index, const IndexedMapRow& row) {
    live_from_ = std::min(live_from_, index);
    if (row.expire_ns != session::kNever) {
      context.SetTimer(TtlTimer(index), row.expire_ns);
    }
  });
  rows_.rows().Scan([&](uint64_t index, const IndexedMapRow& row) {
    by_key_[row.key] = index;
    return true;
  });
}

uint64_t IndexedMap::last_index() const {
  const IndexedMapStateRow* state = state_.Find(kStateKey);
  return state == nullptr ? 0 : state->last_index;
}

IndexedMap::Found IndexedMap::FindByKey(const std::string& key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? Found() : FindByIndex(it->second);
}

IndexedMap::Found IndexedMap::IfNotOver(Context& context, Found found) {
  if (found.row == nullptr || found.row->expire_ns > context.time_ns()) {
    return found;
  }
  Erase(context, found.index, /*expired=*/true);
  return Found();
}

IndexedMap::Found IndexedMap::FirstFrom(uint64_t index) const {
  Found found;
  rows_.rows().ScanFrom(std::max(index, live_from_),
                        [&](uint64_t at, const IndexedMapRow& row) {
                          found = {.index = at, .row = &row};
                          return false;
                        });
  return found;
}

IndexedMap::Found IndexedMap::LastBelow(const uint64_t* index) const {
  Found found;
  auto visit = [&](uint64_t at, const IndexedMapRow& row) {
    if (at >= live_from_) found = {.index = at, .row = &row};
    return false;
  };
  if (index == nullptr) {
    rows_.rows().ScanDown(visit);
  } else {
    rows_.rows().ScanDownBefore(*index, visit);
  }
  return found;
}

const IndexedMapRow& IndexedMap::Store(Context& context, uint64_t index,
                                       IndexedMapRow row,
                                       const pb::Value* previous) {
  const IndexedMapRow* old = rows_.Find(index);
  const bool had_timer = old != nullptr && old->expire_ns != session::kNever;
  if (row.expire_ns != session::kNever) {
    context.SetTimer(TtlTimer(index), row.expire_ns);
  } else if (had_timer) {
    context.CancelTimer(TtlTimer(index));
  }
  const IndexedMapRow& stored = rows_.Put(index, std::move(row));

  if (context.has_listeners()) {
    pb::EventsOutput output;
    pb::Event& event = *output.mutable_event();
    event.set_key(stored.key);
    event.set_index(index);
    if (previous == nullptr) {
      *event.mutable_inserted()->mutable_value() = ToValue(stored);
    } else {
      *event.mutable_updated()->mutable_value() = ToValue(stored);
      *event.mutable_updated()->mutable_prev_value() = *previous;
    }
    context.Publish(context.index(), stored.key, output.SerializeAsString());
  }
  if (context.has_watchers()) {
    context.Notify(Cursor(index),
                   EntryOutput<pb::EntriesOutput>(index, stored));
  }
  return stored;
}

void IndexedMap::Erase(Context& context, uint64_t index, bool expired) {
  const IndexedMapRow& row = *rows_.Find(index);
  if (row.expire_ns != session::kNever) context.CancelTimer(TtlTimer(index));
  TellRemoved(context, index, row, expired);
  by_key_.erase(row.key);
  rows_.Erase(index);
}

void IndexedMap::TellRemoved(Context& context, uint64_t index,
                             const IndexedMapRow& row, bool expired) const {
  if (context.has_listeners()) {
    context.Publish(context.index(), row.key,
                    RemovedOutput(index, row, expired));
  }
  // The old entry once more: what the first generation did, and clients count
  // one message for each change.
  if (context.has_watchers()) {
    context.Notify(Cursor(index), EntryOutput<pb::EntriesOutput>(index, row));
  }
}

session::PrimitiveType IndexedMapType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "indexedmap",
      .service = "atomix.multiraft.indexedmap.v1.IndexedMap",
      .type_strings = {"atomix.runtime.indexedmap.v1.IndexedMap",
                       "atomix.multiraft.indexedmap.v1.IndexedMap"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kAppend, "Append", kCommand, kGrows,
               CheckInput<pb::AppendInput, CheckStored>},
              {kUpdate, "Update", kCommand, kGrows,
               CheckInput<pb::UpdateInput, CheckStored>},
              {kGet, "Get", kQuery, kDoesNotGrow,
               CheckInput<pb::GetInput, CheckKeyOnly>},
              {kFirstEntry, "FirstEntry", kQuery, kDoesNotGrow,
               CheckInput<pb::FirstEntryInput>},
              {kLastEntry, "LastEntry", kQuery, kDoesNotGrow,
               CheckInput<pb::LastEntryInput>},
              {kNextEntry, "NextEntry", kQuery, kDoesNotGrow,
               CheckInput<pb::NextEntryInput>},
              {kPrevEntry, "PrevEntry", kQuery, kDoesNotGrow,
               CheckInput<pb::PrevEntryInput>},
              {kRemove, "Remove", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveInput, CheckKeyOnly>},
              {kClear, "Clear", kCommand, kDoesNotGrow,
               CheckInput<pb::ClearInput>},
              {kEntries, "Entries", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::EntriesInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput, CheckKeyOnly>},
          },
      .create = CreatePrimitive<IndexedMap>,
  };
}

}  // namespace primitive
