#include "server/service/partition_service.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/partition.pb.h"
#include "server/service/commands.h"
#include "server/service/generation.h"
#include "server/service/leader_watch.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;
using Kind = partition::CommandRequest::Kind;

absl::Status CheckPartition(absl::string_view field, uint32_t partition_id) {
  if (partition_id != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is 0: partitions count from 1"));
}

// Reads a request {headers, input}; false if it was answered already.
template <class Message>
bool Decode(const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
            Message& request) {
  absl::Status status;
  if (!ParseMessage(bytes, request)) {
    status = absl::InvalidArgumentError("the request does not decode");
  } else if (!request.has_headers()) {
    status = absl::InvalidArgumentError("headers are missing");
  } else if (!request.has_input()) {
    status = absl::InvalidArgumentError("input is missing");
  } else {
    status = CheckPartition("headers.partition_id",
                            request.headers().partition_id());
  }
  if (status.ok()) return true;
  call->Reject(std::move(status));
  return false;
}

// Proposes, and answers with what `respond` makes of the result; the index is
// set here.
template <class Response>
void Propose(partition::Partition& partition, Kind kind, std::string command,
             const std::shared_ptr<UnaryCall>& call,
             void (*respond)(const session::Applied&, Response&)) {
  partition.Propose(
      {.kind = kind, .bytes = std::move(command)},
      partition::Completion<session::Applied>(
          [call, respond](partition::Reply<session::Applied> reply) {
            if (reply.ok()) reply.refusal = partition::RefusalOf(reply.value);
            if (!reply.ok()) return call->Fail({.refusal = reply.refusal});
            Response response;
            response.mutable_headers()->set_index(reply.value.index);
            response.mutable_output();
            respond(reply.value, response);
            call->Answer(response.SerializeAsString());
          }));
}

// Rejects a request that is wrong; if its session does not exist, for that.
void RejectOfSession(partition::Partition& partition,
                     session::SessionId session, absl::Status status,
                     const std::shared_ptr<UnaryCall>& call) {
  partition.RunQuery(
      {.query = {.session = session}},
      partition::Completion<session::QueryAnswer>(
          [call, status = std::move(status)](
              partition::Reply<session::QueryAnswer> reply) mutable {
            if (!reply.ok()) return call->Fail({.refusal = reply.refusal});
            if (reply.value.unknown_session) {
              return call->Fail({.refusal = partition::UnknownSession()});
            }
            call->Reject(std::move(status));
          }));
}

}  // namespace

PartitionService::PartitionService(session::Generation generation,
                                   Gateway& gateway)
    : RawService(SharedService(generation, "Partition")), gateway_(gateway) {
  const ErrorProfile profile = ProfileOf(generation);
  ErrorProfile once = profile;
  once.repeatable = false;
  ErrorProfile keeps = profile;
  if (generation == session::Generation::kMultiRaft) {
    keeps.unknown_session = gateway.options().unknown_session_code;
  }
  AddUnary("OpenSession", once,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { OpenSession(call, request); });
  AddUnary("KeepAlive", keeps,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { KeepAlive(call, request); });
  AddUnary("CloseSession", once,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { CloseSession(call, request); });
  if (generation != session::Generation::kMultiRaft) return;
  AddServerStream("Watch", [this](grpc::CallbackServerContext& context,
                                  absl::string_view request) {
    return Watch(context, request);
  });
}

template <class Message>
DecodedOperation PartitionService::Write(absl::string_view rpc,
                                         const Message& request) const {
  return {.service = name(),
          .rpc = rpc,
          .writes = true,
          .partition = base::PartitionId(request.headers().partition_id())};
}

template <class Message>
DecodedOperation PartitionService::WriteInSession(
    absl::string_view rpc, const Message& request) const {
  DecodedOperation operation = Write(rpc, request);
  operation.in_session = true;
  operation.session = session::SessionId(request.input().session_id());
  return operation;
}

void PartitionService::OpenSession(const std::shared_ptr<UnaryCall>& call,
                                   absl::string_view bytes) {
  v1::OpenSessionRequest request;
  if (!Decode(call, bytes, request)) return;
  const auto partition =
      gateway_.Route(call, Write("OpenSession", request), bytes);
  if (partition == nullptr) return;
  absl::StatusOr<std::string> command =
      OpenSessionCommand(request.input(), gateway_.options().limits);
  if (!command.ok()) return call->Reject(std::move(command).status());
  Propose<v1::OpenSessionResponse>(
      *partition, Kind::kOpenSession, *std::move(command), call,
      [](const session::Applied& applied, v1::OpenSessionResponse& response) {
        response.mutable_output()->set_session_id(applied.session.value());
      });
}

void PartitionService::KeepAlive(const std::shared_ptr<UnaryCall>& call,
                                 absl::string_view bytes) {
  v1::KeepAliveRequest request;
  if (!Decode(call, bytes, request)) return;
  const DecodedOperation operation = WriteInSession("KeepAlive", request);
  const auto partition = gateway_.Route(call, operation, bytes);
  if (partition == nullptr) return;
  absl::StatusOr<std::string> command =
      KeepAliveCommand(request.input(), gateway_.options().limits);
  if (!command.ok()) {
    return RejectOfSession(*partition, operation.session,
                           std::move(command).status(), call);
  }
  Propose<v1::KeepAliveResponse>(
      *partition, Kind::kKeepAlive, *std::move(command), call,
      [](const session::Applied&, v1::KeepAliveResponse&) {});
}

void PartitionService::CloseSession(const std::shared_ptr<UnaryCall>& call,
                                    absl::string_view bytes) {
  v1::CloseSessionRequest request;
  if (!Decode(call, bytes, request)) return;
  const auto partition =
      gateway_.Route(call, WriteInSession("CloseSession", request), bytes);
  if (partition == nullptr) return;
  Propose<v1::CloseSessionResponse>(
      *partition, Kind::kCloseSession, CloseSessionCommand(request.input()),
      call, [](const session::Applied&, v1::CloseSessionResponse&) {});
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* PartitionService::Watch(
    grpc::CallbackServerContext& context, absl::string_view bytes) {
  v1::WatchPartitionRequest request;
  absl::Status status;
  if (!ParseMessage(bytes, request)) {
    status = absl::InvalidArgumentError("the request does not decode");
  } else {
    status = CheckPartition("partition_id", request.partition_id());
  }
  if (!status.ok()) {
    return gateway_.RefuseStream(context,
                                 {.status = std::move(status),
                                  .outcome = partition::Outcome::kNotProposed},
                                 ErrorProfile{});
  }
  const auto route = gateway_.RouteStream(
      context,
      {.service = name(),
       .rpc = "Watch",
       .partition = base::PartitionId(request.partition_id())},
      bytes, ErrorProfile{});
  if (route.reactor != nullptr) return route.reactor;
  std::shared_ptr<const void> place = gateway_.watches().Take();
  if (place == nullptr) return gateway_.RefuseWatch(context);
  auto watch =
      StreamCall::Start<LeaderWatch>(context, gateway_.streams(), route.here,
                                     gateway_.clock(), std::move(place));
  watch->Subscribe();
  return watch.get();
}

}  // namespace server::service
