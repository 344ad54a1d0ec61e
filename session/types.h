// The words of sessions: ids, positions, statuses and results.

#ifndef SESSION_TYPES_H_
#define SESSION_TYPES_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "base/strong_int.h"

namespace session {

// The index of the command that opened the session; never 0.
using SessionId = base::StrongInt<struct SessionIdTag>;

// The index of the command that created the primitive; never 0.
using PrimitiveId = base::StrongInt<struct PrimitiveIdTag>;

// Names a command inside its session; chosen by the client.
using SequenceNum = base::StrongInt<struct SequenceNumTag>;

// Log time that never comes.
inline constexpr uint64_t kNever = UINT64_MAX;

// One command of one session.
struct CommandKey {
  SessionId session;
  SequenceNum sequence;

  auto operator<=>(const CommandKey&) const = default;
};

// A stream query that runs on this node; never used again.
enum class QueryStreamId : uint64_t {};

// Which API carried an operation; answers differ a little between them.
// Do not change: on disk.
enum class Generation : uint8_t {
  kMultiRaft = 1,  // atomix.multiraft.*
  kRsm = 2,        // atomix.protocols.rsm.*
};

// Do not change: on disk, and the numbers of OperationResponseHeaders.Status.
enum class OperationStatus : uint8_t {
  kOk = 0,
  kError = 1,
  kUnknown = 2,
  kCanceled = 3,
  kNotFound = 4,
  kAlreadyExists = 5,
  kUnauthorized = 6,
  kForbidden = 7,
  kConflict = 8,
  kInvalid = 9,
  kUnavailable = 10,
  kNotSupported = 11,
  kTimeout = 12,
  kInternal = 13,
  kFault = 14,
};

// What an operation answers: a domain result, the same on every replica.
// `output` is the public <Rpc>Output message; empty unless kOk.
struct Result {
  OperationStatus status = OperationStatus::kOk;
  std::string message;
  std::string output;

  bool operator==(const Result&) const = default;
};

inline Result Ok(std::string output) { return {.output = std::move(output)}; }
inline Result Failure(OperationStatus status, std::string message) {
  return {.status = status, .message = std::move(message)};
}

}  // namespace session

#endif  // SESSION_TYPES_H_
