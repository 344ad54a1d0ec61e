#include "client/counter.h"

#include <utility>

#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace api = atomix::multiraft::counter::v1;

using Stub = api::Counter::Stub;

struct Counter::Rep {
  std::shared_ptr<Spread<api::Counter>> spread;

  // Every output of a counter is {value}.
  template <class Method, class Input>
  absl::StatusOr<int64_t> Run(Method method, Input input) {
    ASSIGN_OR_RETURN(const auto output, spread->Run(method, std::move(input)));
    return output.value();
  }
};

absl::StatusOr<Counter> Counter::Open(Session& session,
                                      const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::Counter>::Open(session, name));
  return Counter(std::make_unique<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<Counter> Counter::Open(Client& client,
                                      const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread,
                   Spread<api::Counter>::ByName(client.pool(), name));
  return Counter(std::make_unique<Rep>(Rep{std::move(spread)}));
}

Counter::Counter(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Counter::Counter(Counter&&) = default;
Counter& Counter::operator=(Counter&&) = default;
Counter::~Counter() = default;

absl::StatusOr<int64_t> Counter::Get() {
  return rep_->Run(&Stub::Get, api::GetInput());
}

absl::StatusOr<int64_t> Counter::Set(int64_t value) {
  api::SetInput input;
  input.set_value(value);
  return rep_->Run(&Stub::Set, std::move(input));
}

absl::StatusOr<int64_t> Counter::Increment(int64_t delta) {
  api::IncrementInput input;
  input.set_delta(delta);
  return rep_->Run(&Stub::Increment, std::move(input));
}

absl::StatusOr<int64_t> Counter::Decrement(int64_t delta) {
  api::DecrementInput input;
  input.set_delta(delta);
  return rep_->Run(&Stub::Decrement, std::move(input));
}

absl::StatusOr<int64_t> Counter::CompareAndSet(int64_t expected,
                                               int64_t value) {
  api::UpdateInput input;
  input.set_compare(expected);
  input.set_update(value);
  return rep_->Run(&Stub::Update, std::move(input));
}

absl::Status Counter::Close() { return rep_->spread->Close(); }

}  // namespace client
