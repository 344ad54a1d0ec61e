#include "server/service/primitive_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/commands.h"
#include "server/service/envelope.h"
#include "server/service/primitive_stream.h"

namespace server::service {
namespace {

using partition::Outcome;
using partition::Refusal;
using session::OperationKind;

// A request that passed the door.
struct Entered {
  Refusal refusal;  // Not OK: it did not.
  std::shared_ptr<partition::Partition> partition;
  bool has_input = false;
};

Refusal NotProposed(absl::Status status) {
  return {.status = std::move(status), .outcome = Outcome::kNotProposed};
}

Entered EnterWith(Gateway& gateway, const grpc::CallbackServerContext& context,
                  const session::PrimitiveType& type,
                  const session::Operation& operation, bool writes,
                  const Request& request) {
  const RequestHeaders& headers = request.headers;
  auto reply = gateway.Enter(context, {.service = type.service,
                                       .rpc = operation.rpc,
                                       .writes = writes,
                                       .partition = headers.partition,
                                       .session = headers.session,
                                       .primitive = headers.primitive,
                                       .input = request.input});
  if (!reply.ok()) return {.refusal = std::move(reply.refusal)};
  if (headers.session == session::SessionId(0)) {
    return {.refusal = partition::UnknownSession()};
  }
  if (request.has_input) {
    absl::Status status =
        operation.check(request.input, gateway.options().limits);
    if (!status.ok()) return {.refusal = NotProposed(std::move(status))};
  }
  return {.partition = std::move(reply.value), .has_input = request.has_input};
}

Refusal TooLarge(size_t size, uint64_t size_max) {
  return NotProposed(absl::ResourceExhaustedError(
      absl::StrCat("the command has ", size, " bytes, more than ", size_max)));
}

partition::QueryRequest QueryOf(const Request& request,
                                const session::PrimitiveType& type,
                                const session::Operation* operation) {
  return {.query = {.session = request.headers.session,
                    .sequence = request.headers.sequence,
                    .primitive = request.headers.primitive,
                    .type = &type,
                    .operation = operation,
                    .input = std::string(request.input)},
          .max_received_index = request.headers.max_received_index};
}

partition::CommandRequest CommandOf(partition::CommandRequest::Kind kind,
                                    const Request& request,
                                    const session::PrimitiveType& type,
                                    const session::Operation& operation) {
  return {.kind = kind,
          .key = {.session = request.headers.session,
                  .sequence = request.headers.sequence},
          .bytes = PrimitiveCommand(request.headers, type, operation,
                                    request.input)};
}

// Without an operation: a request that has no input. It is judged as a query,
// which costs no entry, so that its session and its primitive come first and it
// is NOT_SUPPORTED only then (semantics 2.3), a command too.
void AnswerQuery(const std::shared_ptr<UnaryCall>& call, HeaderKind kind,
                 partition::Partition& partition,
                 partition::QueryRequest query) {
  partition.RunQuery(
      std::move(query),
      partition::Completion<session::QueryAnswer>(
          [call, kind](partition::Reply<session::QueryAnswer> reply) {
            if (reply.ok() && reply.value.unknown_session) {
              reply.refusal = partition::UnknownSession();
            }
            if (!reply.ok()) return call->Fail({.refusal = reply.refusal});
            call->Answer(EncodeResponse(kind, reply.value.index,
                                        /*output_number=*/1,
                                        reply.value.result));
          }));
}

}  // namespace

PrimitiveService::PrimitiveService(const session::PrimitiveType& type,
                                   Gateway& gateway)
    : RawService(type.service), type_(type), gateway_(gateway) {
  for (const session::Operation& operation : type.operations) {
    switch (operation.kind) {
      case OperationKind::kCommand:
        AddUnary(operation.rpc, {},
                 [this, &operation](const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view request) {
                   Command(operation, call, request);
                 });
        break;
      case OperationKind::kQuery:
        AddUnary(operation.rpc, {},
                 [this, &operation](const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view request) {
                   Query(operation, call, request);
                 });
        break;
      case OperationKind::kStreamCommand:
        AddServerStream(operation.rpc,
                        [this, &operation](grpc::CallbackServerContext& context,
                                           absl::string_view request) {
                          return CommandStream(operation, context, request);
                        });
        break;
      case OperationKind::kStreamQuery:
        AddServerStream(operation.rpc,
                        [this, &operation](grpc::CallbackServerContext& context,
                                           absl::string_view request) {
                          return QueryStream(operation, context, request);
                        });
        break;
    }
  }
}

void PrimitiveService::Command(const session::Operation& operation,
                               const std::shared_ptr<UnaryCall>& call,
                               absl::string_view bytes) {
  Request request;
  absl::Status status = DecodeRequest(bytes, HeaderKind::kCommand, request);
  if (!status.ok()) return call->Reject(std::move(status));
  if (gateway_.Forward(call,
                       {.service = type_.service,
                        .rpc = operation.rpc,
                        .writes = true,
                        .partition = request.headers.partition},
                       bytes)) {
    return;
  }
  Entered entered = EnterWith(gateway_, call->context(), type_, operation,
                              /*writes=*/true, request);
  if (entered.partition == nullptr) {
    return call->Fail({.refusal = std::move(entered.refusal)});
  }
  if (!entered.has_input) {
    return AnswerQuery(call, HeaderKind::kCommand, *entered.partition,
                       QueryOf(request, type_, nullptr));
  }

  partition::CommandRequest command = CommandOf(
      partition::CommandRequest::Kind::kUnary, request, type_, operation);
  const uint64_t size_max = gateway_.options().entry_bytes_max;
  if (command.bytes.size() > size_max) {
    return call->Fail({.refusal = TooLarge(command.bytes.size(), size_max)});
  }
  entered.partition->Propose(
      std::move(command),
      partition::Completion<session::Applied>(
          // Not a share: a command may wait for hours behind a caller that
          // left at its deadline, and only this stays for it.
          [weak = std::weak_ptr<UnaryCall>(call)](
              partition::Reply<session::Applied> reply) {
            const std::shared_ptr<UnaryCall> call = weak.lock();
            if (call == nullptr) return;
            if (reply.ok()) reply.refusal = partition::RefusalOf(reply.value);
            if (!reply.ok()) return call->Fail({.refusal = reply.refusal});
            const session::CommandOutput& output = reply.value.output;
            call->Answer(EncodeResponse(HeaderKind::kCommand, reply.value.index,
                                        output.number, output.result));
          }));
}

void PrimitiveService::Query(const session::Operation& operation,
                             const std::shared_ptr<UnaryCall>& call,
                             absl::string_view bytes) {
  Request request;
  absl::Status status = DecodeRequest(bytes, HeaderKind::kQuery, request);
  if (!status.ok()) return call->Reject(std::move(status));
  if (gateway_.Forward(call,
                       {.service = type_.service,
                        .rpc = operation.rpc,
                        .writes = false,
                        .partition = request.headers.partition},
                       bytes)) {
    return;
  }
  Entered entered = EnterWith(gateway_, call->context(), type_, operation,
                              /*writes=*/false, request);
  if (entered.partition == nullptr) {
    return call->Fail({.refusal = std::move(entered.refusal)});
  }
  AnswerQuery(
      call, HeaderKind::kQuery, *entered.partition,
      QueryOf(request, type_, entered.has_input ? &operation : nullptr));
}

PrimitiveService::StreamReactor* PrimitiveService::CommandStream(
    const session::Operation& operation, grpc::CallbackServerContext& context,
    absl::string_view bytes) {
  Request request;
  absl::Status status = DecodeRequest(bytes, HeaderKind::kCommand, request);
  if (!status.ok()) {
    return gateway_.RefuseStream(context, NotProposed(std::move(status)));
  }
  if (auto* const elsewhere =
          gateway_.ForwardStream(context,
                                 {.service = type_.service,
                                  .rpc = operation.rpc,
                                  .writes = true,
                                  .partition = request.headers.partition},
                                 bytes)) {
    return elsewhere;
  }
  Entered entered = EnterWith(gateway_, context, type_, operation,
                              /*writes=*/true, request);
  if (entered.partition == nullptr) {
    return gateway_.RefuseStream(context, std::move(entered.refusal));
  }
  if (!entered.has_input) {
    auto stream = StreamCall::Start<PrimitiveStream>(
        context, gateway_.streams(), entered.partition, HeaderKind::kCommand,
        gateway_.stream_pace(), nullptr);
    stream->Opened(
        entered.partition->OpenQuery(QueryOf(request, type_, nullptr), stream));
    return stream.get();
  }

  partition::CommandRequest command = CommandOf(
      partition::CommandRequest::Kind::kStream, request, type_, operation);
  const uint64_t size_max = gateway_.options().entry_bytes_max;
  if (command.bytes.size() > size_max) {
    return gateway_.RefuseStream(context,
                                 TooLarge(command.bytes.size(), size_max));
  }
  auto stream = StreamCall::Start<PrimitiveStream>(
      context, gateway_.streams(), entered.partition, HeaderKind::kCommand,
      gateway_.stream_pace(), nullptr);
  stream->Opened(entered.partition->OpenStream(std::move(command), stream));
  return stream.get();
}

PrimitiveService::StreamReactor* PrimitiveService::QueryStream(
    const session::Operation& operation, grpc::CallbackServerContext& context,
    absl::string_view bytes) {
  Request request;
  absl::Status status = DecodeRequest(bytes, HeaderKind::kQuery, request);
  if (!status.ok()) {
    return gateway_.RefuseStream(context, NotProposed(std::move(status)));
  }
  if (auto* const elsewhere =
          gateway_.ForwardStream(context,
                                 {.service = type_.service,
                                  .rpc = operation.rpc,
                                  .writes = false,
                                  .partition = request.headers.partition},
                                 bytes)) {
    return elsewhere;
  }
  Entered entered = EnterWith(gateway_, context, type_, operation,
                              /*writes=*/false, request);
  if (entered.partition == nullptr) {
    return gateway_.RefuseStream(context, std::move(entered.refusal));
  }
  std::shared_ptr<const void> place = gateway_.query_streams().Take();
  if (place == nullptr) {
    return gateway_.RefuseStream(
        context,
        NotProposed(absl::ResourceExhaustedError(absl::StrCat(
            "query_streams_max: ", gateway_.options().query_streams_max,
            " stream queries are open"))));
  }
  auto stream = StreamCall::Start<PrimitiveStream>(
      context, gateway_.streams(), entered.partition, HeaderKind::kQuery,
      gateway_.stream_pace(), std::move(place));
  stream->Opened(entered.partition->OpenQuery(
      QueryOf(request, type_, entered.has_input ? &operation : nullptr),
      stream));
  return stream.get();
}

}  // namespace server::service
