// RsmSession speaks the second generation of the API in a session of
// RawSession: one session, one counter of numbers, both generations.
//
// Not thread-safe.

#ifndef TESTS_RSM_SESSION_H_
#define TESTS_RSM_SESSION_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "atomix/protocols/rsm/v1/headers.pb.h"
#include "atomix/protocols/rsm/v1/session.grpc.pb.h"
#include "tests/raw_session.h"

namespace tests {

namespace rsm = ::atomix::protocols::rsm;

class RsmSession {
 public:
  // `session` outlives this.
  RsmSession(RawSession& session, std::shared_ptr<grpc::Channel> channel);

  // Opens a primitive, "Map", and returns its id; 0 if that failed.
  uint64_t Create(const std::string& type, const std::string& name);
  rsm::v1::CreatePrimitiveResponse CreatePrimitive(const std::string& type,
                                                   const std::string& version,
                                                   const std::string& name);

  // Headers with the next number of the session.
  rsm::v1::ProposalRequestHeaders ProposalHeaders(uint64_t primitive);
  rsm::v1::QueryRequestHeaders QueryHeaders(uint64_t primitive);

  // A stub of a service, as in
  //   auto sets = session.Stub<rsm::set::v1::Set>();
  template <class Service>
  std::unique_ptr<typename Service::Stub> Stub() const {
    return Service::NewStub(channel_);
  }

 private:
  RawSession& session_;
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace tests

#endif  // TESTS_RSM_SESSION_H_
