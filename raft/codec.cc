#include "raft/codec.h"

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "google/protobuf/io/coded_stream.h"
#include "raft/configuration.h"

namespace raft {
namespace {

namespace v1 = ::multiraft::peer::v1;
using ::google::protobuf::io::CodedOutputStream;

// Tags: field number << 3 | 2 (length-delimited).
constexpr char kMessagesTag = 2 << 3 | 2;   // Frame.messages
constexpr char kPayloadsTag = 15 << 3 | 2;  // RaftMessage.payloads

// A message without its entries, generously.
constexpr uint64_t kHeadBytes = 64;
constexpr uint64_t kEntryBytes = 48;

// --- Encoding ---------------------------------------------------------------

void Fill(const PreVote& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_pre_vote();
  body.set_last_index(m.last_index.value());
  body.set_last_term(m.last_term.value());
  body.set_transfer(m.transfer);
}
void Fill(const PreVoteReply& m, v1::RaftMessage& out) {
  out.mutable_pre_vote_reply()->set_granted(m.granted);
}
void Fill(const RequestVote& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_request_vote();
  body.set_last_index(m.last_index.value());
  body.set_last_term(m.last_term.value());
  body.set_transfer(m.transfer);
}
void Fill(const RequestVoteReply& m, v1::RaftMessage& out) {
  out.mutable_request_vote_reply()->set_granted(m.granted);
}
// Without the payloads.
void Fill(const AppendEntries& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_append_entries();
  body.set_prev_index(m.prev_index.value());
  body.set_prev_term(m.prev_term.value());
  body.set_prev_chain(m.prev_chain);
  body.set_commit_index(m.commit_index.value());
  body.mutable_entries()->Reserve(static_cast<int>(m.entries.size()));
  for (const Entry& entry : m.entries) {
    auto& to = *body.add_entries();
    to.set_term(entry.term.value());
    to.set_index(entry.index.value());
    to.set_type(static_cast<uint32_t>(entry.type));
    to.set_time_ns(entry.time_ns);
    to.set_chain(entry.chain);
    to.set_payload_crc(entry.payload_crc);
  }
}
void Fill(const AppendEntriesReply& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_append_entries_reply();
  body.set_accepted(m.accepted);
  body.set_index(m.index.value());
  body.set_hint_index(m.hint_index.value());
  body.set_hint_term(m.hint_term.value());
}
void Fill(const Heartbeat& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_heartbeat();
  body.set_commit_index(m.commit_index.value());
  body.set_read_round(m.read_round);
  body.set_sent_ns(m.sent_ns);
}
void Fill(const HeartbeatReply& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_heartbeat_reply();
  body.set_read_round(m.read_round);
  body.set_sent_ns(m.sent_ns);
  body.set_promise_ns(m.promise_ns);
}
void Fill(const InstallSnapshot& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_install_snapshot();
  auto& position = *body.mutable_position();
  position.set_index(m.position.index.value());
  position.set_term(m.position.term.value());
  position.set_time_ns(m.position.time_ns);
  position.set_chain(m.position.chain);
  body.set_configuration(m.configuration);
}
void Fill(const InstallSnapshotReply& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_install_snapshot_reply();
  body.set_index(m.index.value());
  body.set_installed(m.installed);
}
void Fill(const Removed& m, v1::RaftMessage& out) {
  out.mutable_removed()->set_index(m.index.value());
}
void Fill(const TimeoutNow& m, v1::RaftMessage& out) {
  out.mutable_timeout_now()->set_last_index(m.last_index.value());
}
void Fill(const ReadIndexRequest& m, v1::RaftMessage& out) {
  out.mutable_read_index_request()->set_context(m.context);
}
void Fill(const ReadIndexReply& m, v1::RaftMessage& out) {
  auto& body = *out.mutable_read_index_reply();
  body.set_context(m.context);
  body.set_confirmed(m.confirmed);
  body.set_index(m.index.value());
}

// Of `head` without crc and payloads. A message of a newer version keeps its
// unknown fields, in the order in which they were sent: numbers only rise.
uint32_t Checksum(const v1::RaftMessage& head) {
  return base::Crc32c(head.SerializeAsString());
}

void AppendVarint(uint64_t value, std::string& out) {
  uint8_t bytes[10];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes),
             static_cast<size_t>(end - bytes));
}

size_t FieldSize(absl::string_view bytes) {
  return 1 + CodedOutputStream::VarintSize64(bytes.size()) + bytes.size();
}

// --- Decoding ---------------------------------------------------------------

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

std::optional<EntryType> TypeOf(uint32_t type) {
  switch (static_cast<EntryType>(type)) {
    case EntryType::kNoop:
    case EntryType::kConfChange:
    case EntryType::kApp:
      // Not of a number that was cut to the enum's size.
      if (type <= 0xff) return static_cast<EntryType>(type);
      break;
  }
  return std::nullopt;
}

absl::StatusOr<Entry> DecodeEntry(const v1::Entry& proto,
                                  std::string&& payload) {
  const std::optional<EntryType> type = TypeOf(proto.type());
  if (!type.has_value()) {
    return Malformed(absl::StrCat("entry ", proto.index(), " has type ",
                                  proto.type(), ", unknown here"));
  }
  // A wrong payload would be found when it is applied (D7), and stop the
  // partition: here the message is lost, and sent again.
  if (base::Crc32c(payload) != proto.payload_crc()) {
    return Malformed(absl::StrCat("entry ", proto.index(), " has a payload of ",
                                  payload.size(),
                                  " bytes that is not what was sent"));
  }
  if (*type == EntryType::kConfChange && !DecodeConfiguration(payload).ok()) {
    return Malformed(absl::StrCat("entry ", proto.index(),
                                  " has a configuration that does not decode"));
  }
  Entry entry{.term = Term(proto.term()),
              .index = Index(proto.index()),
              .type = *type,
              .time_ns = proto.time_ns(),
              .chain = proto.chain(),
              .payload_crc = proto.payload_crc()};
  if (!payload.empty()) {
    entry.payload = std::make_shared<const std::string>(std::move(payload));
  }
  return entry;
}

absl::StatusOr<AppendEntries> DecodeAppend(v1::RaftMessage& proto) {
  const v1::AppendEntries& body = proto.append_entries();
  if (body.entries_size() != proto.payloads_size()) {
    return Malformed(absl::StrCat(body.entries_size(), " entries with ",
                                  proto.payloads_size(), " payloads"));
  }
  AppendEntries append{.prev_index = Index(body.prev_index()),
                       .prev_term = Term(body.prev_term()),
                       .prev_chain = body.prev_chain(),
                       .commit_index = Index(body.commit_index())};
  append.entries.reserve(static_cast<size_t>(body.entries_size()));
  for (int i = 0; i < body.entries_size(); ++i) {
    absl::StatusOr<Entry> entry =
        DecodeEntry(body.entries(i), std::move(*proto.mutable_payloads(i)));
    if (!entry.ok()) return std::move(entry).status();
    append.entries.push_back(*std::move(entry));
  }
  return append;
}

absl::StatusOr<InstallSnapshot> DecodeInstall(v1::InstallSnapshot& body) {
  if (!DecodeConfiguration(body.configuration()).ok()) {
    return Malformed("an image is offered whose configuration does not decode");
  }
  const v1::Position& position = body.position();
  return InstallSnapshot{
      .position = {.index = Index(position.index()),
                   .term = Term(position.term()),
                   .time_ns = position.time_ns(),
                   .chain = position.chain()},
      .configuration = std::move(*body.mutable_configuration())};
}

}  // namespace

uint64_t EncodedSize(const Message& message) {
  uint64_t size = kHeadBytes;
  if (const auto* append = std::get_if<AppendEntries>(&message.body)) {
    for (const Entry& entry : append->entries) {
      size += kEntryBytes + entry.bytes().size();
    }
  } else if (const auto* install =
                 std::get_if<InstallSnapshot>(&message.body)) {
    size += install->configuration.size();
  }
  return size;
}

void AppendMessage(base::PartitionId partition, const Message& message,
                   std::string& frame) {
  v1::RaftMessage head;
  head.set_partition(partition.value());
  head.set_from(message.from.value());
  head.set_to(message.to.value());
  head.set_term(message.term.value());
  std::visit([&](const auto& body) { Fill(body, head); }, message.body);

  head.set_crc(Checksum(head));

  const auto* append = std::get_if<AppendEntries>(&message.body);
  size_t size = head.ByteSizeLong();
  if (append != nullptr) {
    for (const Entry& entry : append->entries) size += FieldSize(entry.bytes());
  }
  frame += kMessagesTag;
  AppendVarint(size, frame);
  head.AppendToString(&frame);
  if (append == nullptr) return;
  for (const Entry& entry : append->entries) {
    const absl::string_view payload = entry.bytes();
    frame += kPayloadsTag;
    AppendVarint(payload.size(), frame);
    frame.append(payload.data(), payload.size());
  }
}

absl::StatusOr<Message> DecodeMessage(v1::RaftMessage&& proto) {
  const uint32_t crc = proto.crc();
  proto.clear_crc();
  google::protobuf::RepeatedPtrField<std::string> payloads;
  payloads.Swap(proto.mutable_payloads());
  if (Checksum(proto) != crc)
    return Malformed("a message with a wrong checksum");
  payloads.Swap(proto.mutable_payloads());
  if (proto.from() == 0 || proto.to() == 0) {
    return Malformed("a message from or to nobody");
  }
  Message message{.from = ReplicaId(proto.from()),
                  .to = ReplicaId(proto.to()),
                  .term = Term(proto.term())};
  switch (proto.body_case()) {
    case v1::RaftMessage::kHeartbeat:
      message.body =
          Heartbeat{.commit_index = Index(proto.heartbeat().commit_index()),
                    .read_round = proto.heartbeat().read_round(),
                    .sent_ns = proto.heartbeat().sent_ns()};
      return message;
    case v1::RaftMessage::kHeartbeatReply:
      message.body =
          HeartbeatReply{.read_round = proto.heartbeat_reply().read_round(),
                         .sent_ns = proto.heartbeat_reply().sent_ns(),
                         .promise_ns = proto.heartbeat_reply().promise_ns()};
      return message;
    case v1::RaftMessage::kAppendEntries: {
      absl::StatusOr<AppendEntries> append = DecodeAppend(proto);
      if (!append.ok()) return std::move(append).status();
      message.body = *std::move(append);
      return message;
    }
    case v1::RaftMessage::kAppendEntriesReply: {
      const v1::AppendEntriesReply& body = proto.append_entries_reply();
      message.body = AppendEntriesReply{.accepted = body.accepted(),
                                        .index = Index(body.index()),
                                        .hint_index = Index(body.hint_index()),
                                        .hint_term = Term(body.hint_term())};
      return message;
    }
    case v1::RaftMessage::kReadIndexRequest:
      message.body =
          ReadIndexRequest{.context = proto.read_index_request().context()};
      return message;
    case v1::RaftMessage::kReadIndexReply: {
      const v1::ReadIndexReply& body = proto.read_index_reply();
      message.body = ReadIndexReply{.context = body.context(),
                                    .confirmed = body.confirmed(),
                                    .index = Index(body.index())};
      return message;
    }
    case v1::RaftMessage::kPreVote:
      message.body = PreVote{.last_index = Index(proto.pre_vote().last_index()),
                             .last_term = Term(proto.pre_vote().last_term()),
                             .transfer = proto.pre_vote().transfer()};
      return message;
    case v1::RaftMessage::kPreVoteReply:
      message.body = PreVoteReply{.granted = proto.pre_vote_reply().granted()};
      return message;
    case v1::RaftMessage::kRequestVote: {
      const v1::RequestVote& body = proto.request_vote();
      message.body = RequestVote{.last_index = Index(body.last_index()),
                                 .last_term = Term(body.last_term()),
                                 .transfer = body.transfer()};
      return message;
    }
    case v1::RaftMessage::kRequestVoteReply:
      message.body =
          RequestVoteReply{.granted = proto.request_vote_reply().granted()};
      return message;
    case v1::RaftMessage::kInstallSnapshot: {
      absl::StatusOr<InstallSnapshot> install =
          DecodeInstall(*proto.mutable_install_snapshot());
      if (!install.ok()) return std::move(install).status();
      message.body = *std::move(install);
      return message;
    }
    case v1::RaftMessage::kInstallSnapshotReply: {
      const v1::InstallSnapshotReply& body = proto.install_snapshot_reply();
      message.body = InstallSnapshotReply{.index = Index(body.index()),
                                          .installed = body.installed()};
      return message;
    }
    case v1::RaftMessage::kRemoved:
      message.body = Removed{.index = Index(proto.removed().index())};
      return message;
    case v1::RaftMessage::kTimeoutNow:
      message.body =
          TimeoutNow{.last_index = Index(proto.timeout_now().last_index())};
      return message;
    case v1::RaftMessage::BODY_NOT_SET:
      break;
  }
  return Malformed("a message without a body that is known here");
}

}  // namespace raft
