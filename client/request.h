// Request is one numbered request of a session, from its number to its end: a
// Call that ends with the session, and says so when the session turns out to be
// gone. Its number is open, in KeepAlives, for as long as the object lives.
//
// Driven by one thread; Cancel is for the others. The session outlives it, and
// is kept by it if a shared_ptr owns it.

#ifndef CLIENT_REQUEST_H_
#define CLIENT_REQUEST_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "client/call.h"
#include "client/session.h"

namespace client {

class Request {
 public:
  enum class Kind { kCommand, kQuery };

  // Takes the session's next number; on an ended session, Begin says so.
  Request(Session& session, Kind kind, int64_t deadline_ns);
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  // The headers of every attempt: equal bytes each time.
  void Fill(uint64_t primitive_id,
            atomix::multiraft::v1::CommandRequestHeaders& headers) const;
  void Fill(uint64_t primitive_id,
            atomix::multiraft::v1::QueryRequestHeaders& headers) const;

  // As those of Call.
  absl::Status Begin(grpc::ClientContext& context);
  std::optional<absl::Status> End(const grpc::Status& status,
                                  const grpc::ClientContext& context);
  const std::shared_ptr<grpc::ChannelInterface>& channel() const {
    return call_.channel();
  }
  void Abandon(absl::Status failure) { call_.Abandon(std::move(failure)); }
  void Progressed() { call_.Progressed(); }
  void Cancel(absl::Status why) { call_.Cancel(std::move(why)); }

  // Takes in what every response says: the index, and the primitive's status.
  absl::Status Read(
      const atomix::multiraft::v1::OperationResponseHeaders& headers);

  // Stream commands: outputs up to `output` need not be sent again.
  void Received(uint64_t output);

  // The stream ended though it had no reason to. Asks the server whether the
  // session is still there, and returns why the stream ended.
  absl::Status WhyEnded();

 private:
  const std::shared_ptr<Session> keep_;  // The session, if it is shared.
  Session& session_;                     // Constant after construction.
  Call call_;
  const bool is_command_;
  absl::Status not_started_;  // Why there is no number.
  uint64_t sequence_ = 0;     // 0: none.
  uint64_t max_received_index_ = 0;
};

}  // namespace client

#endif  // CLIENT_REQUEST_H_
