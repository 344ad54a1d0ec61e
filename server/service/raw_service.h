// RawService is a gRPC service made from a list of methods at run time. Its
// handlers get the request's bytes and answer with bytes, so one path carries
// the RPCs of every primitive, and what does not decode is ours to answer.
//
// Methods registered like generated ones keep gRPC's full speed (measured:
// CallbackGenericService costs a quarter of it) and show in reflection.

#ifndef SERVER_SERVICE_RAW_SERVICE_H_
#define SERVER_SERVICE_RAW_SERVICE_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/service/error.h"
#include "server/service/unary_call.h"

namespace server::service {

// Parses a public message. Unlike MergeFrom, also checks for its whole length.
template <class Message>
bool ParseMessage(absl::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

class RawService : public grpc::Service {
 public:
  // "atomix.multiraft.v1.Partition"
  const std::string& name() const { return name_; }

  // Unary calls that gRPC is not done with.
  size_t unary_calls() const {
    return unary_calls_.load(std::memory_order_acquire);
  }

 protected:
  explicit RawService(std::string name) : name_(std::move(name)) {}

  // Runs on a gRPC thread and must not block, and holds no lock when it
  // returns: the thread then helps with what it has left (base::HelpScope).
  // `request` lives until it returns.
  using UnaryHandler = std::function<void(
      const std::shared_ptr<UnaryCall>& call, absl::string_view request)>;
  using StreamHandler =
      std::function<grpc::ServerWriteReactor<grpc::ByteBuffer>*(
          grpc::CallbackServerContext& context, absl::string_view request)>;

  // Called by the constructors of subclasses.
  void AddUnary(absl::string_view rpc, const ErrorProfile& profile,
                UnaryHandler handler);
  void AddServerStream(absl::string_view rpc, StreamHandler handler);

 private:
  const char* PathOf(absl::string_view rpc);

  const std::string name_;
  std::deque<std::string> paths_;  // gRPC keeps pointers to them.
  int methods_ = 0;
  std::atomic<size_t> unary_calls_{0};
};

}  // namespace server::service

#endif  // SERVER_SERVICE_RAW_SERVICE_H_
