// The map's transactions: changes of several keys that are made together or not
// at all. With Apply in one command; with Prepare and then Commit or Abort when
// they are part of something larger, such as maps in several partitions.

#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "primitive/input.h"
#include "primitive/map.h"
#include "primitive/map_transactions.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using session::CommandContext;
using session::CommandKey;
using session::Failure;
using session::OperationStatus;
using session::Result;
using session::SequenceNum;

template <class Input>
MapChange ChangeOf(MapChange::Kind kind, const Input& input) {
  MapChange change{.kind = kind, .key = input.key(), .value = input.value()};
  if (input.has_ttl()) change.ttl = input.ttl();
  return change;
}

// REQUIRES: the check of the command.
MapChange ChangeOf(const pb::MapInput& input) {
  switch (input.input_case()) {
    case pb::MapInput::kInsert:
      return ChangeOf(MapChange::Kind::kInsert, input.insert());
    case pb::MapInput::kUpdate: {
      MapChange change = ChangeOf(MapChange::Kind::kUpdate, input.update());
      change.prev_index = input.update().prev_index();
      return change;
    }
    case pb::MapInput::kRemove:
      return {.kind = MapChange::Kind::kRemove,
              .key = input.remove().key(),
              .prev_index = input.remove().prev_index()};
    default: {
      MapChange change = ChangeOf(MapChange::Kind::kPut, input.put());
      change.prev_index = input.put().prev_index();
      return change;
    }
  }
}

template <class Inputs>
std::vector<MapChange> ChangesOf(const Inputs& inputs) {
  std::vector<MapChange> changes;
  changes.reserve(inputs.size());
  for (const pb::MapInput& input : inputs) changes.push_back(ChangeOf(input));
  return changes;
}

// The input of a single command that makes the change whatever is there.
template <class Input>
Input InputOf(const MapChange& change) {
  Input input;
  input.set_key(change.key);
  input.set_value(change.value);
  if (change.ttl.has_value()) *input.mutable_ttl() = *change.ttl;
  return input;
}

// A result is the encoded output of a command that cannot fail.
template <class Output>
void ParseResult(const Result& result, Output& output) {
  CHECK(result.status == OperationStatus::kOk) << result.message;
  CHECK(output.ParseFromString(result.output));
}

CommandKey TransactionOf(const CommandContext& context, uint64_t number) {
  return {context.command().session, SequenceNum(number)};
}

}  // namespace

Result Map::Prepare(CommandContext& context, const pb::PrepareInput& input) {
  const CommandKey id = TransactionOf(context, input.sequence_num());
  if (transactions_.Find(id) != nullptr) {
    return Failure(
        OperationStatus::kConflict,
        absl::StrCat("transaction ", input.sequence_num(), " is prepared"));
  }
  std::vector<MapChange> changes = ChangesOf(input.inputs());
  Result result = CheckTransaction(context, changes);
  if (result.status != OperationStatus::kOk) return result;
  transactions_.Add(context, id, std::move(changes));
  return Answer(pb::PrepareOutput());
}

Result Map::Commit(CommandContext& context, const pb::CommitInput& input) {
  const CommandKey id = TransactionOf(context, input.sequence_num());
  if (transactions_.Find(id) == nullptr) {
    return Failure(
        OperationStatus::kNotFound,
        absl::StrCat("transaction ", input.sequence_num(), " not found"));
  }
  pb::CommitOutput output;
  for (const MapChange& change : transactions_.Take(context, id)) {
    Make(context, change, *output.add_outputs());
  }
  return Answer(output);
}

Result Map::Abort(CommandContext& context, const pb::AbortInput& input) {
  const CommandKey id = TransactionOf(context, input.sequence_num());
  if (transactions_.Find(id) != nullptr) transactions_.Take(context, id);
  return Answer(pb::AbortOutput());
}

Result Map::Apply(Context& context, const pb::ApplyInput& input) {
  const std::vector<MapChange> changes = ChangesOf(input.inputs());
  Result result = CheckTransaction(context, changes);
  if (result.status != OperationStatus::kOk) return result;
  pb::ApplyOutput output;
  for (const MapChange& change : changes) {
    Make(context, change, *output.add_outputs());
  }
  return Answer(output);
}

Result Map::CheckTransaction(const Context& context,
                             const std::vector<MapChange>& changes) const {
  absl::btree_set<absl::string_view> keys;
  size_t answer_bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    const MapChange& change = changes[i];
    Result refusal;
    if (!keys.insert(change.key).second) {
      refusal = Failure(OperationStatus::kConflict, "key is there twice");
    } else if (transactions_.Holds(change.key)) {
      refusal = IsPrepared();
    } else {
      const MapRow* row = rows_.Find(change.key);
      // It goes when the change is made, as with a single command.
      if (row != nullptr && row->expire_ns <= context.time_ns()) row = nullptr;
      refusal = Precondition(change.kind, row, change.prev_index);
      if (row != nullptr) answer_bytes += row->value.size();
    }
    if (refusal.status != OperationStatus::kOk) {
      refusal.message = absl::StrCat("input ", i, ": ", refusal.message);
      return refusal;
    }
  }
  // The outputs have to fit one message.
  if (answer_bytes > kTransactionAnswerMax) {
    return Failure(
        OperationStatus::kInvalid,
        absl::StrCat("the values that it replaces have ", answer_bytes,
                     " bytes, at most ", kTransactionAnswerMax, " allowed"));
  }
  return Result();
}

// What was checked stays true while the transaction is prepared, but for a time
// to live that is over meanwhile. It was promised that the transaction can be
// committed, so then it is made of what is left.
void Map::Make(Context& context, const MapChange& change,
               pb::MapOutput& output) {
  const bool present = FindForWrite(context, change.key) != nullptr;
  switch (change.kind) {
    case MapChange::Kind::kPut:
      ParseResult(Put(context, InputOf<pb::PutInput>(change)),
                  *output.mutable_put());
      break;
    case MapChange::Kind::kInsert:
      ParseResult(Insert(context, InputOf<pb::InsertInput>(change)),
                  *output.mutable_insert());
      break;
    case MapChange::Kind::kUpdate:
      if (present) {
        ParseResult(Update(context, InputOf<pb::UpdateInput>(change)),
                    *output.mutable_update());
      } else {
        Insert(context, InputOf<pb::InsertInput>(change));
        output.mutable_update()->set_index(context.index());
      }
      break;
    case MapChange::Kind::kRemove:
      output.mutable_remove();
      if (!present) break;
      pb::RemoveInput input;
      input.set_key(change.key);
      ParseResult(Remove(context, input), *output.mutable_remove());
  }
}

}  // namespace primitive
