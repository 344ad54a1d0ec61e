#include "tests/rsm_session.h"

#include <utility>

#include "base/check.h"

namespace tests {
namespace {

// Headers of the first generation as the second's: the same bytes.
template <class To, class From>
To Same(const From& from) {
  To to;
  CHECK(to.ParseFromString(from.SerializeAsString()));
  return to;
}

}  // namespace

RsmSession::RsmSession(RawSession& session,
                       std::shared_ptr<grpc::Channel> channel)
    : session_(session), channel_(std::move(channel)) {}

rsm::v1::ProposalRequestHeaders RsmSession::ProposalHeaders(
    uint64_t primitive) {
  return Same<rsm::v1::ProposalRequestHeaders>(
      session_.CommandHeaders(primitive));
}

rsm::v1::QueryRequestHeaders RsmSession::QueryHeaders(uint64_t primitive) {
  return Same<rsm::v1::QueryRequestHeaders>(session_.QueryHeaders(primitive));
}

rsm::v1::CreatePrimitiveResponse RsmSession::CreatePrimitive(
    const std::string& type, const std::string& version,
    const std::string& name) {
  rsm::v1::CreatePrimitiveRequest request;
  *request.mutable_headers() = ProposalHeaders(0);
  auto& spec = *request.mutable_input()->mutable_spec();
  spec.mutable_type()->set_name(type);
  spec.mutable_type()->set_apiversion(version);
  spec.mutable_name()->set_name(name);
  rsm::v1::CreatePrimitiveResponse response;
  Call call;
  const grpc::Status status =
      Stub<rsm::v1::Session>()->CreatePrimitive(&call, request, &response);
  CHECK(status.ok()) << status.error_message();
  return response;
}

uint64_t RsmSession::Create(const std::string& type, const std::string& name) {
  return CreatePrimitive(type, "v1", name).output().primitive_id();
}

}  // namespace tests
