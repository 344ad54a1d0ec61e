// Rows of a set:
//
//   by element:  version u8 = 1 | index u64 | expire u64
//
// and those of its Clears (clearable_table.h). Timers, by the first byte of the
// key:
//
//   'c'            the next slice of a Clear
//   't' | element  the element expires

#include "primitive/set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::set::v1;
using session::Failure;
using session::Generation;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;
using Rows = ClearableTable<std::string, SetRow>;

// Fields of SetInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kContains = 2,
  kAdd = 3,
  kRemove = 4,
  kClear = 5,
  kElements = 6,
  kEvents = 7,
};

constexpr uint8_t kRowVersion = 1;
constexpr char kTtlTimers = 't';
// Events of a set have no key that a listener could ask for.
constexpr char kNoKey[] = "";

template <class Input>
absl::Status CheckElement(const Input& input, const Limits& limits) {
  return CheckKey("element.value", input.element().value(), limits);
}

absl::Status CheckAdd(const pb::AddInput& input, const Limits& limits) {
  RETURN_IF_ERROR(CheckElement(input, limits));
  return CheckDuration("ttl", input.ttl());
}

std::string TtlTimer(const std::string& element) {
  return absl::StrCat(std::string(1, kTtlTimers), element);
}

std::string ElementOutput(const std::string& element, const SetRow&) {
  pb::ElementsOutput output;
  output.mutable_element()->set_value(element);
  return output.SerializeAsString();
}

std::string AddedOutput(const std::string& element) {
  pb::EventsOutput output;
  output.mutable_event()->mutable_added()->mutable_element()->set_value(
      element);
  return output.SerializeAsString();
}

std::string RemovedOutput(const std::string& element, bool expired) {
  pb::EventsOutput output;
  pb::Event::Removed& removed = *output.mutable_event()->mutable_removed();
  removed.mutable_element()->set_value(element);
  removed.set_expired(expired);
  return output.SerializeAsString();
}

Rows::Event ClearedEvent(const std::string& element, const SetRow&) {
  return {kNoKey, RemovedOutput(element, /*expired=*/false)};
}

// The second generation's drivers wait for an event of no kind before they
// believe that they listen; the first's cannot take one.
std::string FirstOutput(Generation generation) {
  if (generation == Generation::kMultiRaft) return "";
  pb::EventsOutput output;
  output.mutable_event();
  return output.SerializeAsString();
}

// What Add and Remove answer. The first generation's outputs are empty, and
// that nothing changed is the status `otherwise`; the second's AddOutput
// {added=1 bool} and RemoveOutput {removed=1 bool} say it.
Result Changed(Generation generation, bool changed, OperationStatus otherwise,
               const char* why) {
  if (generation == Generation::kRsm) {
    return session::Ok(changed ? "\x08\x01" : "");
  }
  return changed ? session::Ok("") : Failure(otherwise, why);
}

}  // namespace

void SetRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
  base::AppendU64(out, expire_ns);
}

bool SetRow::Decode(absl::string_view bytes, SetRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  row.expire_ns = reader.U64();
  return reader.done() && version == kRowVersion;
}

Set::Set(session::TableSet& tables, session::PrimitiveId id)
    : rows_(tables, id,
            {.row_table = session::TableId::kSet,
             .clear_table = session::TableId::kSetClear,
             .removed = ClearedEvent}) {}

void Set::Command(CommandContext& context, uint32_t operation,
                  absl::string_view bytes) {
  switch (operation) {
    case kAdd:
      return HandleCommand<pb::AddInput, CheckAdd>(
          context, bytes,
          [&](const auto& input) { return Add(context, input); });
    case kRemove:
      return HandleCommand<pb::RemoveInput, CheckElement>(
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

Result Set::Add(CommandContext& context, const pb::AddInput& input) {
  const std::string& element = input.element().value();
  const bool adds = FindForWrite(context, element) == nullptr;
  if (adds) {
    SetRow row{.index = context.index()};
    if (input.has_ttl()) {
      row.expire_ns = Deadline(context.time_ns(), input.ttl());
    }
    if (row.expire_ns != session::kNever) {
      context.SetTimer(TtlTimer(element), row.expire_ns);
    }
    rows_.Put(element, row);
    if (context.has_listeners()) {
      context.Publish(context.index(), kNoKey, AddedOutput(element));
    }
    if (context.has_watchers()) {
      context.Notify(Rows::Cursor(element), ElementOutput(element, row));
    }
  }
  return Changed(context.generation(), adds, OperationStatus::kAlreadyExists,
                 "element is in the set");
}

Result Set::Remove(CommandContext& context, const pb::RemoveInput& input) {
  const std::string& element = input.element().value();
  const bool removes = FindForWrite(context, element) != nullptr;
  if (removes) Erase(context, element, /*expired=*/false);
  return Changed(context.generation(), removes, OperationStatus::kNotFound,
                 "element is not in the set");
}

Result Set::Clear(Context& context) {
  pb::ClearOutput output;
  if (rows_.empty()) return Answer(output);
  const bool small = rows_.IsSmall();
  if (small) {
    rows_.rows().Scan([&](const std::string& element, const SetRow& row) {
      TellRemoved(context, element, row.expire_ns <= context.time_ns());
      return true;
    });
  } else {
    context.InterruptWatchers();
  }
  context.CancelTimers(kTtlTimers);
  rows_.Clear(context, /*told=*/small);
  return Answer(output);
}

Result Set::Query(uint32_t operation, absl::string_view bytes) const {
  switch (operation) {
    case kSize:
      return HandleQuery<pb::SizeInput>(bytes, [&](const auto&) {
        pb::SizeOutput output;
        output.set_size(static_cast<uint32_t>(rows_.size()));
        return Answer(output);
      });
    case kContains:
      return HandleQuery<pb::ContainsInput, CheckElement>(
          bytes, [&](const auto& input) {
            pb::ContainsOutput output;
            output.set_contains(rows_.Find(input.element().value()) != nullptr);
            return Answer(output);
          });
    default:
      return NotSupported();
  }
}

Listing Set::List(const session::StreamQuery& query, absl::string_view cursor,
                  const session::SliceBounds& bounds) const {
  if (query.operation != kElements) return {.done = true};
  return rows_.List(cursor, bounds, ElementOutput);
}

bool Set::Watches(const session::StreamQuery& query) const {
  return query.operation == kElements &&
         WantsWatch<pb::ElementsInput>(query.input);
}

void Set::TimerFired(Context& context, absl::string_view timer) {
  if (rows_.TimerFired(context, timer)) return;
  const std::string element(timer.substr(1));
  const SetRow* row = rows_.Find(element);
  if (row == nullptr || row->expire_ns > context.time_ns()) return;
  Erase(context, element, /*expired=*/true);
}

void Set::Loaded(Context& context) {
  rows_.Loaded(context, [&](const std::string& element, const SetRow& row) {
    if (row.expire_ns != session::kNever) {
      context.SetTimer(TtlTimer(element), row.expire_ns);
    }
  });
}

const SetRow* Set::FindForWrite(Context& context, const std::string& element) {
  const SetRow* row = rows_.FindForWrite(context, element);
  if (row == nullptr || row->expire_ns > context.time_ns()) return row;
  Erase(context, element, /*expired=*/true);
  return nullptr;
}

void Set::Erase(Context& context, const std::string& element, bool expired) {
  if (rows_.Find(element)->expire_ns != session::kNever) {
    context.CancelTimer(TtlTimer(element));
  }
  TellRemoved(context, element, expired);
  rows_.Erase(element);
}

void Set::TellRemoved(Context& context, const std::string& element,
                      bool expired) const {
  if (context.has_listeners()) {
    context.Publish(context.index(), kNoKey, RemovedOutput(element, expired));
  }
  // The element once more: what the first generation did, and clients count one
  // message for each change.
  if (context.has_watchers()) {
    context.Notify(Rows::Cursor(element), ElementOutput(element, SetRow()));
  }
}

session::PrimitiveType SetType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "set",
      .service = "atomix.multiraft.set.v1.Set",
      .type_strings = {"atomix.runtime.set.v1.Set",
                       "atomix.multiraft.set.v1.Set"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kContains, "Contains", kQuery, kDoesNotGrow,
               CheckInput<pb::ContainsInput, CheckElement>},
              {kAdd, "Add", kCommand, kGrows,
               CheckInput<pb::AddInput, CheckAdd>},
              {kRemove, "Remove", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveInput, CheckElement>},
              {kClear, "Clear", kCommand, kDoesNotGrow,
               CheckInput<pb::ClearInput>},
              {kElements, "Elements", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::ElementsInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput>},
          },
      .create = CreatePrimitive<Set>,
  };
}

}  // namespace primitive
