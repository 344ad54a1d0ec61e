#include "server/service/gateway.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/forwarded_request.h"
#include "server/service/luggage.h"

namespace server::service {
namespace {

// What a refusal at the door suggests: about an election.
constexpr uint32_t kRetryAfterMs = 500;

partition::Refusal Unavailable(absl::string_view message) {
  return {.status = absl::UnavailableError(message),
          .outcome = partition::Outcome::kNotProposed,
          .retry_after_ms = kRetryAfterMs};
}

std::string Metadata(const grpc::CallbackServerContext& context,
                     const char* key) {
  const auto& metadata = context.client_metadata();
  auto found = metadata.find(key);
  if (found == metadata.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

ForwardedRequest RequestOf(const DecodedOperation& operation,
                           absl::string_view bytes) {
  return {.method = absl::StrCat("/", operation.service, "/", operation.rpc),
          .bytes = std::string(bytes),
          .partition = operation.partition};
}

}  // namespace

Gateway::Gateway(const Options& options, Directory directory,
                 Authorizer& authorizer, partition::Executor& timer,
                 base::Clock& clock, Door door)
    : options_(options),
      directory_(std::move(directory)),
      authorizer_(authorizer),
      timer_(timer),
      clock_(clock),
      door_(door),
      own_places_(options),
      places_(door.places != nullptr ? *door.places : own_places_) {}

Caller Gateway::CallerOf(const grpc::CallbackServerContext& context) const {
  return {
      .peer = door_.for_nodes ? Metadata(context, kCallerPeer) : context.peer(),
      .request_id = Metadata(context, kRequestId),
      .trace_context = Metadata(context, kTraceParent)};
}

bool Gateway::IsForElsewhere(const DecodedOperation& operation) const {
  if (door_.forwarder == nullptr || closed()) return false;
  const auto here = directory_.find(operation.partition);
  if (here == nullptr) return true;
  return operation.writes ? !here->serving() : !here->available();
}

std::shared_ptr<partition::Partition> Gateway::Route(
    const std::shared_ptr<UnaryCall>& call, const DecodedOperation& operation,
    absl::string_view bytes) {
  if (IsForElsewhere(operation)) {
    const std::optional<transport::Route> route =
        door_.forwarder->Elsewhere(operation.partition);
    if (route.has_value()) {
      door_.forwarder->Forward(call, RequestOf(operation, bytes), *route);
      return nullptr;
    }
    // Without a leader anywhere it is refused here.
  }
  auto entered = Enter(call->context(), operation);
  if (entered.ok()) return entered.value;
  call->Fail({.refusal = std::move(entered.refusal)});
  return nullptr;
}

Gateway::StreamRoute Gateway::RouteStream(grpc::CallbackServerContext& context,
                                          const DecodedOperation& operation,
                                          absl::string_view bytes,
                                          const ErrorProfile& profile) {
  if (IsForElsewhere(operation)) {
    return {.reactor = door_.forwarder->ForwardStream(
                context, streams_,
                {.request = RequestOf(operation, bytes),
                 .numbered = operation.writes,
                 // An election may take twice its timeout.
                 .hold_ns = 2 * options_.stream_hold_ns})};
  }
  auto entered = Enter(context, operation);
  if (entered.ok()) return {.here = entered.value};
  return {.reactor =
              RefuseStream(context, std::move(entered.refusal), profile)};
}

partition::Refusal Gateway::Admit(const grpc::CallbackServerContext& context,
                                  const DecodedOperation& operation) {
  if (closed()) return Unavailable("the server is shutting down");
  return {.status = authorizer_.Check(CallerOf(context), operation)};
}

partition::Reply<std::shared_ptr<partition::Partition>> Gateway::Enter(
    const grpc::CallbackServerContext& context,
    const DecodedOperation& operation) {
  partition::Refusal refusal = Admit(context, operation);
  if (!refusal.status.ok()) return {.refusal = std::move(refusal)};
  auto found = directory_.find(operation.partition);
  if (found == nullptr) {
    return {.refusal = Unavailable(absl::StrCat("partition ",
                                                operation.partition.value(),
                                                " is not on this node"))};
  }
  if (operation.in_session && operation.session == session::SessionId(0)) {
    return {.refusal = partition::UnknownSession()};
  }
  return {.value = std::move(found)};
}

partition::Reply<std::vector<std::shared_ptr<partition::Partition>>>
Gateway::EnterAll(const grpc::CallbackServerContext& context,
                  const DecodedOperation& operation) {
  partition::Refusal refusal = Admit(context, operation);
  if (!refusal.status.ok()) return {.refusal = std::move(refusal)};
  return {.value = directory_.all()};
}

void Gateway::Close() {
  closed_.store(true);
  streams_.EndAll({.refusal = Unavailable("the server is shutting down")});
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Gateway::RefuseWatch(
    grpc::CallbackServerContext& context) {
  return RejectStream(
      context, streams_,
      absl::ResourceExhaustedError(
          absl::StrCat("watches_max: ", watches().max(), " watches are open")),
      ErrorProfile{});
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Gateway::RefuseStream(
    grpc::CallbackServerContext& context, partition::Refusal refusal,
    const ErrorProfile& profile) {
  if (absl::IsUnavailable(refusal.status) && !(door_.for_nodes && closed())) {
    return HoldAndRefuse(context, streams_, timer_, options_.stream_hold_ns,
                         {.refusal = std::move(refusal)});
  }
  return RejectStream(context, streams_, std::move(refusal.status), profile);
}

bool Gateway::AllServing() const {
  if (closed()) return false;
  const auto all = directory_.all();
  return std::all_of(all.begin(), all.end(),
                     [](const auto& one) { return one->available(); });
}

std::optional<bool> Gateway::Serving(base::PartitionId id) const {
  auto found = directory_.find(id);
  if (found == nullptr) return std::nullopt;
  return !closed() && found->available();
}

}  // namespace server::service
