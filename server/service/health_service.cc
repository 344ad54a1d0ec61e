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

// A partition tells nobody when it begins to serve, so watches look.
constexpr uint64_t kLookEveryNs = 100'000'000;

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

class HealthWatch : public StreamCall {
 public:
  HealthWatch(grpc::CallbackServerContext& context, OpenStreams& streams,
              const HealthService& service, std::string name,
              partition::Executor& timer)
      : StreamCall(context, streams),
        service_(service),
        name_(std::move(name)),
        timer_(timer) {}

  // Sends the state if it is new, and looks again later.
  void Look() {
    const auto status = StatusOf(service_.Serving(name_));
    bool send = false;
    {
      base::MutexLock lock(mu_);
      if (gone_) return;
      if (!sending_ && status != last_) {
        last_ = status;
        sending_ = send = true;
      }
    }
    if (send) Send(Encode(status));
    timer_.PostAfter(kLookEveryNs, [weak = weak_from_this()] {
      if (auto held = weak.lock()) {
        static_cast<HealthWatch&>(*held).Look();
      }
    });
  }

 private:
  void Writable() override {
    base::MutexLock lock(mu_);
    sending_ = false;
  }
  void Gone() override {
    base::MutexLock lock(mu_);
    gone_ = true;
  }

  const HealthService& service_;
  const std::string name_;
  partition::Executor& timer_;

  base::Mutex mu_;
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<HealthCheckResponse::ServingStatus> last_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

HealthService::HealthService(std::set<std::string> services, Gateway& gateway)
    : RawService("grpc.health.v1.Health"),
      services_(std::move(services)),
      gateway_(gateway) {
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
        absl::InvalidArgumentError("the request does not decode"));
  }
  auto watch = StreamCall::Start<HealthWatch>(
      context, gateway_.streams(), *this, request.service(), gateway_.timer());
  watch->Look();
  return watch.get();
}

}  // namespace server::service
