// Row of a value:
//
//   version u8 = 1 | index u64 | expire u64 | value bytes
//
// The only timer, "", is its expiry.

#include "primitive/value.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::value::v1;
using session::CommandContext;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;

// Fields of ValueInput. Do not change: on disk.
enum : uint32_t {
  kGet = 1,
  kSet = 2,
  kInsert = 3,
  kUpdate = 4,
  kDelete = 5,
  kWatch = 6,
  kEvents = 7,
};

constexpr uint8_t kRowVersion = 1;
constexpr uint64_t kRowKey = 0;
constexpr char kExpiry[] = "";
constexpr char kCursor[] = "v";
// Events of a value have no key.
constexpr char kNoKey[] = "";

template <class Input>
absl::Status CheckStored(const Input& input, const Limits& limits) {
  RETURN_IF_ERROR(CheckValue("value", input.value(), limits));
  return CheckDuration("ttl", input.ttl());
}

pb::IndexedValue ToIndexedValue(const ValueRow& row) {
  pb::IndexedValue value;
  value.set_value(row.value);
  value.set_index(row.index);
  return value;
}

// Always with a value message: drivers use it without looking.
std::string WatchOutput(const ValueRow& row) {
  pb::WatchOutput output;
  *output.mutable_value() = ToIndexedValue(row);
  return output.SerializeAsString();
}

// The second generation's drivers wait for an event of no kind before they
// believe that they listen; the first's cannot take one.
std::string FirstOutput(session::Generation generation) {
  if (generation == session::Generation::kMultiRaft) return "";
  pb::EventsOutput output;
  output.mutable_event();
  return output.SerializeAsString();
}

template <class Input>
ValueRow NewRow(const PrimitiveContext& context, const Input& input) {
  ValueRow row{.value = input.value(), .index = context.index()};
  if (input.has_ttl()) row.expire_ns = Deadline(context.time_ns(), input.ttl());
  return row;
}

Result NotFound() {
  return Failure(OperationStatus::kNotFound, "there is no value");
}

Result WrongIndex(const ValueRow& row, uint64_t expected) {
  return Failure(
      OperationStatus::kConflict,
      absl::StrCat("value has index ", row.index, ", not ", expected));
}

}  // namespace

void ValueRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
  base::AppendU64(out, expire_ns);
  out.append(value);
}

bool ValueRow::Decode(absl::string_view bytes, ValueRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  row.expire_ns = reader.U64();
  row.value = std::string(reader.rest());
  return reader.ok() && version == kRowVersion;
}

Value::Value(session::TableSet& tables, session::PrimitiveId id)
    : table_(tables, session::TableId::kValue, id.value()) {}

void Value::Command(CommandContext& context, uint32_t operation,
                    absl::string_view bytes) {
  switch (operation) {
    case kSet:
      return HandleCommand<pb::SetInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Set(context, input); });
    case kInsert:
      return HandleCommand<pb::InsertInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Insert(context, input); });
    case kUpdate:
      return HandleCommand<pb::UpdateInput, CheckStored>(
          context, bytes,
          [&](const auto& input) { return Update(context, input); });
    case kDelete:
      return HandleCommand<pb::DeleteInput>(
          context, bytes,
          [&](const auto& input) { return Delete(context, input); });
    case kEvents:
      return HandleCommand<pb::EventsInput>(context, bytes, [&](const auto&) {
        context.Listen(kNoKey, FirstOutput(context.generation()));
      });
    default:
      return context.Answer(NotSupported());
  }
}

Result Value::Set(Context& context, const pb::SetInput& input) {
  pb::SetOutput output;
  output.set_index(context.index());
  if (const ValueRow* old = FindForWrite(context); old == nullptr) {
    Store(context, NewRow(context, input), nullptr);
  } else {
    *output.mutable_prev_value() = ToIndexedValue(*old);
    Store(context, NewRow(context, input), &output.prev_value());
  }
  return Answer(output);
}

Result Value::Insert(Context& context, const pb::InsertInput& input) {
  if (const ValueRow* old = FindForWrite(context); old != nullptr) {
    return Failure(OperationStatus::kAlreadyExists,
                   absl::StrCat("there is a value, of index ", old->index));
  }
  Store(context, NewRow(context, input), nullptr);
  pb::InsertOutput output;
  output.set_index(context.index());
  return Answer(output);
}

Result Value::Update(Context& context, const pb::UpdateInput& input) {
  const ValueRow* old = FindForWrite(context);
  if (old == nullptr) return NotFound();
  if (input.prev_index() > 0 && old->index != input.prev_index()) {
    return WrongIndex(*old, input.prev_index());
  }
  pb::UpdateOutput output;
  output.set_index(context.index());
  *output.mutable_prev_value() = ToIndexedValue(*old);
  Store(context, NewRow(context, input), &output.prev_value());
  return Answer(output);
}

Result Value::Delete(Context& context, const pb::DeleteInput& input) {
  const ValueRow* old = FindForWrite(context);
  if (old == nullptr) return NotFound();
  if (input.prev_index() > 0 && old->index != input.prev_index()) {
    return WrongIndex(*old, input.prev_index());
  }
  pb::DeleteOutput output;
  *output.mutable_value() = ToIndexedValue(*old);
  Erase(context, /*expired=*/false);
  return Answer(output);
}

Result Value::Query(uint32_t operation, absl::string_view bytes) const {
  if (operation != kGet) return NotSupported();
  return HandleQuery<pb::GetInput>(bytes, [&](const auto&) {
    const ValueRow* row = Find();
    if (row == nullptr) return NotFound();
    pb::GetOutput output;
    *output.mutable_value() = ToIndexedValue(*row);
    return Answer(output);
  });
}

Listing Value::List(const session::StreamQuery& query, absl::string_view cursor,
                    const session::SliceBounds&) const {
  Listing listing{.cursor = kCursor, .done = true};
  const ValueRow* row = Find();
  if (query.operation == kWatch && row != nullptr && cursor.empty()) {
    listing.outputs.push_back(WatchOutput(*row));
  }
  return listing;
}

bool Value::Watches(const session::StreamQuery& query) const {
  return query.operation == kWatch;
}

void Value::TimerFired(Context& context, absl::string_view) {
  const ValueRow* row = Find();
  if (row == nullptr || row->expire_ns > context.time_ns()) return;
  Erase(context, /*expired=*/true);
}

void Value::Loaded(Context& context) {
  const ValueRow* row = Find();
  if (row != nullptr && row->expire_ns != session::kNever) {
    context.SetTimer(kExpiry, row->expire_ns);
  }
}

const ValueRow* Value::Find() const { return table_.Find(kRowKey); }

const ValueRow* Value::FindForWrite(Context& context) {
  const ValueRow* row = Find();
  if (row == nullptr || row->expire_ns > context.time_ns()) return row;
  Erase(context, /*expired=*/true);
  return nullptr;
}

void Value::Store(Context& context, ValueRow row,
                  const pb::IndexedValue* previous) {
  if (row.expire_ns != session::kNever) {
    context.SetTimer(kExpiry, row.expire_ns);
  } else {
    context.CancelTimer(kExpiry);
  }
  const ValueRow& stored = table_.Put(kRowKey, std::move(row));

  if (context.has_listeners()) {
    pb::EventsOutput output;
    pb::Event& event = *output.mutable_event();
    if (previous == nullptr) {
      *event.mutable_created()->mutable_value() = ToIndexedValue(stored);
    } else {
      *event.mutable_updated()->mutable_value() = ToIndexedValue(stored);
      *event.mutable_updated()->mutable_prev_value() = *previous;
    }
    context.Publish(context.index(), kNoKey, output.SerializeAsString());
  }
  if (context.has_watchers()) context.Notify(kCursor, WatchOutput(stored));
}

void Value::Erase(Context& context, bool expired) {
  const ValueRow& row = *Find();
  context.CancelTimer(kExpiry);
  if (context.has_listeners()) {
    pb::EventsOutput output;
    pb::Event::Deleted& deleted = *output.mutable_event()->mutable_deleted();
    *deleted.mutable_value() = ToIndexedValue(row);
    deleted.set_expired(expired);
    context.Publish(context.index(), kNoKey, output.SerializeAsString());
  }
  // The old value once more: what the first generation did, and clients count
  // one message for each change.
  if (context.has_watchers()) context.Notify(kCursor, WatchOutput(row));
  table_.Erase(kRowKey);
}

session::PrimitiveType ValueType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "value",
      .service = "atomix.multiraft.value.v1.Value",
      .type_strings = {"atomix.runtime.value.v1.Value",
                       "atomix.multiraft.value.v1.Value"},
      .operations =
          {
              {kGet, "Get", kQuery, kDoesNotGrow, CheckInput<pb::GetInput>},
              {kSet, "Set", kCommand, kGrows,
               CheckInput<pb::SetInput, CheckStored>},
              {kInsert, "Insert", kCommand, kGrows,
               CheckInput<pb::InsertInput, CheckStored>},
              {kUpdate, "Update", kCommand, kGrows,
               CheckInput<pb::UpdateInput, CheckStored>},
              {kDelete, "Delete", kCommand, kDoesNotGrow,
               CheckInput<pb::DeleteInput>},
              {kWatch, "Watch", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::WatchInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput>},
          },
      .create = CreatePrimitive<Value>,
  };
}

}  // namespace primitive
