#include "client/primitive.h"

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"
#include "client/connection.h"

namespace client {
namespace {

namespace api = atomix::multiraft::v1;

// CreatePrimitive and ClosePrimitive are commands of the session itself.
template <class Req, class Response>
absl::StatusOr<Response> RunSessionCommand(
    Session& session, uint64_t primitive_id, Req message,
    grpc::Status (api::Session::Stub::*method)(grpc::ClientContext*, const Req&,
                                               Response*)) {
  Request request(session, Request::Kind::kCommand, CallDeadlineNanos(session));
  request.Fill(primitive_id, *message.mutable_headers());
  while (true) {
    grpc::ClientContext context;
    Response response;
    RETURN_IF_ERROR(request.Begin(context));
    const auto stub = api::Session::NewStub(request.channel());
    const grpc::Status status = ((*stub).*method)(&context, message, &response);
    const std::optional<absl::Status> end = request.End(status, context);
    if (!end.has_value()) continue;
    RETURN_IF_ERROR(*end);
    RETURN_IF_ERROR(request.Read(response.headers().operation()));
    return response;
  }
}

}  // namespace

absl::StatusOr<uint64_t> OpenPrimitive(Session& session,
                                       absl::string_view service,
                                       const PrimitiveName& name) {
  api::CreatePrimitiveRequest message;
  api::PrimitiveSpec& spec = *message.mutable_input()->mutable_spec();
  spec.set_service(std::string(service));
  spec.set_namespace_(name.space);
  spec.set_name(name.name);
  spec.set_profile(name.profile);
  ASSIGN_OR_RETURN(
      const api::CreatePrimitiveResponse response,
      RunSessionCommand(session, /*primitive_id=*/0, std::move(message),
                        &api::Session::Stub::CreatePrimitive));
  return response.output().primitive_id();
}

absl::Status ClosePrimitive(Session& session, uint64_t primitive_id) {
  api::ClosePrimitiveRequest message;
  message.mutable_input()->set_primitive_id(primitive_id);
  return RunSessionCommand(session, primitive_id, std::move(message),
                           &api::Session::Stub::ClosePrimitive)
      .status();
}

int64_t CallDeadlineNanos(Session& session) {
  return session.connection().CallDeadlineNanos();
}

}  // namespace client
