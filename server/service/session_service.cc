#include "server/service/session_service.h"

#include <utility>

#include "absl/status/statusor.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "base/status_macros.h"
#include "server/service/commands.h"
#include "server/service/envelope.h"
#include "server/service/generation.h"
#include "server/service/primitive_spec.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;

void Propose(partition::Partition& partition, const RequestHeaders& headers,
             std::string command, const std::shared_ptr<UnaryCall>& call) {
  partition.Propose(
      {.kind = partition::CommandRequest::Kind::kUnary,
       .key = {.session = headers.session, .sequence = headers.sequence},
       .bytes = std::move(command)},
      partition::Completion<session::Applied>(
          [call](partition::Reply<session::Applied> reply) {
            if (reply.ok()) reply.refusal = partition::RefusalOf(reply.value);
            if (!reply.ok()) return call->Fail({.refusal = reply.refusal});
            // These answers are not numbered.
            call->Answer(EncodeResponse(HeaderKind::kCommand, reply.value.index,
                                        /*output_number=*/0,
                                        reply.value.output.result));
          }));
}

// Reads the request, which must have an input.
absl::Status Decode(absl::string_view bytes, Request& request) {
  RETURN_IF_ERROR(DecodeRequest(bytes, HeaderKind::kCommand, request));
  if (request.has_input) return absl::OkStatus();
  return absl::InvalidArgumentError("input is missing");
}

}  // namespace

SessionService::SessionService(session::Generation generation,
                               const session::Registry& registry,
                               Gateway& gateway)
    : RawService(SharedService(generation, "Session")),
      generation_(generation),
      registry_(registry),
      gateway_(gateway) {
  const ErrorProfile profile = ProfileOf(generation);
  AddUnary(
      "CreatePrimitive", profile,
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { CreatePrimitive(call, request); });
  AddUnary(
      "ClosePrimitive", profile,
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { ClosePrimitive(call, request); });
}

void SessionService::CreatePrimitive(const std::shared_ptr<UnaryCall>& call,
                                     absl::string_view bytes) {
  Request request;
  absl::Status status = Decode(bytes, request);
  if (!status.ok()) return call->Reject(std::move(status));
  const absl::StatusOr<PrimitiveSpec> spec = ParseSpec(
      generation_, request.input, registry_, gateway_.options().limits);
  DecodedOperation operation{.service = name(),
                             .rpc = "CreatePrimitive",
                             .writes = true,
                             .partition = request.headers.partition,
                             .in_session = true,
                             .session = request.headers.session,
                             .input = request.input};
  if (spec.ok()) {
    operation.primitive_namespace = spec->name_space;
    operation.primitive_name = spec->name;
  }
  const auto partition = gateway_.Route(call, operation, bytes);
  if (partition == nullptr) return;
  // Its session comes first, as everywhere.
  if (!spec.ok()) return call->Reject(spec.status());
  Propose(*partition, request.headers,
          CreatePrimitiveCommand(request.headers, generation_, *spec), call);
}

void SessionService::ClosePrimitive(const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view bytes) {
  Request request;
  absl::Status status = Decode(bytes, request);
  v1::ClosePrimitiveInput input;
  if (status.ok() && !ParseMessage(request.input, input)) {
    status = absl::InvalidArgumentError("input does not decode");
  }
  if (!status.ok()) return call->Reject(std::move(status));
  const auto partition =
      gateway_.Route(call,
                     {.service = name(),
                      .rpc = "ClosePrimitive",
                      .writes = true,
                      .partition = request.headers.partition,
                      .in_session = true,
                      .session = request.headers.session,
                      // The input's counts; the headers repeat it.
                      .primitive = session::PrimitiveId(input.primitive_id()),
                      .input = request.input},
                     bytes);
  if (partition == nullptr) return;
  Propose(*partition, request.headers,
          ClosePrimitiveCommand(request.headers, generation_, input), call);
}

}  // namespace server::service
