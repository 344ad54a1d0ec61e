#include "server/service/primitive_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/commands.h"
#include "server/service/envelope.h"
#include "server/service/generation.h"
#include "server/service/primitive_stream.h"

namespace server::service {
namespace {

using partition::Outcome;
using partition::Refusal;
using session::OperationKind;

Refusal NotProposed(absl::Status status) {
  return {.status = std::move(status), .outcome = Outcome::kNotProposed};
}

absl::Status CheckInput(const session::Operation& operation,
                        const Request& request, const Gateway& gateway) {
  if (!request.has_input) return absl::OkStatus();
  return operation.check(request.input, gateway.options().limits);
}

Refusal TooLarge(size_t size, uint64_t size_max) {
  return NotProposed(absl::ResourceExhaustedError(
      absl::StrCat("the command has ", size, " bytes, more than ", size_max)));
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
                                   session::Generation generation,
                                   Gateway& gateway)
    : RawService(type.ServiceIn(generation)),
      type_(type),
      generation_(generation),
      profile_(ProfileOf(generation)),
      gateway_(gateway) {
  for (const session::Operation& operation : type.operations) {
    switch (operation.kind) {
      case OperationKind::kCommand:
        AddUnary(operation.rpc, profile_,
                 [this, &operation](const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view request) {
                   Command(operation, call, request);
                 });
        break;
      case OperationKind::kQuery:
        AddUnary(operation.rpc, profile_,
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

DecodedOperation PrimitiveService::OperationOf(
    const session::Operation& operation, HeaderKind kind,
    const Request& request) const {
  return {.service = name(),
          .rpc = operation.rpc,
          .writes = kind == HeaderKind::kCommand,
          .partition = request.headers.partition,
          .in_session = true,
          .session = request.headers.session,
          .primitive = request.headers.primitive,
          .input = request.input};
}

partition::CommandRequest PrimitiveService::CommandOf(
    partition::CommandRequest::Kind kind, const Request& request,
    const session::Operation& operation) const {
  return {.kind = kind,
          .key = {.session = request.headers.session,
                  .sequence = request.headers.sequence},
          .bytes = PrimitiveCommand(request.headers, generation_, type_,
                                    operation, request.input)};
}

partition::QueryRequest PrimitiveService::QueryOf(
    const Request& request, const session::Operation* operation) const {
  return {.query = {.session = request.headers.session,
                    .sequence = request.headers.sequence,
                    .primitive = request.headers.primitive,
                    .type = &type_,
                    .operation = operation,
                    .input = std::string(request.input),
                    .generation = generation_},
          .max_received_index = request.headers.max_received_index};
}

std::shared_ptr<partition::Partition> PrimitiveService::Route(
    const session::Operation& operation, HeaderKind kind,
    const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
    Request& request) {
  absl::Status status = DecodeRequest(bytes, kind, request);
  if (!status.ok()) {
    call->Reject(std::move(status));
    return nullptr;
  }
  const auto partition =
      gateway_.Route(call, OperationOf(operation, kind, request), bytes);
  if (partition == nullptr) return nullptr;
  status = CheckInput(operation, request, gateway_);
  if (status.ok()) return partition;
  call->Reject(std::move(status));
  return nullptr;
}

Gateway::StreamRoute PrimitiveService::RouteStream(
    const session::Operation& operation, HeaderKind kind,
    grpc::CallbackServerContext& context, absl::string_view bytes,
    Request& request) {
  absl::Status status = DecodeRequest(bytes, kind, request);
  Gateway::StreamRoute route;
  if (status.ok()) {
    route = gateway_.RouteStream(context, OperationOf(operation, kind, request),
                                 bytes, profile_);
    if (route.reactor != nullptr) return route;
    status = CheckInput(operation, request, gateway_);
  }
  if (status.ok()) return route;
  return {.reactor = gateway_.RefuseStream(
              context, NotProposed(std::move(status)), profile_)};
}

void PrimitiveService::Command(const session::Operation& operation,
                               const std::shared_ptr<UnaryCall>& call,
                               absl::string_view bytes) {
  Request request;
  const auto partition =
      Route(operation, HeaderKind::kCommand, call, bytes, request);
  if (partition == nullptr) return;
  if (!request.has_input) {
    return AnswerQuery(call, HeaderKind::kCommand, *partition,
                       QueryOf(request, nullptr));
  }

  partition::CommandRequest command =
      CommandOf(partition::CommandRequest::Kind::kUnary, request, operation);
  const uint64_t size_max = gateway_.options().entry_bytes_max;
  if (command.bytes.size() > size_max) {
    return call->Fail({.refusal = TooLarge(command.bytes.size(), size_max)});
  }
  partition->Propose(
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
  const auto partition =
      Route(operation, HeaderKind::kQuery, call, bytes, request);
  if (partition == nullptr) return;
  AnswerQuery(call, HeaderKind::kQuery, *partition,
              QueryOf(request, request.has_input ? &operation : nullptr));
}

PrimitiveService::StreamReactor* PrimitiveService::CommandStream(
    const session::Operation& operation, grpc::CallbackServerContext& context,
    absl::string_view bytes) {
  Request request;
  const auto route =
      RouteStream(operation, HeaderKind::kCommand, context, bytes, request);
  if (route.reactor != nullptr) return route.reactor;
  partition::CommandRequest command =
      CommandOf(partition::CommandRequest::Kind::kStream, request, operation);
  const uint64_t size_max = gateway_.options().entry_bytes_max;
  if (request.has_input && command.bytes.size() > size_max) {
    return gateway_.RefuseStream(
        context, TooLarge(command.bytes.size(), size_max), profile_);
  }
  auto stream = StreamCall::Start<PrimitiveStream>(
      context, gateway_.streams(), profile_, route.here, HeaderKind::kCommand,
      gateway_.stream_pace(), nullptr);
  stream->Opened(
      request.has_input
          ? route.here->OpenStream(std::move(command), stream)
          : route.here->OpenQuery(QueryOf(request, nullptr), stream));
  return stream.get();
}

PrimitiveService::StreamReactor* PrimitiveService::QueryStream(
    const session::Operation& operation, grpc::CallbackServerContext& context,
    absl::string_view bytes) {
  Request request;
  const auto route =
      RouteStream(operation, HeaderKind::kQuery, context, bytes, request);
  if (route.reactor != nullptr) return route.reactor;
  std::shared_ptr<const void> place = gateway_.query_streams().Take();
  if (place == nullptr) {
    return gateway_.RefuseStream(
        context,
        NotProposed(absl::ResourceExhaustedError(
            absl::StrCat("query_streams_max: ", gateway_.query_streams().max(),
                         " stream queries are open"))),
        profile_);
  }
  auto stream = StreamCall::Start<PrimitiveStream>(
      context, gateway_.streams(), profile_, route.here, HeaderKind::kQuery,
      gateway_.stream_pace(), std::move(place));
  stream->Opened(route.here->OpenQuery(
      QueryOf(request, request.has_input ? &operation : nullptr), stream));
  return stream.get();
}

}  // namespace server::service
