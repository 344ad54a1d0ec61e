#include "server/service/commands.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/hash.h"
#include "multiraft/disk/v1/command.pb.h"
#include "session/bloom_filter.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;
namespace disk = ::multiraft::disk::v1;

constexpr uint64_t kNanosPerSecond = 1'000'000'000;

// The hash that tells whether a sequence number comes back with other content.
// The operation's number and name, the primitive, then the input.
uint64_t InputHash(absl::string_view type, uint32_t operation,
                   uint64_t primitive, absl::string_view input) {
  std::string what;
  base::AppendU32(what, operation);
  base::AppendU64(what, primitive);
  what.append(type.data(), type.size());
  return base::Hash64(input, base::Hash64(what));
}

// A command of a session, but for what it does.
disk::SessionCommand& StartCommand(const RequestHeaders& headers,
                                   session::Generation generation,
                                   uint64_t input_hash,
                                   disk::Command& command) {
  disk::SessionCommand& result = *command.mutable_session_command();
  result.set_session_id(headers.session.value());
  result.set_sequence_num(headers.sequence.value());
  result.set_generation(static_cast<uint32_t>(generation));
  result.set_input_hash(input_hash);
  return result;
}

}  // namespace

absl::StatusOr<std::string> OpenSessionCommand(
    const v1::OpenSessionInput& input, const session::Limits& limits) {
  if (!input.has_timeout()) {
    return absl::InvalidArgumentError("input.timeout is missing");
  }
  const int64_t seconds = input.timeout().seconds();
  const int32_t nanos = input.timeout().nanos();
  if (seconds < 0 || nanos < 0 || (seconds == 0 && nanos == 0)) {
    return absl::InvalidArgumentError("input.timeout must be positive");
  }
  if (nanos >= static_cast<int64_t>(kNanosPerSecond)) {
    return absl::InvalidArgumentError("input.timeout.nanos is out of range");
  }
  // Compared by seconds first: the product may overflow.
  const bool too_long = static_cast<uint64_t>(seconds) >
                        limits.session_timeout_max_ns / kNanosPerSecond;
  const uint64_t timeout_ns =
      too_long ? 0
               : static_cast<uint64_t>(seconds) * kNanosPerSecond +
                     static_cast<uint64_t>(nanos);
  if (too_long || timeout_ns > limits.session_timeout_max_ns) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.timeout is above ", limits.session_timeout_max_ns,
                     " ns, the longest this server allows"));
  }
  if (timeout_ns < limits.session_timeout_min_ns) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.timeout is below ", limits.session_timeout_min_ns,
                     " ns, the shortest this server allows"));
  }
  disk::Command command;
  command.mutable_open_session()->set_timeout_ns(timeout_ns);
  return command.SerializeAsString();
}

absl::StatusOr<std::string> KeepAliveCommand(const v1::KeepAliveInput& input,
                                             const session::Limits& limits) {
  if (input.input_filter().size() > limits.filter_bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.input_filter has ", input.input_filter().size(),
                     " bytes, more than ", limits.filter_bytes_max));
  }
  absl::StatusOr<session::BloomFilter> filter =
      session::BloomFilter::Parse(input.input_filter(), limits);
  if (!filter.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.input_filter: ", filter.status().message()));
  }
  disk::Command command;
  disk::KeepAlive& keep_alive = *command.mutable_keep_alive();
  keep_alive.set_session_id(input.session_id());
  keep_alive.set_last_input_sequence_num(input.last_input_sequence_num());
  keep_alive.mutable_input_filter()->set_bits(filter->bits());
  keep_alive.mutable_input_filter()->set_hashes(filter->hashes());
  keep_alive.mutable_input_filter()->set_set_bits(filter->set_bits());
  keep_alive.mutable_input_filter()->set_words(filter->words());
  // The map of the public message has no order; the log's is sorted.
  const std::map<uint64_t, uint64_t> sorted(
      input.last_output_sequence_nums().begin(),
      input.last_output_sequence_nums().end());
  for (const auto& [sequence, output] : sorted) {
    disk::Acknowledgement& acknowledgement = *keep_alive.add_acknowledgements();
    acknowledgement.set_sequence_num(sequence);
    acknowledgement.set_output_sequence_num(output);
  }
  return command.SerializeAsString();
}

std::string CloseSessionCommand(const v1::CloseSessionInput& input) {
  disk::Command command;
  command.mutable_close_session()->set_session_id(input.session_id());
  return command.SerializeAsString();
}

std::string CreatePrimitiveCommand(const RequestHeaders& headers,
                                   session::Generation generation,
                                   const PrimitiveSpec& spec) {
  disk::CreatePrimitive create;
  create.set_service(spec.type);
  create.set_namespace_(spec.name_space);
  create.set_name(spec.name);
  create.set_profile(spec.profile);
  disk::Command command;
  *StartCommand(headers, generation,
                InputHash("CreatePrimitive", 0, 0, create.SerializeAsString()),
                command)
       .mutable_create_primitive() = std::move(create);
  return command.SerializeAsString();
}

std::string ClosePrimitiveCommand(const RequestHeaders& headers,
                                  session::Generation generation,
                                  const v1::ClosePrimitiveInput& input) {
  disk::Command command;
  StartCommand(headers, generation,
               InputHash("ClosePrimitive", 0, input.primitive_id(), ""),
               command)
      .mutable_close_primitive()
      ->set_primitive_id(input.primitive_id());
  return command.SerializeAsString();
}

std::string PrimitiveCommand(const RequestHeaders& headers,
                             session::Generation generation,
                             const session::PrimitiveType& type,
                             const session::Operation& operation,
                             absl::string_view input) {
  disk::Command command;
  disk::PrimitiveCommand& primitive =
      *StartCommand(
           headers, generation,
           InputHash(type.name, operation.id, headers.primitive.value(), input),
           command)
           .mutable_primitive();
  primitive.set_primitive_id(headers.primitive.value());
  primitive.set_operation(operation.id);
  primitive.set_input(input.data(), input.size());
  primitive.set_type(type.name);
  return command.SerializeAsString();
}

}  // namespace server::service
