#include "client/list.h"

#include <functional>
#include <utility>

#include "atomix/multiraft/list/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::list::v1;

using One = Primitive<api::List>;
using Stub = api::List::Stub;

ListEvent FromApi(api::Event&& event) {
  ListEvent result{.index = event.index()};
  const auto set_value = [&result](ListEvent::Kind kind, api::Value& value) {
    result.kind = kind;
    result.value = std::move(*value.mutable_value());
  };
  switch (event.event_case()) {
    case api::Event::kInserted:
      set_value(ListEvent::Kind::kInserted,
                *event.mutable_inserted()->mutable_value());
      break;
    case api::Event::kUpdated:
      set_value(ListEvent::Kind::kUpdated,
                *event.mutable_updated()->mutable_value());
      result.prev_value = std::move(
          *event.mutable_updated()->mutable_prev_value()->mutable_value());
      break;
    case api::Event::kRemoved:
      set_value(ListEvent::Kind::kRemoved,
                *event.mutable_removed()->mutable_value());
      break;
    default:
      set_value(ListEvent::Kind::kAppended,
                *event.mutable_appended()->mutable_value());
  }
  return result;
}

template <class Input>
Input At(uint32_t index) {
  Input input;
  input.set_index(index);
  return input;
}

template <class Input>
Input At(uint32_t index, absl::string_view value) {
  auto input = At<Input>(index);
  input.mutable_value()->set_value(std::string(value));
  return input;
}

}  // namespace

struct List::Rep {
  std::shared_ptr<Spread<api::List>> spread;

  // Of RPCs that answer with an item.
  template <class Method, class Input>
  absl::StatusOr<std::string> Run(Method method, Input input) {
    ASSIGN_OR_RETURN(auto output, spread->Run(method, std::move(input)));
    return std::move(*output.mutable_item()->mutable_value()->mutable_value());
  }

  static std::unique_ptr<Stream<ListUpdate>> Items(One& one, bool watch) {
    api::ItemsInput input;
    input.set_watch(watch);
    return one.Watch<ListUpdate>(
        &Stub::Items, std::move(input),
        [](api::ItemsOutput output) {
          api::Item& item = *output.mutable_item();
          return ListUpdate{
              .index = item.index(),
              .value = std::move(*item.mutable_value()->mutable_value())};
        },
        [] { return ListUpdate{.kind = ListUpdate::Kind::kRestarted}; },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }
};

absl::StatusOr<List> List::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::List>::Open(session, name));
  return List(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<List> List::Open(Client& client, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::List>::ByName(client.pool(), name));
  return List(std::make_unique<Rep>(Rep{std::move(spread)}));
}

List::List(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
List::List(List&&) = default;
List& List::operator=(List&&) = default;
List::~List() = default;

absl::StatusOr<std::string> List::Get(uint32_t index) {
  return rep_->Run(&Stub::Get, At<api::GetInput>(index));
}

absl::StatusOr<uint32_t> List::Size() {
  ASSIGN_OR_RETURN(const auto output,
                   rep_->spread->Run(&Stub::Size, api::SizeInput()));
  return output.size();
}

absl::StatusOr<std::vector<std::string>> List::Items() {
  ASSIGN_OR_RETURN(auto updates, rep_->spread->Gather<ListUpdate>(
                                     rep_->spread->home(), [](One& one) {
                                       return Rep::Items(one, /*watch=*/false);
                                     }));
  std::vector<std::string> items;
  items.reserve(updates.size());
  for (ListUpdate& update : updates) items.push_back(std::move(update.value));
  return items;
}

absl::Status List::Append(absl::string_view value) {
  api::AppendInput input;
  input.mutable_value()->set_value(std::string(value));
  return rep_->spread->Run(&Stub::Append, std::move(input)).status();
}

absl::Status List::Insert(uint32_t index, absl::string_view value) {
  return rep_->Run(&Stub::Insert, At<api::InsertInput>(index, value)).status();
}

absl::Status List::Set(uint32_t index, absl::string_view value) {
  return rep_->Run(&Stub::Set, At<api::SetInput>(index, value)).status();
}

absl::StatusOr<std::string> List::Remove(uint32_t index) {
  return rep_->Run(&Stub::Remove, At<api::RemoveInput>(index));
}

absl::Status List::Clear() {
  return rep_->spread->Run(&Stub::Clear, api::ClearInput()).status();
}

std::unique_ptr<Stream<ListEvent>> List::Events() {
  return rep_->spread->StreamOf<ListEvent>(
      {rep_->spread->home()}, [](One& one) {
        return one.Watch<ListEvent>(
            &Stub::Events, api::EventsInput(),
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<ListUpdate>> List::Watch() {
  return rep_->spread->StreamOf<ListUpdate>(
      {rep_->spread->home()},
      [](One& one) { return Rep::Items(one, /*watch=*/true); });
}

absl::Status List::Close() { return rep_->spread->Close(); }

}  // namespace client
