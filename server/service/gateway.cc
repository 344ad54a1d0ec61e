#include "server/service/gateway.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

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

Caller CallerOf(const grpc::CallbackServerContext& context) {
  return {.peer = context.peer(),
          .request_id = Metadata(context, "x-request-id"),
          .trace_context = Metadata(context, "traceparent")};
}

}  // namespace

Gateway::Gateway(const Options& options, Directory directory,
                 Authorizer& authorizer, partition::Executor& timer,
                 base::Clock& clock)
    : options_(options),
      directory_(std::move(directory)),
      authorizer_(authorizer),
      timer_(timer),
      clock_(clock) {}

partition::Refusal Gateway::Admit(const grpc::CallbackServerContext& context,
                                  const DecodedOperation& operation) {
  if (closed()) return Unavailable("the server is shutting down");
  return {.status = authorizer_.Check(CallerOf(context), operation)};
}

partition::Reply<partition::Partition*> Gateway::Enter(
    const grpc::CallbackServerContext& context,
    const DecodedOperation& operation) {
  partition::Refusal refusal = Admit(context, operation);
  if (!refusal.status.ok()) return {.refusal = std::move(refusal)};
  partition::Partition* found = directory_.find(operation.partition);
  if (found == nullptr) {
    return {.refusal = Unavailable(absl::StrCat("partition ",
                                                operation.partition.value(),
                                                " is not on this node"))};
  }
  return {.value = found};
}

partition::Reply<std::vector<partition::Partition*>> Gateway::EnterAll(
    const grpc::CallbackServerContext& context,
    const DecodedOperation& operation) {
  partition::Refusal refusal = Admit(context, operation);
  if (!refusal.status.ok()) return {.refusal = std::move(refusal)};
  return {.value = directory_.all()};
}

void Gateway::Close() {
  closed_.store(true);
  streams_.EndAll({.refusal = Unavailable("the server is shutting down")});
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Gateway::RefuseStream(
    grpc::CallbackServerContext& context, partition::Refusal refusal) {
  if (absl::IsUnavailable(refusal.status)) {
    return HoldAndRefuse(context, streams_, timer_, options_.stream_hold_ns,
                         {.refusal = std::move(refusal)});
  }
  return RejectStream(context, streams_, std::move(refusal.status));
}

bool Gateway::AllServing() const {
  if (closed()) return false;
  const std::vector<partition::Partition*> all = directory_.all();
  return std::all_of(all.begin(), all.end(),
                     [](partition::Partition* p) { return p->available(); });
}

std::optional<bool> Gateway::Serving(base::PartitionId id) const {
  partition::Partition* found = directory_.find(id);
  if (found == nullptr) return std::nullopt;
  return !closed() && found->available();
}

}  // namespace server::service
