// Envelope is what every RPC of a primitive has in common: a request is
// {headers = 1, input = 2}, a response {headers = 1, output = 2}. The headers
// are read and written here; input and output pass through as bytes.
//
//   request  = 1: CommandRequestHeaders | QueryRequestHeaders, 2: input
//   response = 1: CommandResponseHeaders | QueryResponseHeaders, 2: output
//
// A response always has headers, down to the partition's index, and has an
// output, even an empty one, exactly if its status is OK: drivers use both
// without looking (semantics 0.6).

#ifndef SERVER_SERVICE_ENVELOPE_H_
#define SERVER_SERVICE_ENVELOPE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "session/types.h"

namespace server::service {

// Which headers an RPC carries.
enum class HeaderKind : uint8_t { kCommand, kQuery };

// Headers of both kinds, flat. What a message leaves out is zero.
struct RequestHeaders {
  base::PartitionId partition;
  session::SessionId session;
  session::PrimitiveId primitive;
  session::SequenceNum sequence;
  uint64_t max_received_index = 0;  // Queries only.
};

struct Request {
  RequestHeaders headers;
  bool has_input = false;

  // Usually a view into the request's bytes; into `joined` if the input came
  // in pieces (a field that is repeated on the wire is merged).
  absl::string_view input;
  std::string joined;
};

// Reads a request. `bytes` must outlive the result, which is not moved.
// InvalidArgument, naming the field: it does not decode, or headers or the
// partition's id are missing.
absl::Status DecodeRequest(absl::string_view bytes, HeaderKind kind,
                           Request& request);

// Writes a response whose outcome is `result`. `output_number` counts for
// commands only.
std::string EncodeResponse(HeaderKind kind, uint64_t index,
                           uint64_t output_number,
                           const session::Result& result);

}  // namespace server::service

#endif  // SERVER_SERVICE_ENVELOPE_H_
