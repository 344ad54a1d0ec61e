// Input: how a primitive reads the public messages that commands and queries
// carry, and what it refuses in them. The same check runs before a command is
// proposed, with the node's limits, and again when it is applied, without:
// limits may differ between nodes, well-formedness may not.

#ifndef PRIMITIVE_INPUT_H_
#define PRIMITIVE_INPUT_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "session/limits.h"
#include "session/primitive.h"
#include "session/types.h"

namespace primitive {

// Checks one kind of input message. InvalidArgument names the field.
template <class Input>
using InputCheck = absl::Status (*)(const Input& input,
                                    const session::Limits& limits);

// For inputs in which nothing can be wrong once they decode.
template <class Input>
absl::Status CheckNothing(const Input&, const session::Limits&) {
  return absl::OkStatus();
}

// The input in `bytes`, or InvalidArgument: it does not decode, or kCheck says
// so.
template <class Input, InputCheck<Input> kCheck>
absl::StatusOr<Input> ParseInput(absl::string_view bytes,
                                 const session::Limits& limits) {
  Input input;
  if (!input.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("input: not a ", Input::descriptor()->name()));
  }
  if (absl::Status status = kCheck(input, limits); !status.ok()) return status;
  return input;
}

// As session::Operation::check wants it.
template <class Input, InputCheck<Input> kCheck = CheckNothing<Input>>
absl::Status CheckInput(absl::string_view bytes,
                        const session::Limits& limits) {
  return ParseInput<Input, kCheck>(bytes, limits).status();
}

// Limits that nothing exceeds.
const session::Limits& NoLimits();

// Answers a query with `handle(const Input&)`, which returns a Result; with
// kInternal if the input is malformed, which only a bug before this can cause.
template <class Input, InputCheck<Input> kCheck = CheckNothing<Input>,
          class Handle>
session::Result HandleQuery(absl::string_view bytes, Handle handle) {
  absl::StatusOr<Input> input = ParseInput<Input, kCheck>(bytes, NoLimits());
  if (!input.ok()) {
    return session::Failure(session::OperationStatus::kInternal,
                            std::string(input.status().message()));
  }
  return handle(*input);
}

// The same for a committed command. A handler that returns nothing has called
// Answer, KeepOpen or Listen itself.
template <class Input, InputCheck<Input> kCheck = CheckNothing<Input>,
          class Handle>
void HandleCommand(session::CommandContext& context, absl::string_view bytes,
                   Handle handle) {
  absl::StatusOr<Input> input = ParseInput<Input, kCheck>(bytes, NoLimits());
  if (!input.ok()) {
    context.Answer(session::Failure(session::OperationStatus::kInternal,
                                    std::string(input.status().message())));
  } else if constexpr (std::is_void_v<decltype(handle(*input))>) {
    handle(*input);
  } else {
    context.Answer(handle(*input));
  }
}

// Whether a stream query with this input, which has a field `watch`, goes on
// behind its listing.
template <class Input>
bool WantsWatch(absl::string_view bytes) {
  const absl::StatusOr<Input> input =
      ParseInput<Input, CheckNothing<Input>>(bytes, NoLimits());
  return input.ok() && input->watch();
}

// What an operation answers that the primitive does not have.
session::Result NotSupported();

// The result kOk with `output`, a public <Rpc>Output message.
session::Result Answer(const google::protobuf::Message& output);

absl::Status CheckKey(absl::string_view field, absl::string_view key,
                      const session::Limits& limits);
absl::Status CheckValue(absl::string_view field, absl::string_view value,
                        const session::Limits& limits);
// Well-formed as google/protobuf/duration.proto defines it: in range, and the
// signs of seconds and nanos agree. Any sign will do.
absl::Status CheckDuration(absl::string_view field,
                           const google::protobuf::Duration& duration);

inline bool IsPositive(const google::protobuf::Duration& duration) {
  return duration.seconds() > 0 ||
         (duration.seconds() == 0 && duration.nanos() > 0);
}

// The log time at which something that starts at `now_ns` and lasts `duration`
// is over: later than now, so that what lasts no time, or less, ends with the
// next entry that has a later time; kNever when log time cannot get there.
uint64_t Deadline(uint64_t now_ns, const google::protobuf::Duration& duration);

}  // namespace primitive

#endif  // PRIMITIVE_INPUT_H_
