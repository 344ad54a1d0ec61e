#include "client/map.h"

#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/status.h"

namespace client {
namespace {

namespace api = atomix::multiraft::map::v1;

using Stub = api::Map::Stub;

MapValue FromApi(api::IndexedValue&& value) {
  return {std::move(*value.mutable_value()), value.index()};
}

MapEntry FromApi(api::Entry&& entry) {
  return {std::move(*entry.mutable_key()),
          FromApi(std::move(*entry.mutable_value()))};
}

MapEvent FromApi(api::Event&& event) {
  MapEvent result;
  result.key = std::move(*event.mutable_key());
  switch (event.event_case()) {
    case api::Event::kUpdated:
      result.kind = MapEvent::Kind::kUpdated;
      result.value =
          FromApi(std::move(*event.mutable_updated()->mutable_value()));
      result.prev =
          FromApi(std::move(*event.mutable_updated()->mutable_prev_value()));
      break;
    case api::Event::kRemoved:
      result.kind = MapEvent::Kind::kRemoved;
      result.value =
          FromApi(std::move(*event.mutable_removed()->mutable_value()));
      result.expired = event.removed().expired();
      break;
    default:
      result.kind = MapEvent::Kind::kInserted;
      result.value =
          FromApi(std::move(*event.mutable_inserted()->mutable_value()));
  }
  return result;
}

// Put and Update answer alike.
template <class Output>
MapWritten WrittenFrom(Output&& output) {
  MapWritten written{.index = output.index()};
  if (output.has_prev_value()) {
    written.prev = FromApi(std::move(*output.mutable_prev_value()));
  }
  return written;
}

template <class Outputs>
std::vector<MapWritten> WrittenFromAll(Outputs&& outputs) {
  std::vector<MapWritten> all;
  for (api::MapOutput& output : outputs) {
    MapWritten& written = all.emplace_back();
    if (output.has_put()) {
      written = WrittenFrom(std::move(*output.mutable_put()));
    } else if (output.has_insert()) {
      written.index = output.insert().index();
    } else if (output.has_update()) {
      written = WrittenFrom(std::move(*output.mutable_update()));
    } else if (output.remove().has_value()) {
      written.prev =
          FromApi(std::move(*output.mutable_remove()->mutable_value()));
    }
  }
  return all;
}

template <class Input>
void FillWrite(absl::string_view key, absl::string_view value,
               std::optional<absl::Duration> ttl, Input& input) {
  input.set_key(std::string(key));
  input.set_value(std::string(value));
  if (ttl.has_value()) *input.mutable_ttl() = ToProto(*ttl);
}

api::MapInput ToApi(const MapChange& change) {
  const auto fill = [&change](auto& input) {
    FillWrite(change.key, change.value, change.how.ttl, input);
  };
  api::MapInput input;
  switch (change.kind) {
    case MapChange::Kind::kPut:
      fill(*input.mutable_put());
      input.mutable_put()->set_prev_index(change.how.prev_index);
      break;
    case MapChange::Kind::kInsert:
      fill(*input.mutable_insert());
      break;
    case MapChange::Kind::kUpdate:
      fill(*input.mutable_update());
      input.mutable_update()->set_prev_index(change.how.prev_index);
      break;
    case MapChange::Kind::kRemove:
      input.mutable_remove()->set_key(change.key);
      input.mutable_remove()->set_prev_index(change.how.prev_index);
  }
  return input;
}

// Of the keys that a watch has shown.
using SeenIndexes = absl::flat_hash_map<std::string, uint64_t>;

// The protocol says that a key is gone by sending its entry once more: each
// write has an index of its own.
bool IsRemoval(const MapEntry& entry, SeenIndexes& seen) {
  const auto [it, is_new] = seen.emplace(entry.key, entry.value.index);
  if (is_new) return false;
  if (std::exchange(it->second, entry.value.index) != entry.value.index) {
    return false;
  }
  seen.erase(it);
  return true;
}

}  // namespace

struct Map::Rep {
  Primitive<api::Map> primitive;

  std::unique_ptr<Stream<MapUpdate>> Entries(bool watch) {
    api::EntriesInput input;
    input.set_watch(watch);
    const auto seen = std::make_shared<SeenIndexes>();
    return primitive.Watch<MapUpdate>(
        &Stub::Entries, std::move(input),
        [seen, watch](api::EntriesOutput output) {
          MapUpdate update{.entry =
                               FromApi(std::move(*output.mutable_entry()))};
          if (watch && IsRemoval(update.entry, *seen)) {
            update.kind = MapUpdate::Kind::kRemoved;
          }
          return update;
        },
        [seen] {
          seen->clear();
          return MapUpdate{.kind = MapUpdate::Kind::kRestarted};
        },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }
};

absl::StatusOr<Map> Map::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto primitive, Primitive<api::Map>::Open(session, name));
  return Map(std::make_unique<Rep>(Rep{std::move(primitive)}));
}

Map::Map(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Map::Map(Map&&) = default;
Map& Map::operator=(Map&&) = default;
Map::~Map() = default;

absl::StatusOr<MapValue> Map::Get(absl::string_view key) {
  api::GetInput input;
  input.set_key(std::string(key));
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Get, std::move(input)));
  return FromApi(std::move(*output.mutable_value()));
}

absl::StatusOr<uint32_t> Map::Size() {
  ASSIGN_OR_RETURN(const auto output,
                   rep_->primitive.Run(&Stub::Size, api::SizeInput()));
  return output.size();
}

absl::StatusOr<std::vector<MapEntry>> Map::List() {
  const std::unique_ptr<Stream<MapUpdate>> listing =
      rep_->Entries(/*watch=*/false);
  std::vector<MapEntry> entries;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<MapUpdate> update, listing->Next());
    if (!update.has_value()) return entries;
    if (update->kind == MapUpdate::Kind::kRestarted) {
      entries.clear();
    } else {
      entries.push_back(std::move(update->entry));
    }
  }
}

absl::StatusOr<MapWritten> Map::Put(absl::string_view key,
                                    absl::string_view value,
                                    const MapWrite& how) {
  api::PutInput input;
  FillWrite(key, value, how.ttl, input);
  input.set_prev_index(how.prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Put, std::move(input)));
  return WrittenFrom(std::move(output));
}

absl::StatusOr<MapWritten> Map::Put(absl::string_view key,
                                    absl::string_view value) {
  return Put(key, value, MapWrite());
}

absl::StatusOr<MapWritten> Map::Insert(absl::string_view key,
                                       absl::string_view value,
                                       std::optional<absl::Duration> ttl) {
  api::InsertInput input;
  FillWrite(key, value, ttl, input);
  ASSIGN_OR_RETURN(const auto output,
                   rep_->primitive.Run(&Stub::Insert, std::move(input)));
  return MapWritten{.index = output.index()};
}

absl::StatusOr<MapWritten> Map::Update(absl::string_view key,
                                       absl::string_view value,
                                       const MapWrite& how) {
  api::UpdateInput input;
  FillWrite(key, value, how.ttl, input);
  input.set_prev_index(how.prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Update, std::move(input)));
  return WrittenFrom(std::move(output));
}

absl::StatusOr<MapValue> Map::Remove(absl::string_view key,
                                     uint64_t prev_index) {
  api::RemoveInput input;
  input.set_key(std::string(key));
  input.set_prev_index(prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Remove, std::move(input)));
  return FromApi(std::move(*output.mutable_value()));
}

absl::Status Map::Clear() {
  return rep_->primitive.Run(&Stub::Clear, api::ClearInput()).status();
}

absl::StatusOr<std::vector<MapWritten>> Map::Apply(
    const std::vector<MapChange>& changes) {
  api::ApplyInput input;
  for (const MapChange& change : changes) *input.add_inputs() = ToApi(change);
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Apply, std::move(input)));
  return WrittenFromAll(*output.mutable_outputs());
}

absl::StatusOr<uint64_t> Map::Prepare(const std::vector<MapChange>& changes) {
  api::PrepareInput input;
  for (const MapChange& change : changes) *input.add_inputs() = ToApi(change);
  uint64_t transaction = 0;
  const absl::Status prepared =
      rep_->primitive
          .Run(&Stub::Prepare, std::move(input),
               [&](api::PrepareInput& message, uint64_t number) {
                 transaction = number;
                 message.set_sequence_num(number);
               })
          .status();
  if (prepared.ok()) return transaction;
  // Nobody else knows its number, and its keys would be kept from all others.
  if (IsOutcomeUnknown(prepared)) Abort(transaction).IgnoreError();
  return prepared;
}

absl::StatusOr<std::vector<MapWritten>> Map::Commit(uint64_t transaction) {
  api::CommitInput input;
  input.set_sequence_num(transaction);
  ASSIGN_OR_RETURN(auto output,
                   rep_->primitive.Run(&Stub::Commit, std::move(input)));
  return WrittenFromAll(*output.mutable_outputs());
}

absl::Status Map::Abort(uint64_t transaction) {
  api::AbortInput input;
  input.set_sequence_num(transaction);
  return rep_->primitive.Run(&Stub::Abort, std::move(input)).status();
}

absl::Status Map::LockKeys(const std::vector<std::string>& keys,
                           const WaitOptions& options) {
  api::LockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  if (options.limit.has_value()) {
    *input.mutable_timeout() = ToProto(*options.limit);
  }
  return rep_->primitive.Wait(&Stub::Lock, std::move(input), options).status();
}

absl::Status Map::UnlockKeys(const std::vector<std::string>& keys) {
  api::UnlockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  return rep_->primitive.Run(&Stub::Unlock, std::move(input)).status();
}

std::unique_ptr<Stream<MapEvent>> Map::Events(absl::string_view key) {
  api::EventsInput input;
  input.set_key(std::string(key));
  return rep_->primitive.Watch<MapEvent>(
      &Stub::Events, std::move(input),
      [](api::EventsOutput output) {
        return FromApi(std::move(*output.mutable_event()));
      },
      /*restarted=*/nullptr, StreamEnd::kNone);
}

std::unique_ptr<Stream<MapUpdate>> Map::Watch() {
  return rep_->Entries(/*watch=*/true);
}

absl::Status Map::Close() { return rep_->primitive.Close(); }

}  // namespace client
