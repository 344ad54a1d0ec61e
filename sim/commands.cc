#include "sim/commands.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bloom.h"
#include "base/check.h"
#include "base/hash.h"
#include "multiraft/disk/v1/command.pb.h"

namespace sim {
namespace {

namespace disk = multiraft::disk::v1;
using partition::CommandRequest;

CommandRequest Request(CommandRequest::Kind kind, session::CommandKey key,
                       const disk::Command& command) {
  return {.kind = kind, .key = key, .bytes = command.SerializeAsString()};
}

disk::Command SessionCommand(session::CommandKey key,
                             absl::string_view content) {
  disk::Command command;
  disk::SessionCommand& inner = *command.mutable_session_command();
  inner.set_session_id(key.session.value());
  inner.set_sequence_num(key.sequence.value());
  inner.set_generation(static_cast<uint32_t>(session::Generation::kMultiRaft));
  inner.set_input_hash(base::Hash64(content));
  return command;
}

}  // namespace

CommandRequest OpenSessionRequest(uint64_t timeout_ns) {
  disk::Command command;
  command.mutable_open_session()->set_timeout_ns(timeout_ns);
  return Request(CommandRequest::Kind::kOpenSession, {}, command);
}

CommandRequest KeepAliveRequest(
    session::SessionId session, uint64_t last,
    const std::vector<uint64_t>& open,
    const std::map<uint64_t, uint64_t>& acknowledged) {
  disk::Command command;
  disk::KeepAlive& keep_alive = *command.mutable_keep_alive();
  keep_alive.set_session_id(session.value());
  keep_alive.set_last_input_sequence_num(last);
  const base::Bloom bloom = base::BuildBloom(open);
  keep_alive.mutable_input_filter()->set_bits(bloom.bits);
  keep_alive.mutable_input_filter()->set_hashes(bloom.hashes);
  keep_alive.mutable_input_filter()->set_set_bits(bloom.set_bits);
  keep_alive.mutable_input_filter()->set_words(bloom.words);
  for (const auto& [sequence, output] : acknowledged) {
    disk::Acknowledgement& one = *keep_alive.add_acknowledgements();
    one.set_sequence_num(sequence);
    one.set_output_sequence_num(output);
  }
  return Request(CommandRequest::Kind::kKeepAlive, {.session = session},
                 command);
}

CommandRequest CloseSessionRequest(session::SessionId session) {
  disk::Command command;
  command.mutable_close_session()->set_session_id(session.value());
  return Request(CommandRequest::Kind::kCloseSession, {.session = session},
                 command);
}

CommandRequest CreatePrimitiveRequest(session::CommandKey key,
                                      absl::string_view service,
                                      absl::string_view name) {
  disk::Command command =
      SessionCommand(key, absl::StrCat("create ", service, " ", name));
  disk::CreatePrimitive& create =
      *command.mutable_session_command()->mutable_create_primitive();
  create.set_service(service.data(), service.size());
  create.set_namespace_("sim");
  create.set_name(name.data(), name.size());
  return Request(CommandRequest::Kind::kUnary, key, command);
}

CommandRequest OperationRequest(session::CommandKey key,
                                session::PrimitiveId primitive,
                                const session::PrimitiveType& type,
                                absl::string_view rpc,
                                absl::string_view input) {
  const session::Operation& operation = OperationNamed(type, rpc);
  CHECK(operation.kind == session::OperationKind::kCommand ||
        operation.kind == session::OperationKind::kStreamCommand);
  disk::Command command =
      SessionCommand(key, absl::StrCat(type.name, " ", operation.id, " ",
                                       primitive.value(), " ", input));
  disk::PrimitiveCommand& inner =
      *command.mutable_session_command()->mutable_primitive();
  inner.set_primitive_id(primitive.value());
  inner.set_operation(operation.id);
  inner.set_input(input.data(), input.size());
  inner.set_type(type.name);
  return Request(operation.kind == session::OperationKind::kCommand
                     ? CommandRequest::Kind::kUnary
                     : CommandRequest::Kind::kStream,
                 key, command);
}

const session::Operation& OperationNamed(const session::PrimitiveType& type,
                                         absl::string_view rpc) {
  for (const session::Operation& operation : type.operations) {
    if (operation.rpc == rpc) return operation;
  }
  LOG(FATAL) << type.name << " has no operation " << rpc;
}

}  // namespace sim
