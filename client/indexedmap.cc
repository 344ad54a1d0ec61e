#include "client/indexedmap.h"

#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "atomix/multiraft/indexedmap/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::indexedmap::v1;

using One = Primitive<api::IndexedMap>;
using Stub = api::IndexedMap::Stub;

IndexedMapEntry FromApi(api::Entry&& entry) {
  return {.key = std::move(*entry.mutable_key()),
          .index = entry.index(),
          .value = std::move(*entry.mutable_value()->mutable_value()),
          .version = entry.value().version()};
}

IndexedMapEvent FromApi(api::Event&& event) {
  IndexedMapEvent result;
  result.entry.key = std::move(*event.mutable_key());
  result.entry.index = event.index();
  const auto set_value = [&result](api::Value& value) {
    result.entry.value = std::move(*value.mutable_value());
    result.entry.version = value.version();
  };
  switch (event.event_case()) {
    case api::Event::kUpdated: {
      result.kind = IndexedMapEvent::Kind::kUpdated;
      set_value(*event.mutable_updated()->mutable_value());
      api::Value& prev = *event.mutable_updated()->mutable_prev_value();
      result.prev_value = std::move(*prev.mutable_value());
      result.prev_version = prev.version();
      break;
    }
    case api::Event::kRemoved:
      result.kind = IndexedMapEvent::Kind::kRemoved;
      set_value(*event.mutable_removed()->mutable_value());
      result.expired = event.removed().expired();
      break;
    default:
      set_value(*event.mutable_inserted()->mutable_value());
  }
  return result;
}

// Which entry a request is about: by key or by index.
template <class Input>
Input About(absl::string_view key, uint64_t index) {
  Input input;
  input.set_key(std::string(key));
  input.set_index(index);
  return input;
}

// The version of each entry that a watch has shown, by index.
using SeenVersions = absl::flat_hash_map<uint64_t, uint64_t>;

// The protocol says that an entry is gone by sending it once more: each write
// has a version of its own.
bool IsRemoval(const IndexedMapEntry& entry, SeenVersions& seen) {
  const auto [it, is_new] = seen.emplace(entry.index, entry.version);
  if (is_new) return false;
  if (std::exchange(it->second, entry.version) != entry.version) return false;
  seen.erase(it);
  return true;
}

// Indexes count from 1; on the wire 0 means: by key.
absl::Status CheckIndex(uint64_t index) {
  if (index != 0) return absl::OkStatus();
  return absl::NotFoundError("no entry has the index 0");
}

}  // namespace

struct IndexedMap::Rep {
  std::shared_ptr<Spread<api::IndexedMap>> spread;

  // Of RPCs that answer with an entry.
  template <class Method, class Input>
  absl::StatusOr<IndexedMapEntry> Run(Method method, Input input) {
    ASSIGN_OR_RETURN(auto output, spread->Run(method, std::move(input)));
    return FromApi(std::move(*output.mutable_entry()));
  }

  absl::StatusOr<IndexedMapEntry> Update(absl::string_view key, uint64_t index,
                                         absl::string_view value,
                                         const IndexedMapWrite& how) {
    auto input = About<api::UpdateInput>(key, index);
    input.set_value(std::string(value));
    input.set_prev_version(how.prev_version);
    if (how.ttl.has_value()) *input.mutable_ttl() = ToProto(*how.ttl);
    return Run(&Stub::Update, std::move(input));
  }

  absl::StatusOr<IndexedMapEntry> Remove(absl::string_view key, uint64_t index,
                                         uint64_t prev_version) {
    auto input = About<api::RemoveInput>(key, index);
    input.set_prev_version(prev_version);
    return Run(&Stub::Remove, std::move(input));
  }

  static std::unique_ptr<Stream<IndexedMapUpdate>> Entries(One& one,
                                                           bool watch) {
    api::EntriesInput input;
    input.set_watch(watch);
    const auto seen = std::make_shared<SeenVersions>();
    return one.Watch<IndexedMapUpdate>(
        &Stub::Entries, std::move(input),
        [seen, watch](api::EntriesOutput output) {
          IndexedMapUpdate update{
              .entry = FromApi(std::move(*output.mutable_entry()))};
          if (watch && IsRemoval(update.entry, *seen)) {
            update.kind = IndexedMapUpdate::Kind::kRemoved;
          }
          return update;
        },
        [seen] {
          seen->clear();
          return IndexedMapUpdate{.kind = IndexedMapUpdate::Kind::kRestarted};
        },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }
};

absl::StatusOr<IndexedMap> IndexedMap::Open(Session& session,
                                            const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::IndexedMap>::Open(session, name));
  return IndexedMap(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<IndexedMap> IndexedMap::Open(Client& client,
                                            const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread,
                   Spread<api::IndexedMap>::ByName(client.pool(), name));
  return IndexedMap(std::make_unique<Rep>(Rep{std::move(spread)}));
}

IndexedMap::IndexedMap(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
IndexedMap::IndexedMap(IndexedMap&&) = default;
IndexedMap& IndexedMap::operator=(IndexedMap&&) = default;
IndexedMap::~IndexedMap() = default;

absl::StatusOr<IndexedMapEntry> IndexedMap::Get(absl::string_view key) {
  return rep_->Run(&Stub::Get, About<api::GetInput>(key, 0));
}

absl::StatusOr<IndexedMapEntry> IndexedMap::GetAt(uint64_t index) {
  RETURN_IF_ERROR(CheckIndex(index));
  return rep_->Run(&Stub::Get, About<api::GetInput>("", index));
}

absl::StatusOr<IndexedMapEntry> IndexedMap::First() {
  return rep_->Run(&Stub::FirstEntry, api::FirstEntryInput());
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Last() {
  return rep_->Run(&Stub::LastEntry, api::LastEntryInput());
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Next(uint64_t index) {
  api::NextEntryInput input;
  input.set_index(index);
  return rep_->Run(&Stub::NextEntry, std::move(input));
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Prev(uint64_t index) {
  api::PrevEntryInput input;
  input.set_index(index);
  return rep_->Run(&Stub::PrevEntry, std::move(input));
}

absl::StatusOr<uint32_t> IndexedMap::Size() {
  ASSIGN_OR_RETURN(const auto output,
                   rep_->spread->Run(&Stub::Size, api::SizeInput()));
  return output.size();
}

absl::StatusOr<std::vector<IndexedMapEntry>> IndexedMap::List() {
  ASSIGN_OR_RETURN(auto updates, rep_->spread->Gather<IndexedMapUpdate>(
                                     rep_->spread->home(), [](One& one) {
                                       return Rep::Entries(one,
                                                           /*watch=*/false);
                                     }));
  std::vector<IndexedMapEntry> entries;
  entries.reserve(updates.size());
  for (IndexedMapUpdate& update : updates)
    entries.push_back(std::move(update.entry));
  return entries;
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Append(
    absl::string_view key, absl::string_view value,
    std::optional<absl::Duration> ttl) {
  api::AppendInput input;
  input.set_key(std::string(key));
  input.set_value(std::string(value));
  if (ttl.has_value()) *input.mutable_ttl() = ToProto(*ttl);
  return rep_->Run(&Stub::Append, std::move(input));
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Append(absl::string_view key,
                                                   absl::string_view value) {
  return Append(key, value, std::nullopt);
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Update(absl::string_view key,
                                                   absl::string_view value,
                                                   const IndexedMapWrite& how) {
  return rep_->Update(key, 0, value, how);
}

absl::StatusOr<IndexedMapEntry> IndexedMap::UpdateAt(
    uint64_t index, absl::string_view value, const IndexedMapWrite& how) {
  RETURN_IF_ERROR(CheckIndex(index));
  return rep_->Update("", index, value, how);
}

absl::StatusOr<IndexedMapEntry> IndexedMap::Remove(absl::string_view key,
                                                   uint64_t prev_version) {
  return rep_->Remove(key, 0, prev_version);
}

absl::StatusOr<IndexedMapEntry> IndexedMap::RemoveAt(uint64_t index,
                                                     uint64_t prev_version) {
  RETURN_IF_ERROR(CheckIndex(index));
  return rep_->Remove("", index, prev_version);
}

absl::Status IndexedMap::Clear() {
  return rep_->spread->Run(&Stub::Clear, api::ClearInput()).status();
}

std::unique_ptr<Stream<IndexedMapEvent>> IndexedMap::Events(
    absl::string_view key) {
  api::EventsInput input;
  input.set_key(std::string(key));
  return rep_->spread->StreamOf<IndexedMapEvent>(
      {rep_->spread->home()}, [input = std::move(input)](One& one) {
        return one.Watch<IndexedMapEvent>(
            &Stub::Events, input,
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<IndexedMapUpdate>> IndexedMap::Watch() {
  return rep_->spread->StreamOf<IndexedMapUpdate>(
      {rep_->spread->home()},
      [](One& one) { return Rep::Entries(one, /*watch=*/true); });
}

absl::Status IndexedMap::Close() { return rep_->spread->Close(); }

}  // namespace client
