// Between gRPC's buffers and bytes in one piece.

#ifndef SERVER_SERVICE_BYTE_BUFFER_H_
#define SERVER_SERVICE_BYTE_BUFFER_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string>

#include "absl/strings/string_view.h"

namespace server::service {

inline grpc::ByteBuffer BufferOf(absl::string_view bytes) {
  grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() &&
      !buffer.DumpToSingleSlice(&slice).ok()) {
    return "";
  }
  return std::string(reinterpret_cast<const char*>(slice.begin()),
                     slice.size());
}

}  // namespace server::service

#endif  // SERVER_SERVICE_BYTE_BUFFER_H_
