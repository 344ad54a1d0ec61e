#include "client/multimap.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "atomix/multiraft/multimap/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::multimap::v1;

using One = Primitive<api::MultiMap>;
using Stub = api::MultiMap::Stub;
using Values = MultiMap::Values;

Values FromApi(google::protobuf::RepeatedPtrField<std::string>&& values) {
  Values result;
  result.reserve(values.size());
  for (std::string& value : values) result.push_back(std::move(value));
  return result;
}

MultiMapEntry FromApi(api::Entry&& entry) {
  return {std::move(*entry.mutable_key()),
          FromApi(std::move(*entry.mutable_values()))};
}

MultiMapEvent FromApi(api::Event&& event) {
  MultiMapEvent result;
  result.key = std::move(*event.mutable_key());
  if (event.has_removed()) {
    result.kind = MultiMapEvent::Kind::kRemoved;
    result.value = std::move(*event.mutable_removed()->mutable_value());
  } else {
    result.value = std::move(*event.mutable_added()->mutable_value());
  }
  return result;
}

template <class Input>
Input InputOf(absl::string_view key, absl::string_view value) {
  Input input;
  input.set_key(std::string(key));
  input.set_value(std::string(value));
  return input;
}

template <class Input>
Input InputOf(absl::string_view key, const Values& values) {
  Input input;
  input.set_key(std::string(key));
  *input.mutable_values() = {values.begin(), values.end()};
  return input;
}

template <class Input>
Input InputOf(const std::vector<MultiMapEntry>& entries) {
  Input input;
  for (const MultiMapEntry& entry : entries) {
    api::Entry& added = *input.add_entries();
    added.set_key(entry.key);
    *added.mutable_values() = {entry.values.begin(), entry.values.end()};
  }
  return input;
}

// Whether a command changed the multimap, of an output that says so...
template <class Output>
absl::StatusOr<bool> Updated(const absl::StatusOr<Output>& output) {
  if (!output.ok()) return output.status();
  return output->updated();
}

// ... or of a command where no is one of its statuses.
absl::StatusOr<bool> Updated(const absl::Status& status, absl::StatusCode no) {
  if (status.ok()) return true;
  if (status.code() == no) return false;
  return status;
}

}  // namespace

struct MultiMap::Rep {
  std::shared_ptr<Spread<api::MultiMap>> spread;

  // Those of each partition at once.
  template <class Input, class Method>
  absl::StatusOr<bool> ChangeEntries(
      Method method, const std::vector<MultiMapEntry>& entries) {
    std::map<size_t, std::vector<MultiMapEntry>> parts;
    for (const MultiMapEntry& entry : entries) {
      parts[spread->PartOf(entry.key)].push_back(entry);
    }
    if (parts.empty()) parts[spread->home()] = {};
    bool any = false;
    for (const auto& [part, some] : parts) {
      ASSIGN_OR_RETURN(
          const bool changed,
          Updated(spread->RunAt(part, method, InputOf<Input>(some))));
      any = any || changed;
    }
    return any;
  }

  static std::unique_ptr<Stream<MultiMapUpdate>> Entries(One& one, bool watch) {
    api::EntriesInput input;
    input.set_watch(watch);
    return one.Watch<MultiMapUpdate>(
        &Stub::Entries, std::move(input),
        [](api::EntriesOutput output) {
          MultiMapUpdate update{
              .entry = FromApi(std::move(*output.mutable_entry()))};
          if (update.entry.values.empty()) {
            update.kind = MultiMapUpdate::Kind::kRemoved;
          }
          return update;
        },
        [] { return MultiMapUpdate{.kind = MultiMapUpdate::Kind::kRestarted}; },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }
};

absl::StatusOr<MultiMap> MultiMap::Open(Session& session,
                                        const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::MultiMap>::Open(session, name));
  return MultiMap(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<MultiMap> MultiMap::Open(Client& client,
                                        const PrimitiveName& name) {
  return MultiMap(std::make_unique<Rep>(
      Rep{Spread<api::MultiMap>::Over(client.pool(), name)}));
}

MultiMap::MultiMap(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
MultiMap::MultiMap(MultiMap&&) = default;
MultiMap& MultiMap::operator=(MultiMap&&) = default;
MultiMap::~MultiMap() = default;

absl::StatusOr<Values> MultiMap::Get(absl::string_view key) {
  api::GetInput input;
  input.set_key(std::string(key));
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->RunOf(key, &Stub::Get, std::move(input)));
  return FromApi(std::move(*output.mutable_values()));
}

absl::StatusOr<bool> MultiMap::Contains(absl::string_view key,
                                        absl::string_view value) {
  ASSIGN_OR_RETURN(
      const auto output,
      rep_->spread->RunOf(key, &Stub::Contains,
                          InputOf<api::ContainsInput>(key, value)));
  return output.result();
}

absl::StatusOr<uint32_t> MultiMap::Size() {
  ASSIGN_OR_RETURN(const auto outputs,
                   rep_->spread->RunAll(&Stub::Size, api::SizeInput()));
  uint32_t size = 0;
  for (const auto& output : outputs) size += output.size();
  return size;
}

absl::StatusOr<std::vector<MultiMapEntry>> MultiMap::List() {
  ASSIGN_OR_RETURN(auto updates,
                   rep_->spread->GatherAll<MultiMapUpdate>([](One& one) {
                     return Rep::Entries(one, /*watch=*/false);
                   }));
  std::vector<MultiMapEntry> entries;
  entries.reserve(updates.size());
  for (MultiMapUpdate& update : updates)
    entries.push_back(std::move(update.entry));
  // Those of each partition are in order.
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return entries;
}

absl::StatusOr<bool> MultiMap::Put(absl::string_view key,
                                   absl::string_view value) {
  return Updated(
      rep_->spread->RunOf(key, &Stub::Put, InputOf<api::PutInput>(key, value))
          .status(),
      absl::StatusCode::kAlreadyExists);
}

absl::StatusOr<bool> MultiMap::PutAll(absl::string_view key,
                                      const Values& values) {
  return Updated(rep_->spread->RunOf(key, &Stub::PutAll,
                                     InputOf<api::PutAllInput>(key, values)));
}

absl::StatusOr<bool> MultiMap::PutEntries(
    const std::vector<MultiMapEntry>& entries) {
  return rep_->ChangeEntries<api::PutEntriesInput>(&Stub::PutEntries, entries);
}

absl::StatusOr<Values> MultiMap::Replace(absl::string_view key,
                                         const Values& values) {
  ASSIGN_OR_RETURN(auto output, rep_->spread->RunOf(
                                    key, &Stub::Replace,
                                    InputOf<api::ReplaceInput>(key, values)));
  return FromApi(std::move(*output.mutable_prev_values()));
}

absl::StatusOr<bool> MultiMap::Remove(absl::string_view key,
                                      absl::string_view value) {
  return Updated(
      rep_->spread
          ->RunOf(key, &Stub::Remove, InputOf<api::RemoveInput>(key, value))
          .status(),
      absl::StatusCode::kNotFound);
}

absl::StatusOr<bool> MultiMap::RemoveAll(absl::string_view key,
                                         const Values& values) {
  const auto output = rep_->spread->RunOf(
      key, &Stub::RemoveAll, InputOf<api::RemoveAllInput>(key, values));
  // The key is absent.
  if (absl::IsNotFound(output.status())) return false;
  return Updated(output);
}

absl::StatusOr<bool> MultiMap::RemoveEntries(
    const std::vector<MultiMapEntry>& entries) {
  return rep_->ChangeEntries<api::RemoveEntriesInput>(&Stub::RemoveEntries,
                                                      entries);
}

absl::Status MultiMap::Clear() {
  return rep_->spread->RunAll(&Stub::Clear, api::ClearInput()).status();
}

std::unique_ptr<Stream<MultiMapEvent>> MultiMap::Events(absl::string_view key) {
  api::EventsInput input;
  input.set_key(std::string(key));
  return rep_->spread->StreamOf<MultiMapEvent>(
      rep_->spread->PartsOf(key), [input = std::move(input)](One& one) {
        return one.Watch<MultiMapEvent>(
            &Stub::Events, input,
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<MultiMapUpdate>> MultiMap::Watch() {
  return rep_->spread->StreamOf<MultiMapUpdate>(
      rep_->spread->all(),
      [](One& one) { return Rep::Entries(one, /*watch=*/true); });
}

absl::Status MultiMap::Close() { return rep_->spread->Close(); }

}  // namespace client
