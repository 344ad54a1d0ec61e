// Rows of a multimap:
//
//   by key and value:  version u8 = 1 | index u64
//
// and those of its Clears (clearable_table.h), whose timer, 'c', is the only
// one.

#include "primitive/multimap.h"

#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::multimap::v1;
using session::CommandContext;
using session::Failure;
using session::Limits;
using session::Listing;
using session::OperationStatus;
using session::Result;
using Rows = ClearableTable<std::pair<std::string, std::string>, MultiMapRow>;

// Fields of MultiMapInput. Do not change: on disk.
enum : uint32_t {
  kSize = 1,
  kPut = 2,
  kPutAll = 3,
  kReplace = 4,
  kContains = 5,
  kGet = 6,
  kRemove = 7,
  kRemoveAll = 8,
  kClear = 9,
  kEntries = 10,
  kEvents = 11,
  kPutEntries = 12,
  kRemoveEntries = 13,
};

constexpr uint8_t kRowVersion = 1;

// Lists that one command sends to watchers, together. Those of a RemoveAll get
// the lists between, as from the first generation, unless they are longer. If
// the lists of several keys are longer, watchers are interrupted, and list.
constexpr size_t kListsBytesMax = 1 << 20;

// A value is part of its row's key, so it is no longer than a key may be.
template <class Input>
absl::Status CheckPair(const Input &input, const Limits &limits) {
  RETURN_IF_ERROR(CheckKey("key", input.key(), limits));
  return CheckKey("value", input.value(), limits);
}

template <class Input>
absl::Status CheckKeyOnly(const Input &input, const Limits &limits) {
  return CheckKey("key", input.key(), limits);
}

absl::Status CheckItems(absl::string_view field, int items) {
  if (items <= MultiMap::kRequestItemsMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("input.", field, ": more than ", MultiMap::kRequestItemsMax,
                   " entries and values"));
}

template <class Input>
absl::Status CheckValues(const Input &input, const Limits &limits) {
  RETURN_IF_ERROR(CheckItems("values", input.values_size()));
  RETURN_IF_ERROR(CheckKey("key", input.key(), limits));
  for (const std::string &value : input.values()) {
    RETURN_IF_ERROR(CheckKey("values", value, limits));
  }
  return absl::OkStatus();
}

template <class Input>
absl::Status CheckEntries(const Input &input, const Limits &limits) {
  int items = 0;
  for (const pb::Entry &entry : input.entries()) {
    items += 1 + entry.values_size();
    RETURN_IF_ERROR(CheckItems("entries", items));
    RETURN_IF_ERROR(CheckKey("entries.key", entry.key(), limits));
    for (const std::string &value : entry.values()) {
      RETURN_IF_ERROR(CheckKey("entries.values", value, limits));
    }
  }
  return absl::OkStatus();
}

// Of an input with one key. Views: the input stays.
template <class Input>
auto PairsOf(const Input &input) {
  std::vector<std::pair<absl::string_view, absl::string_view>> pairs;
  for (const std::string &value : input.values()) {
    pairs.emplace_back(input.key(), value);
  }
  return pairs;
}

// Of an input with entries.
template <class Input>
auto PairsOfEntries(const Input &input) {
  std::vector<std::pair<absl::string_view, absl::string_view>> pairs;
  for (const pb::Entry &entry : input.entries()) {
    for (const std::string &value : entry.values()) {
      pairs.emplace_back(entry.key(), value);
    }
  }
  return pairs;
}

// A cursor is never empty, a key may be.
std::string Cursor(const std::string &key) { return absl::StrCat("k", key); }

std::string AddedOutput(const std::string &key, const std::string &value) {
  pb::EventsOutput output;
  output.mutable_event()->set_key(key);
  output.mutable_event()->mutable_added()->set_value(value);
  return output.SerializeAsString();
}

std::string RemovedOutput(const std::string &key, const std::string &value) {
  pb::EventsOutput output;
  output.mutable_event()->set_key(key);
  output.mutable_event()->mutable_removed()->set_value(value);
  return output.SerializeAsString();
}

Rows::Event ClearedEvent(const std::pair<std::string, std::string> &pair,
                         const MultiMapRow &) {
  return {pair.first, RemovedOutput(pair.first, pair.second)};
}

// The second generation's drivers wait for an event of no kind before they
// believe that they listen; the first's cannot take one.
std::string FirstOutput(session::Generation generation,
                        const std::string &filter) {
  if (generation == session::Generation::kMultiRaft) return "";
  pb::EventsOutput output;
  output.mutable_event()->set_key(filter);
  return output.SerializeAsString();
}

}  // namespace

void MultiMapRow::Encode(std::string &out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, index);
}

bool MultiMapRow::Decode(absl::string_view bytes, MultiMapRow &row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.index = reader.U64();
  return reader.done() && version == kRowVersion;
}

MultiMap::MultiMap(session::TableSet &tables, session::PrimitiveId id)
    : rows_(tables, id,
            {.row_table = session::TableId::kMultiMap,
             .clear_table = session::TableId::kMultiMapClear,
             .removed = ClearedEvent}) {}

void MultiMap::Command(CommandContext &context, uint32_t operation,
                       absl::string_view bytes) {
  retired_.FreeSome();
  switch (operation) {
    case kPut:
      return HandleCommand<pb::PutInput, CheckPair>(
          context, bytes,
          [&](const auto &input) { return Put(context, input); });
    case kPutAll:
      return HandleCommand<pb::PutAllInput, CheckValues>(
          context, bytes, [&](const auto &input) {
            return AddMissing<pb::PutAllOutput>(context, PairsOf(input));
          });
    case kPutEntries:
      return HandleCommand<pb::PutEntriesInput, CheckEntries>(
          context, bytes, [&](const auto &input) {
            return AddMissing<pb::PutEntriesOutput>(context,
                                                    PairsOfEntries(input));
          });
    case kReplace:
      return HandleCommand<pb::ReplaceInput, CheckValues>(
          context, bytes,
          [&](const auto &input) { return Replace(context, input); });
    case kRemove:
      return HandleCommand<pb::RemoveInput, CheckPair>(
          context, bytes,
          [&](const auto &input) { return Remove(context, input); });
    case kRemoveAll:
      return HandleCommand<pb::RemoveAllInput, CheckValues>(
          context, bytes,
          [&](const auto &input) { return RemoveAll(context, input); });
    case kRemoveEntries:
      return HandleCommand<pb::RemoveEntriesInput, CheckEntries>(
          context, bytes, [&](const auto &input) {
            return RemoveEntries(context, PairsOfEntries(input));
          });
    case kClear:
      return HandleCommand<pb::ClearInput>(
          context, bytes, [&](const auto &) { return Clear(context); });
    case kEvents:
      return HandleCommand<pb::EventsInput, CheckKeyOnly>(
          context, bytes, [&](const auto &input) {
            context.Listen(input.key(),
                           FirstOutput(context.generation(), input.key()));
          });
    default:
      return context.Answer(NotSupported());
  }
}

Result MultiMap::Put(Context &context, const pb::PutInput &input) {
  const Pairs missing =
      Select(context, {{input.key(), input.value()}}, /*present=*/false);
  if (missing.empty()) {
    return Failure(OperationStatus::kAlreadyExists, "key has this value");
  }
  if (auto refusal = Refusal(missing)) return *refusal;
  Add(context, {input.key(), input.value()});
  NotifyKey(context, input.key());
  return Answer(pb::PutOutput());
}

template <class Output>
Result MultiMap::AddMissing(Context &context, const Pairs &pairs) {
  const Pairs missing = Select(context, pairs, /*present=*/false);
  if (auto refusal = Refusal(missing)) return *refusal;
  for (const auto &[key, value] : missing) {
    Add(context, {std::string(key), std::string(value)});
  }
  NotifyKeys(context, missing);
  Output output;
  output.set_updated(!missing.empty());
  return Answer(output);
}

Result MultiMap::Replace(Context &context, const pb::ReplaceInput &input) {
  const std::string &key = input.key();
  const absl::btree_set<absl::string_view> wanted(input.values().begin(),
                                                  input.values().end());
  Totals totals;
  for (const absl::string_view value : wanted) totals.Add(value);
  if (auto refusal = Refusal(totals)) return *refusal;

  const std::vector<std::string> previous = ValuesOf(key);
  const Pairs missing = Select(context, PairsOf(input), /*present=*/false);
  bool changed = !missing.empty();
  for (const auto &[unused, value] : missing) {
    Add(context, {key, std::string(value)});
  }
  for (const std::string &value : previous) {
    if (wanted.contains(value)) continue;
    Erase(context, {key, value});
    changed = true;
  }
  if (changed) NotifyKey(context, key);

  pb::ReplaceOutput output;
  for (const std::string &value : previous) output.add_prev_values(value);
  return Answer(output);
}

Result MultiMap::Remove(Context &context, const pb::RemoveInput &input) {
  const Pair pair(input.key(), input.value());
  if (rows_.FindForWrite(context, pair) == nullptr) {
    return Failure(OperationStatus::kNotFound, "key does not have this value");
  }
  Erase(context, pair);
  NotifyKey(context, pair.first);
  // Its `values` have never been filled.
  return Answer(pb::RemoveOutput());
}

Result MultiMap::RemoveAll(Context &context, const pb::RemoveAllInput &input) {
  const std::string &key = input.key();
  const auto it = keys_.find(key);
  if (it == keys_.end()) {
    return Failure(OperationStatus::kNotFound, "key not found");
  }
  const Totals before = it->second;
  const Pairs present = Select(context, PairsOf(input), /*present=*/true);
  const bool between = present.size() * before.list_bytes() <= kListsBytesMax;
  for (const auto &[unused, value] : present) {
    Erase(context, {key, std::string(value)});
    if (between) NotifyKey(context, key);
  }
  if (!between) NotifyKeys(context, present);
  pb::RemoveAllOutput output;
  output.set_updated(!present.empty());
  return Answer(output);
}

Result MultiMap::RemoveEntries(Context &context, const Pairs &pairs) {
  const Pairs present = Select(context, pairs, /*present=*/true);
  for (const auto &[key, value] : present) {
    Erase(context, {std::string(key), std::string(value)});
  }
  NotifyKeys(context, present);
  pb::RemoveEntriesOutput output;
  output.set_updated(!present.empty());
  return Answer(output);
}

Result MultiMap::Clear(Context &context) {
  pb::ClearOutput output;
  if (rows_.empty()) return Answer(output);
  const bool small = rows_.IsSmall();
  if (small && context.has_listeners()) {
    rows_.rows().Scan([&](const Pair &pair, const MultiMapRow &) {
      context.Publish(context.index(), pair.first,
                      RemovedOutput(pair.first, pair.second));
      return true;
    });
  }
  Keys gone = std::exchange(keys_, {});
  if (small) {
    for (const auto &[key, unused] : gone) NotifyKey(context, key);
  } else {
    context.InterruptWatchers();
  }
  retired_.Add(std::move(gone));
  rows_.Clear(context, /*told=*/small);
  return Answer(output);
}

Result MultiMap::Query(uint32_t operation, absl::string_view bytes) const {
  switch (operation) {
    case kSize:
      return HandleQuery<pb::SizeInput>(bytes, [&](const auto &) {
        pb::SizeOutput output;
        output.set_size(static_cast<uint32_t>(keys_.size()));
        return Answer(output);
      });
    case kContains:
      return HandleQuery<pb::ContainsInput, CheckPair>(bytes, [&](const auto
                                                                      &input) {
        pb::ContainsOutput output;
        output.set_result(rows_.Find({input.key(), input.value()}) != nullptr);
        return Answer(output);
      });
    case kGet:
      return HandleQuery<pb::GetInput, CheckKeyOnly>(
          bytes, [&](const auto &input) {
            pb::GetOutput output;
            for (const std::string &value : ValuesOf(input.key())) {
              output.add_values(value);
            }
            return Answer(output);
          });
    default:
      return NotSupported();
  }
}

Listing MultiMap::List(const session::StreamQuery &query,
                       absl::string_view cursor,
                       const session::SliceBounds &bounds) const {
  Listing listing{.cursor = std::string(cursor), .done = true};
  if (query.operation != kEntries) return listing;
  size_t values = 0;
  uint64_t bytes = 0;
  auto it = cursor.empty() ? keys_.begin()
                           : keys_.upper_bound(std::string(cursor.substr(1)));
  for (; it != keys_.end(); ++it) {
    if (values >= bounds.rows_max || bytes >= bounds.bytes_max) {
      listing.done = false;
      break;
    }
    const auto &[key, totals] = *it;
    listing.outputs.push_back(EntryOutput(key));
    values += totals.values;
    bytes += listing.outputs.back().size();
    listing.cursor = Cursor(key);
  }
  return listing;
}

bool MultiMap::Watches(const session::StreamQuery &query) const {
  return query.operation == kEntries &&
         WantsWatch<pb::EntriesInput>(query.input);
}

void MultiMap::TimerFired(Context &context, absl::string_view timer) {
  retired_.FreeSome();
  rows_.TimerFired(context, timer);
}

void MultiMap::Loaded(Context &context) {
  rows_.Loaded(context, [&](const Pair &pair, const MultiMapRow &) {
    keys_[pair.first].Add(pair.second);
  });
}

MultiMap::Pairs MultiMap::Select(Context &context, const Pairs &pairs,
                                 bool present) {
  Pairs selected;
  absl::btree_set<std::pair<absl::string_view, absl::string_view>> seen;
  for (const auto &pair : pairs) {
    if (!seen.insert(pair).second) continue;
    const bool found = rows_.FindForWrite(context, Pair(pair)) != nullptr;
    if (found == present) selected.push_back(pair);
  }
  return selected;
}

std::optional<Result> MultiMap::Refusal(const Totals &totals) {
  if (totals.values > kKeyValuesMax) {
    return Failure(
        OperationStatus::kInvalid,
        absl::StrCat("key would have ", totals.values, " values, at most ",
                     kKeyValuesMax, " allowed"));
  }
  if (totals.bytes > kKeyBytesMax) {
    return Failure(
        OperationStatus::kInvalid,
        absl::StrCat("key would have values of ", totals.bytes,
                     " bytes together, at most ", kKeyBytesMax, " allowed"));
  }
  return std::nullopt;
}

std::optional<Result> MultiMap::Refusal(const Pairs &added) const {
  absl::btree_map<absl::string_view, Totals> all;
  for (const auto &[key, value] : added) {
    const auto [it, is_new] = all.try_emplace(key);
    if (is_new) {
      const auto present = keys_.find(key);
      if (present != keys_.end()) it->second = present->second;
    }
    it->second.Add(value);
  }
  for (const auto &[unused, totals] : all) {
    if (auto refusal = Refusal(totals)) return refusal;
  }
  return std::nullopt;
}

void MultiMap::Add(Context &context, const Pair &pair) {
  rows_.Put(pair, {.index = context.index()});
  // A command may bring thousands of keys, and a Clear retires them at once.
  retired_.FreeSome(2);
  keys_[pair.first].Add(pair.second);
  if (context.has_listeners()) {
    context.Publish(context.index(), pair.first,
                    AddedOutput(pair.first, pair.second));
  }
}

void MultiMap::Erase(Context &context, const Pair &pair) {
  rows_.Erase(pair);
  const auto it = keys_.find(pair.first);
  it->second.bytes -= pair.second.size();
  if (--it->second.values == 0) keys_.erase(it);
  if (context.has_listeners()) {
    context.Publish(context.index(), pair.first,
                    RemovedOutput(pair.first, pair.second));
  }
}

void MultiMap::NotifyKey(Context &context, const std::string &key) const {
  if (context.has_watchers()) context.Notify(Cursor(key), EntryOutput(key));
}

void MultiMap::NotifyKeys(Context &context, const Pairs &changed) const {
  if (!context.has_watchers()) return;
  absl::btree_set<absl::string_view> keys;
  std::vector<std::string> in_order;
  size_t bytes = 0;
  for (const auto &[key, unused] : changed) {
    if (!keys.insert(key).second) continue;
    in_order.emplace_back(key);
    const auto it = keys_.find(key);
    bytes += key.size();
    if (it != keys_.end()) bytes += it->second.list_bytes();
  }
  // The list of one key has a bound of its own.
  if (bytes > kListsBytesMax && in_order.size() > 1) {
    context.InterruptWatchers();
    return;
  }
  for (const std::string &key : in_order) NotifyKey(context, key);
}

std::vector<std::string> MultiMap::ValuesOf(const std::string &key) const {
  std::vector<std::string> values;
  const auto it = keys_.find(key);
  if (it == keys_.end()) return values;
  const size_t count = it->second.values;
  values.reserve(count);
  // Dead rows behind the last value are nobody's.
  rows_.rows().ScanFrom({key, ""},
                        [&](const Pair &pair, const MultiMapRow &row) {
                          if (pair.first != key) return false;
                          if (!rows_.IsDead(row)) values.push_back(pair.second);
                          return values.size() < count;
                        });
  return values;
}

std::string MultiMap::EntryOutput(const std::string &key) const {
  pb::EntriesOutput output;
  output.mutable_entry()->set_key(key);
  for (const std::string &value : ValuesOf(key)) {
    output.mutable_entry()->add_values(value);
  }
  return output.SerializeAsString();
}

session::PrimitiveType MultiMapType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "multimap",
      .service = "atomix.multiraft.multimap.v1.MultiMap",
      .type_strings = {"atomix.runtime.multimap.v1.MultiMap",
                       "atomix.multiraft.multimap.v1.MultiMap"},
      .operations =
          {
              {kSize, "Size", kQuery, kDoesNotGrow, CheckInput<pb::SizeInput>},
              {kPut, "Put", kCommand, kGrows,
               CheckInput<pb::PutInput, CheckPair>},
              {kPutAll, "PutAll", kCommand, kGrows,
               CheckInput<pb::PutAllInput, CheckValues>},
              {kPutEntries, "PutEntries", kCommand, kGrows,
               CheckInput<pb::PutEntriesInput, CheckEntries>},
              {kReplace, "Replace", kCommand, kGrows,
               CheckInput<pb::ReplaceInput, CheckValues>},
              {kContains, "Contains", kQuery, kDoesNotGrow,
               CheckInput<pb::ContainsInput, CheckPair>},
              {kGet, "Get", kQuery, kDoesNotGrow,
               CheckInput<pb::GetInput, CheckKeyOnly>},
              {kRemove, "Remove", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveInput, CheckPair>},
              {kRemoveAll, "RemoveAll", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveAllInput, CheckValues>},
              {kRemoveEntries, "RemoveEntries", kCommand, kDoesNotGrow,
               CheckInput<pb::RemoveEntriesInput, CheckEntries>},
              {kClear, "Clear", kCommand, kDoesNotGrow,
               CheckInput<pb::ClearInput>},
              {kEntries, "Entries", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::EntriesInput>},
              {kEvents, "Events", kStreamCommand, kGrows,
               CheckInput<pb::EventsInput, CheckKeyOnly>},
          },
      .create = CreatePrimitive<MultiMap>,
  };
}

}  // namespace primitive
