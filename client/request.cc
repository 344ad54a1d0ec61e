#include "client/request.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/status.h"

namespace client {
namespace {

namespace api = atomix::multiraft::v1;

void FillOperation(uint32_t partition, uint64_t session, uint64_t primitive,
                   api::OperationRequestHeaders& headers) {
  api::PrimitiveRequestHeaders& primitive_headers = *headers.mutable_session();
  primitive_headers.set_primitive_id(primitive);
  api::SessionRequestHeaders& session_headers =
      *primitive_headers.mutable_session();
  session_headers.set_session_id(session);
  session_headers.mutable_partition()->set_partition_id(partition);
}

}  // namespace

Request::Request(Session& session, Kind kind, int64_t deadline_ns)
    : keep_(session.weak_from_this().lock()),
      session_(session),
      call_(session.connection_,
            {.deadline_ns = deadline_ns, .is_command = kind == Kind::kCommand}),
      is_command_(kind == Kind::kCommand) {
  absl::StatusOr<uint64_t> sequence = session_.Start(call_);
  not_started_ = sequence.status();
  if (!sequence.ok()) return;
  sequence_ = *sequence;
  max_received_index_ = session_.observed_index();
}

Request::~Request() {
  if (sequence_ != 0) session_.Finish(sequence_, call_);
}

void Request::Fill(uint64_t primitive_id,
                   api::CommandRequestHeaders& headers) const {
  FillOperation(session_.partition(), session_.id(), primitive_id,
                *headers.mutable_operation());
  headers.set_sequence_num(sequence_);
}

void Request::Fill(uint64_t primitive_id,
                   api::QueryRequestHeaders& headers) const {
  FillOperation(session_.partition(), session_.id(), primitive_id,
                *headers.mutable_operation());
  headers.set_sequence_num(sequence_);
  headers.set_max_received_index(max_received_index_);
}

absl::Status Request::Begin(grpc::ClientContext& context) {
  RETURN_IF_ERROR(not_started_);
  return call_.Begin(context);
}

std::optional<absl::Status> Request::End(const grpc::Status& status,
                                         const grpc::ClientContext& context) {
  const bool earlier = is_command_ && call_.maybe_taken();
  std::optional<absl::Status> end = call_.End(status, context);
  if (!end.has_value() || !SaysSessionIsGone(*end)) return end;
  absl::Status lost = session_.Lose(*end);
  // The session may have lived when an attempt before this one was taken.
  return earlier ? WithUnknownOutcome(std::move(lost)) : lost;
}

absl::Status Request::Read(const api::OperationResponseHeaders& headers) {
  session_.Observe(headers.session().session().partition().index());
  return FromHeaders(headers);
}

void Request::Received(uint64_t output) {
  session_.Received(sequence_, output);
}

absl::Status Request::WhyEnded() {
  RETURN_IF_ERROR(session_.KeepAlive());
  return absl::CancelledError(absl::StrCat(
      "the server ended stream ", sequence_, " of session ", session_.id()));
}

}  // namespace client
