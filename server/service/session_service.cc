#include "server/service/session_service.h"

#include <utility>

#include "absl/status/statusor.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "server/service/commands.h"
#include "server/service/envelope.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;

void Propose(partition::Partition& partition, const RequestHeaders& headers,
             absl::StatusOr<std::string> command,
             const std::shared_ptr<UnaryCall>& call) {
  if (!command.ok()) return call->Reject(std::move(command).status());
  partition.Propose(
      {.kind = partition::CommandRequest::Kind::kUnary,
       .key = {.session = headers.session, .sequence = headers.sequence},
       .bytes = *std::move(command)},
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

// Reads the request; false if it was answered already.
template <class Input>
bool Decode(const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
            Request& request, Input& input) {
  absl::Status status = DecodeRequest(bytes, HeaderKind::kCommand, request);
  if (status.ok() && !request.has_input) {
    status = absl::InvalidArgumentError("input is missing");
  }
  if (status.ok() && !ParseMessage(request.input, input)) {
    status = absl::InvalidArgumentError("input does not decode");
  }
  if (status.ok()) return true;
  call->Reject(std::move(status));
  return false;
}

}  // namespace

SessionService::SessionService(Gateway& gateway)
    : RawService("atomix.multiraft.v1.Session"), gateway_(gateway) {
  AddUnary(
      "CreatePrimitive", {},
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { CreatePrimitive(call, request); });
  AddUnary(
      "ClosePrimitive", {},
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { ClosePrimitive(call, request); });
}

void SessionService::CreatePrimitive(const std::shared_ptr<UnaryCall>& call,
                                     absl::string_view bytes) {
  Request request;
  v1::CreatePrimitiveInput input;
  if (!Decode(call, bytes, request, input)) return;
  const auto partition =
      gateway_.Route(call,
                     {.service = name(),
                      .rpc = "CreatePrimitive",
                      .writes = true,
                      .partition = request.headers.partition,
                      .in_session = true,
                      .session = request.headers.session,
                      .primitive_namespace = input.spec().namespace_(),
                      .primitive_name = input.spec().name(),
                      .input = request.input},
                     bytes);
  if (partition == nullptr) return;
  Propose(
      *partition, request.headers,
      CreatePrimitiveCommand(request.headers, input, gateway_.options().limits),
      call);
}

void SessionService::ClosePrimitive(const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view bytes) {
  Request request;
  v1::ClosePrimitiveInput input;
  if (!Decode(call, bytes, request, input)) return;
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
          ClosePrimitiveCommand(request.headers, input), call);
}

}  // namespace server::service
