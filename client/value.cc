#include "client/value.h"

#include <utility>

#include "atomix/multiraft/value/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::value::v1;

using One = Primitive<api::Value>;
using Stub = api::Value::Stub;

ValueVersion FromApi(api::IndexedValue&& value) {
  return {std::move(*value.mutable_value()), value.index()};
}

ValueEvent FromApi(api::Event&& event) {
  ValueEvent result;
  switch (event.event_case()) {
    case api::Event::kUpdated:
      result.kind = ValueEvent::Kind::kUpdated;
      result.value =
          FromApi(std::move(*event.mutable_updated()->mutable_value()));
      result.prev =
          FromApi(std::move(*event.mutable_updated()->mutable_prev_value()));
      break;
    case api::Event::kDeleted:
      result.kind = ValueEvent::Kind::kDeleted;
      result.value =
          FromApi(std::move(*event.mutable_deleted()->mutable_value()));
      result.expired = event.deleted().expired();
      break;
    default:
      result.kind = ValueEvent::Kind::kCreated;
      result.value =
          FromApi(std::move(*event.mutable_created()->mutable_value()));
  }
  return result;
}

// Set and Update answer alike.
template <class Output>
ValueWritten WrittenFrom(Output&& output) {
  ValueWritten written{.index = output.index()};
  if (output.has_prev_value()) {
    written.prev = FromApi(std::move(*output.mutable_prev_value()));
  }
  return written;
}

template <class Input>
Input InputOf(absl::string_view value, std::optional<absl::Duration> ttl) {
  Input input;
  input.set_value(std::string(value));
  if (ttl.has_value()) *input.mutable_ttl() = ToProto(*ttl);
  return input;
}

}  // namespace

struct Value::Rep {
  std::shared_ptr<Spread<api::Value>> spread;
};

absl::StatusOr<Value> Value::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::Value>::Open(session, name));
  return Value(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<Value> Value::Open(Client& client, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread,
                   Spread<api::Value>::ByName(client.pool(), name));
  return Value(std::make_unique<Rep>(Rep{std::move(spread)}));
}

Value::Value(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Value::Value(Value&&) = default;
Value& Value::operator=(Value&&) = default;
Value::~Value() = default;

absl::StatusOr<ValueVersion> Value::Get() {
  ASSIGN_OR_RETURN(auto output, rep_->spread->Run(&Stub::Get, api::GetInput()));
  return FromApi(std::move(*output.mutable_value()));
}

absl::StatusOr<ValueWritten> Value::Set(absl::string_view value,
                                        std::optional<absl::Duration> ttl) {
  ASSIGN_OR_RETURN(
      auto output,
      rep_->spread->Run(&Stub::Set, InputOf<api::SetInput>(value, ttl)));
  return WrittenFrom(std::move(output));
}

absl::StatusOr<ValueWritten> Value::Insert(absl::string_view value,
                                           std::optional<absl::Duration> ttl) {
  ASSIGN_OR_RETURN(
      const auto output,
      rep_->spread->Run(&Stub::Insert, InputOf<api::InsertInput>(value, ttl)));
  return ValueWritten{.index = output.index()};
}

absl::StatusOr<ValueWritten> Value::Update(absl::string_view value,
                                           const ValueWrite& how) {
  auto input = InputOf<api::UpdateInput>(value, how.ttl);
  input.set_prev_index(how.prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->Run(&Stub::Update, std::move(input)));
  return WrittenFrom(std::move(output));
}

absl::StatusOr<ValueVersion> Value::Delete(uint64_t prev_index) {
  api::DeleteInput input;
  input.set_prev_index(prev_index);
  ASSIGN_OR_RETURN(auto output,
                   rep_->spread->Run(&Stub::Delete, std::move(input)));
  return FromApi(std::move(*output.mutable_value()));
}

std::unique_ptr<Stream<ValueEvent>> Value::Events() {
  return rep_->spread->StreamOf<ValueEvent>(
      {rep_->spread->home()}, [](One& one) {
        return one.Watch<ValueEvent>(
            &Stub::Events, api::EventsInput(),
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<ValueUpdate>> Value::Watch() {
  return rep_->spread->StreamOf<ValueUpdate>(
      {rep_->spread->home()}, [](One& one) {
        // Each write has an index of its own; the protocol says that the value
        // is gone by sending it once more.
        const auto last_index = std::make_shared<uint64_t>(0);
        return one.Watch<ValueUpdate>(
            &Stub::Watch, api::WatchInput(),
            [last_index](api::WatchOutput output) {
              ValueUpdate update{
                  .value = FromApi(std::move(*output.mutable_value()))};
              if (std::exchange(*last_index, update.value.index) ==
                  update.value.index) {
                update.kind = ValueUpdate::Kind::kDeleted;
                *last_index = 0;
              }
              return update;
            },
            [last_index] {
              *last_index = 0;
              return ValueUpdate{.kind = ValueUpdate::Kind::kRestarted};
            },
            StreamEnd::kNone);
      });
}

absl::Status Value::Close() { return rep_->spread->Close(); }

}  // namespace client
