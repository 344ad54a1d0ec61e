#include "client/set.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "atomix/multiraft/set/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::set::v1;

using One = Primitive<api::Set>;
using Stub = api::Set::Stub;

SetEvent FromApi(api::Event&& event) {
  SetEvent result;
  if (event.has_removed()) {
    result.kind = SetEvent::Kind::kRemoved;
    result.element =
        std::move(*event.mutable_removed()->mutable_element()->mutable_value());
    result.expired = event.removed().expired();
  } else {
    result.element =
        std::move(*event.mutable_added()->mutable_element()->mutable_value());
  }
  return result;
}

// Whether a command changed the set: no is one of its statuses.
template <class Output>
absl::StatusOr<bool> Changed(const absl::StatusOr<Output>& output,
                             absl::StatusCode no) {
  if (output.ok()) return true;
  if (output.status().code() == no) return false;
  return output.status();
}

// Those that a watch has shown and that are in the set.
using SeenElements = absl::flat_hash_set<std::string>;

// The protocol says that an element is gone by sending it once more.
SetUpdate::Kind KindOf(const std::string& element, SeenElements& seen) {
  if (seen.insert(element).second) return SetUpdate::Kind::kElement;
  seen.erase(element);
  return SetUpdate::Kind::kRemoved;
}

}  // namespace

struct Set::Rep {
  std::shared_ptr<Spread<api::Set>> spread;

  static std::unique_ptr<Stream<SetUpdate>> Elements(One& one, bool watch) {
    api::ElementsInput input;
    input.set_watch(watch);
    const auto seen = std::make_shared<SeenElements>();
    return one.Watch<SetUpdate>(
        &Stub::Elements, std::move(input),
        [seen, watch](api::ElementsOutput output) {
          SetUpdate update{
              .element = std::move(*output.mutable_element()->mutable_value())};
          if (watch) update.kind = KindOf(update.element, *seen);
          return update;
        },
        [seen] {
          seen->clear();
          return SetUpdate{.kind = SetUpdate::Kind::kRestarted};
        },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }
};

absl::StatusOr<Set> Set::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::Set>::Open(session, name));
  return Set(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<Set> Set::Open(Client& client, const PrimitiveName& name) {
  return Set(
      std::make_unique<Rep>(Rep{Spread<api::Set>::Over(client.pool(), name)}));
}

Set::Set(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Set::Set(Set&&) = default;
Set& Set::operator=(Set&&) = default;
Set::~Set() = default;

absl::StatusOr<bool> Set::Contains(absl::string_view element) {
  api::ContainsInput input;
  input.mutable_element()->set_value(std::string(element));
  ASSIGN_OR_RETURN(
      const auto output,
      rep_->spread->RunOf(element, &Stub::Contains, std::move(input)));
  return output.contains();
}

absl::StatusOr<uint32_t> Set::Size() {
  ASSIGN_OR_RETURN(const auto outputs,
                   rep_->spread->RunAll(&Stub::Size, api::SizeInput()));
  uint32_t size = 0;
  for (const auto& output : outputs) size += output.size();
  return size;
}

absl::StatusOr<std::vector<std::string>> Set::List() {
  ASSIGN_OR_RETURN(auto updates,
                   rep_->spread->GatherAll<SetUpdate>([](One& one) {
                     return Rep::Elements(one, /*watch=*/false);
                   }));
  std::vector<std::string> elements;
  elements.reserve(updates.size());
  for (SetUpdate& update : updates)
    elements.push_back(std::move(update.element));
  // Those of each partition are in order.
  std::sort(elements.begin(), elements.end());
  return elements;
}

absl::StatusOr<bool> Set::Add(absl::string_view element,
                              std::optional<absl::Duration> ttl) {
  api::AddInput input;
  input.mutable_element()->set_value(std::string(element));
  if (ttl.has_value()) *input.mutable_ttl() = ToProto(*ttl);
  return Changed(rep_->spread->RunOf(element, &Stub::Add, std::move(input)),
                 absl::StatusCode::kAlreadyExists);
}

absl::StatusOr<bool> Set::Add(absl::string_view element) {
  return Add(element, std::nullopt);
}

absl::StatusOr<bool> Set::Remove(absl::string_view element) {
  api::RemoveInput input;
  input.mutable_element()->set_value(std::string(element));
  return Changed(rep_->spread->RunOf(element, &Stub::Remove, std::move(input)),
                 absl::StatusCode::kNotFound);
}

absl::Status Set::Clear() {
  return rep_->spread->RunAll(&Stub::Clear, api::ClearInput()).status();
}

std::unique_ptr<Stream<SetEvent>> Set::Events() {
  return rep_->spread->StreamOf<SetEvent>(rep_->spread->all(), [](One& one) {
    return one.Watch<SetEvent>(
        &Stub::Events, api::EventsInput(),
        [](api::EventsOutput output) {
          return FromApi(std::move(*output.mutable_event()));
        },
        /*restarted=*/nullptr, StreamEnd::kNone);
  });
}

std::unique_ptr<Stream<SetUpdate>> Set::Watch() {
  return rep_->spread->StreamOf<SetUpdate>(rep_->spread->all(), [](One& one) {
    return Rep::Elements(one, /*watch=*/true);
  });
}

absl::Status Set::Close() { return rep_->spread->Close(); }

}  // namespace client
