#include "server/service/raw_service.h"

#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/help_scope.h"

namespace server::service {
namespace {

// What a lone command takes: the turn that proposes it, its write, the turn
// that answers it.
constexpr int kErrandsMax = 3;

// The bytes of a request in one piece, mostly without a copy.
class Flat {
 public:
  explicit Flat(const grpc::ByteBuffer& buffer) {
    if (!buffer.TrySingleSlice(&slice_).ok() &&
        !buffer.DumpToSingleSlice(&slice_).ok()) {
      slice_ = grpc::Slice();
    }
  }

  absl::string_view bytes() const {
    return {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
  }

 private:
  grpc::Slice slice_;
};

}  // namespace

const char* RawService::PathOf(absl::string_view rpc) {
  return paths_.emplace_back(absl::StrCat("/", name_, "/", rpc)).c_str();
}

void RawService::AddUnary(absl::string_view rpc, const ErrorProfile& profile,
                          UnaryHandler handler) {
  AddMethod(new grpc::internal::RpcServiceMethod(
      PathOf(rpc), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodRawCallback(
      methods_++,
      new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer,
                                               grpc::ByteBuffer>(
          [this, profile, handler = std::move(handler)](
              grpc::CallbackServerContext* context,
              const grpc::ByteBuffer* request,
              grpc::ByteBuffer* response) -> grpc::ServerUnaryReactor* {
            auto call =
                UnaryCall::Start(*context, *response, profile, unary_calls_);
            const Flat flat(*request);
            // Helps where the handler ends, with the call not yet gRPC's: what
            // finishes it here takes effect when it is returned.
            const base::HelpScope scope(kErrandsMax);
            handler(call, flat.bytes());
            return call.get();
          }));
}

void RawService::AddServerStream(absl::string_view rpc, StreamHandler handler) {
  AddMethod(new grpc::internal::RpcServiceMethod(
      PathOf(rpc), grpc::internal::RpcMethod::SERVER_STREAMING, nullptr));
  MarkMethodRawCallback(
      methods_++,
      new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer,
                                                         grpc::ByteBuffer>(
          [handler = std::move(handler)](grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request) {
            const Flat flat(*request);
            return handler(*context, flat.bytes());
          }));
}

}  // namespace server::service
