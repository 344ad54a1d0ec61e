#include "client/map.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/key_locks.h"
#include "client/primitive.h"
#include "client/spread.h"
#include "client/status.h"

namespace client {
namespace {

namespace api = atomix::multiraft::map::v1;

using One = Primitive<api::Map>;
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

// A transaction that is prepared: its number belongs to a session.
struct Prepared {
  std::shared_ptr<One> one;
  uint64_t number = 0;

  absl::Status Abort() const {
    api::AbortInput input;
    input.set_sequence_num(number);
    return one->Run(&Stub::Abort, input).status();
  }
};

}  // namespace

struct Map::Rep {
  explicit Rep(std::shared_ptr<Spread<api::Map>> over)
      : spread(std::move(over)) {}

  const std::shared_ptr<Spread<api::Map>> spread;

  base::Mutex mu;
  // Of a cluster, by the number that is handed out, which is another one: two
  // sessions may have numbered the same. Of one session there is nothing here.
  std::map<uint64_t, Prepared> prepared ABSL_GUARDED_BY(mu);
  uint64_t last_prepared ABSL_GUARDED_BY(mu) = 0;

  // Where all of the changes belong.
  absl::StatusOr<size_t> PartOf(const std::vector<MapChange>& changes) const {
    size_t part = spread->home();
    for (const MapChange& change : changes) {
      const size_t one = spread->PartOf(change.key);
      if (&change != &changes.front() && one != part) {
        return absl::InvalidArgumentError(absl::StrCat(
            "keys \"", changes.front().key, "\" and \"", change.key,
            "\" are in different partitions: no transaction has both"));
      }
      part = one;
    }
    return part;
  }

  uint64_t Keep(Prepared one) {
    if (spread->is_one_session()) return one.number;
    base::MutexLock lock(mu);
    prepared.emplace(++last_prepared, std::move(one));
    return last_prepared;
  }
  absl::StatusOr<Prepared> Find(uint64_t transaction) {
    if (spread->is_one_session()) {
      ASSIGN_OR_RETURN(std::shared_ptr<One> one, spread->At(0));
      return Prepared{std::move(one), transaction};
    }
    base::MutexLock lock(mu);
    const auto it = prepared.find(transaction);
    if (it != prepared.end()) return it->second;
    return absl::NotFoundError(
        absl::StrCat("no transaction ", transaction, " is prepared"));
  }
  void Forget(uint64_t transaction) {
    base::MutexLock lock(mu);
    prepared.erase(transaction);
  }

  static std::unique_ptr<Stream<MapUpdate>> Entries(One& one, bool watch) {
    api::EntriesInput input;
    input.set_watch(watch);
    const auto seen = std::make_shared<SeenIndexes>();
    return one.Watch<MapUpdate>(
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
  ASSIGN_OR_RETURN(auto spread, Spread<api::Map>::Open(session, name));
  return Map(std::make_unique<Rep>(std::move(spread)));
}

absl::StatusOr<Map> Map::Open(Client& client, const PrimitiveName& name) {
  return Map(
      std::make_unique<Rep>(Spread<api::Map>::Over(client.pool(), name)));
}

Map::Map(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Map::Map(Map&&) = default;
Map& Map::operator=(Map&&) = default;
Map::~Map() = default;

absl::StatusOr<MapValue> Map::Get(absl::string_view key) {
  api::GetInput input;
  input.set_key(std::string(key));
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->RunOf(key, &Stub::Get, std::move(input)));
  return FromApi(std::move(*output.mutable_value()));
}

absl::StatusOr<uint32_t> Map::Size() {
  ASSIGN_OR_RETURN(const auto outputs,
                   rep_->spread->RunAll(&Stub::Size, api::SizeInput()));
  uint32_t size = 0;
  for (const auto& output : outputs) size += output.size();
  return size;
}

absl::StatusOr<std::vector<MapEntry>> Map::List() {
  ASSIGN_OR_RETURN(auto updates,
                   rep_->spread->GatherAll<MapUpdate>([](One& one) {
                     return Rep::Entries(one, /*watch=*/false);
                   }));
  std::vector<MapEntry> entries;
  entries.reserve(updates.size());
  for (MapUpdate& update : updates) entries.push_back(std::move(update.entry));
  // Those of each partition are in order.
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return entries;
}

absl::StatusOr<MapWritten> Map::Put(absl::string_view key,
                                    absl::string_view value,
                                    const MapWrite& how) {
  api::PutInput input;
  FillWrite(key, value, how.ttl, input);
  input.set_prev_index(how.prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->RunOf(key, &Stub::Put, std::move(input)));
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
                   rep_->spread->RunOf(key, &Stub::Insert, std::move(input)));
  return MapWritten{.index = output.index()};
}

absl::StatusOr<MapWritten> Map::Update(absl::string_view key,
                                       absl::string_view value,
                                       const MapWrite& how) {
  api::UpdateInput input;
  FillWrite(key, value, how.ttl, input);
  input.set_prev_index(how.prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->RunOf(key, &Stub::Update, std::move(input)));
  return WrittenFrom(std::move(output));
}

absl::StatusOr<MapValue> Map::Remove(absl::string_view key,
                                     uint64_t prev_index) {
  api::RemoveInput input;
  input.set_key(std::string(key));
  input.set_prev_index(prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->RunOf(key, &Stub::Remove, std::move(input)));
  return FromApi(std::move(*output.mutable_value()));
}

absl::Status Map::Clear() {
  return rep_->spread->RunAll(&Stub::Clear, api::ClearInput()).status();
}

absl::StatusOr<std::vector<MapWritten>> Map::Apply(
    const std::vector<MapChange>& changes) {
  ASSIGN_OR_RETURN(const size_t part, rep_->PartOf(changes));
  api::ApplyInput input;
  for (const MapChange& change : changes) *input.add_inputs() = ToApi(change);
  ASSIGN_OR_RETURN(auto output, rep_->spread->RunAt(part, &Stub::Apply, input));
  return WrittenFromAll(*output.mutable_outputs());
}

absl::StatusOr<uint64_t> Map::Prepare(const std::vector<MapChange>& changes) {
  ASSIGN_OR_RETURN(const size_t part, rep_->PartOf(changes));
  api::PrepareInput input;
  for (const MapChange& change : changes) *input.add_inputs() = ToApi(change);
  Prepared prepared;
  const absl::Status done = rep_->spread->With(
      part, [&](const std::shared_ptr<One>& one) -> absl::Status {
        prepared.one = one;
        return one
            ->Run(&Stub::Prepare, input,
                  [&](api::PrepareInput& message, uint64_t number) {
                    prepared.number = number;
                    message.set_sequence_num(number);
                  })
            .status();
      });
  if (done.ok()) return rep_->Keep(std::move(prepared));
  // Nobody else knows its number, and its keys would be kept from all others.
  if (IsOutcomeUnknown(done)) prepared.Abort().IgnoreError();
  return done;
}

absl::StatusOr<std::vector<MapWritten>> Map::Commit(uint64_t transaction) {
  ASSIGN_OR_RETURN(const Prepared prepared, rep_->Find(transaction));
  api::CommitInput input;
  input.set_sequence_num(prepared.number);
  ASSIGN_OR_RETURN(auto output, prepared.one->Run(&Stub::Commit, input));
  rep_->Forget(transaction);
  return WrittenFromAll(*output.mutable_outputs());
}

absl::Status Map::Abort(uint64_t transaction) {
  ASSIGN_OR_RETURN(const Prepared prepared, rep_->Find(transaction));
  RETURN_IF_ERROR(prepared.Abort());
  rep_->Forget(transaction);
  return absl::OkStatus();
}

absl::Status Map::LockKeys(const std::vector<std::string>& keys,
                           const WaitOptions& options) {
  return client::LockKeys(*rep_->spread, &Stub::Lock, &Stub::Unlock, keys,
                          options);
}

absl::Status Map::UnlockKeys(const std::vector<std::string>& keys) {
  return client::UnlockKeys(*rep_->spread, &Stub::Unlock, keys);
}

std::unique_ptr<Stream<MapEvent>> Map::Events(absl::string_view key) {
  api::EventsInput input;
  input.set_key(std::string(key));
  return rep_->spread->StreamOf<MapEvent>(
      rep_->spread->PartsOf(key), [input = std::move(input)](One& one) {
        return one.Watch<MapEvent>(
            &Stub::Events, input,
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<MapUpdate>> Map::Watch() {
  return rep_->spread->StreamOf<MapUpdate>(rep_->spread->all(), [](One& one) {
    return Rep::Entries(one, /*watch=*/true);
  });
}

absl::Status Map::Close() { return rep_->spread->Close(); }

}  // namespace client
