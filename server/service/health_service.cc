#include "server/service/health_service.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "grpc/health/v1/health.pb.h"

namespace server::service {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

std::string Encode(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return response.SerializeAsString();
}

HealthCheckResponse::ServingStatus StatusOf(std::optional<bool> serving) {
  if (!serving.has_value()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return *serving ? HealthCheckResponse::SERVING
                  : HealthCheckResponse::NOT_SERVING;
}

}  // namespace

HealthService::HealthService(std::set<std::string> services, Gateway& gateway)
    : RawService("grpc.health.v1.Health"),
      services_(std::move(services)),
      gateway_(gateway),
      watches_(HealthWatches::Make(
          [this](const std::string& name) { return StatusOf(Serving(name)); },
          gateway.timer())) {
  AddUnary("Check", {.unknown_session = absl::StatusCode::kNotFound},
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Check(call, request); });
  AddServerStream("Watch", [this](grpc::CallbackServerContext& context,
                                  absl::string_view request) {
    return Watch(context, request);
  });
}

std::optional<bool> HealthService::Serving(const std::string& service) const {
  if (service.empty() || services_.count(service) != 0) {
    return gateway_.AllServing();
  }
  absl::string_view rest = service;
  uint32_t id = 0;
  if (!absl::ConsumePrefix(&rest, "partition/") ||
      !absl::SimpleAtoi(rest, &id)) {
    return std::nullopt;
  }
  return gateway_.Serving(base::PartitionId(id));
}

void HealthService::Check(const std::shared_ptr<UnaryCall>& call,
                          absl::string_view bytes) {
  HealthCheckRequest request;
  if (!ParseMessage(bytes, request)) {
    return call->Reject(
        absl::InvalidArgumentError("the request does not decode"));
  }
  const std::optional<bool> serving = Serving(request.service());
  if (!serving.has_value()) {
    return call->Reject(absl::NotFoundError(
        absl::StrCat("this server has no service '", request.service(), "'")));
  }
  call->Answer(Encode(StatusOf(serving)));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* HealthService::Watch(
    grpc::CallbackServerContext& context, absl::string_view bytes) {
  HealthCheckRequest request;
  if (!ParseMessage(bytes, request)) {
    return RejectStream(
        context, gateway_.streams(),
        absl::InvalidArgumentError("the request does not decode"),
        ErrorProfile{});
  }
  std::shared_ptr<const void> place = gateway_.watches().Take();
  if (place == nullptr) return gateway_.RefuseWatch(context);
  return watches_->Open(context, gateway_.streams(), request.service(),
                        std::move(place));
}

}  // namespace server::service
