#include "server/transport/image_codec.h"

#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "raft/configuration.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;
using partition::ImageChunk;
using partition::ImageRequest;
using partition::ImageRowId;

void Fill(const raft::Position& position, v1::Position& out) {
  out.set_index(position.index.value());
  out.set_term(position.term.value());
  out.set_time_ns(position.time_ns);
  out.set_chain(position.chain);
}

void Fill(ImageRowId&& row, v1::ImageRowId& out) {
  out.set_table(row.table);
  out.set_key(std::move(row.key));
}

void Fill(const storage::ImagePointer& pointer, v1::ImagePointer& out) {
  Fill(pointer.position, *out.mutable_position());
  out.set_command_index(pointer.command_index);
  out.set_configuration(raft::EncodeConfiguration(pointer.configuration));
  out.set_generation(pointer.generation);
  out.set_checkpoint(pointer.checkpoint);
  out.set_machine_version(pointer.machine_version);
  out.set_digest(pointer.digest);
}

void Fill(ImageRequest&& request, v1::ImageBody& out) {
  auto& body = *out.mutable_request();
  Fill(request.position, *body.mutable_position());
  if (request.after.has_value()) {
    Fill(*std::move(request.after), *body.mutable_after());
  }
  body.set_bytes_max(request.bytes_max);
}

void Fill(ImageChunk&& chunk, v1::ImageBody& out) {
  auto& body = *out.mutable_chunk();
  Fill(chunk.position, *body.mutable_position());
  if (chunk.after.has_value()) {
    Fill(*std::move(chunk.after), *body.mutable_after());
  }
  body.set_gone(chunk.gone);
  for (storage::ImageRow& row : chunk.rows) {
    auto& to = *body.add_rows();
    to.set_table(row.table);
    to.set_key(std::move(row.key));
    to.set_checkpoint(row.checkpoint);
    to.set_erased(row.erased);
    to.set_value(std::move(row.value));
  }
  body.set_last(chunk.last);
  body.set_machine_version(chunk.machine_version);
  if (chunk.last) Fill(chunk.pointer, *body.mutable_pointer());
}

raft::Position PositionOf(const v1::Position& position) {
  return {.index = raft::Index(position.index()),
          .term = raft::Term(position.term()),
          .time_ns = position.time_ns(),
          .chain = position.chain()};
}

absl::StatusOr<uint16_t> TableOf(uint32_t table) {
  if (table > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an image has no table ", table));
  }
  return static_cast<uint16_t>(table);
}

template <class Body>
absl::StatusOr<std::optional<ImageRowId>> AfterOf(Body& body) {
  if (!body.has_after()) return std::optional<ImageRowId>();
  v1::ImageRowId& after = *body.mutable_after();
  ASSIGN_OR_RETURN(const uint16_t table, TableOf(after.table()));
  return std::make_optional(
      ImageRowId{.table = table, .key = std::move(*after.mutable_key())});
}

absl::StatusOr<storage::ImagePointer> PointerOf(
    const v1::ImagePointer& pointer) {
  absl::StatusOr<raft::Configuration> configuration =
      raft::DecodeConfiguration(pointer.configuration());
  if (!configuration.ok()) {
    return absl::InvalidArgumentError(configuration.status().message());
  }
  return storage::ImagePointer{.position = PositionOf(pointer.position()),
                               .command_index = pointer.command_index(),
                               .configuration = *std::move(configuration),
                               .generation = pointer.generation(),
                               .checkpoint = pointer.checkpoint(),
                               .machine_version = pointer.machine_version(),
                               .digest = pointer.digest()};
}

absl::StatusOr<ImageRequest> RequestOf(v1::ImageRequest& body) {
  ImageRequest request{.position = PositionOf(body.position()),
                       .bytes_max = body.bytes_max()};
  ASSIGN_OR_RETURN(request.after, AfterOf(body));
  return request;
}

absl::StatusOr<ImageChunk> ChunkOf(v1::ImageChunk& body) {
  ImageChunk chunk{.position = PositionOf(body.position()),
                   .gone = body.gone(),
                   .machine_version = body.machine_version(),
                   .last = body.last()};
  ASSIGN_OR_RETURN(chunk.after, AfterOf(body));
  chunk.rows.reserve(static_cast<size_t>(body.rows_size()));
  for (v1::ImageRow& row : *body.mutable_rows()) {
    ASSIGN_OR_RETURN(const uint16_t table, TableOf(row.table()));
    chunk.rows.push_back({.table = table,
                          .key = std::move(*row.mutable_key()),
                          .checkpoint = row.checkpoint(),
                          .erased = row.erased(),
                          .value = std::move(*row.mutable_value())});
  }
  if (chunk.last) {
    ASSIGN_OR_RETURN(chunk.pointer, PointerOf(body.pointer()));
  }
  return chunk;
}

template <class Message>
partition::ImageMessage Addressed(Message message, const v1::Image& proto) {
  message.from = raft::ReplicaId(proto.from());
  message.to = raft::ReplicaId(proto.to());
  return message;
}

}  // namespace

std::string EncodeImageFrame(base::PartitionId partition,
                             partition::ImageMessage message) {
  v1::Frame frame;
  v1::Image& image = *frame.add_images();
  image.set_partition(partition.value());
  v1::ImageBody body;
  std::visit(
      [&](auto& m) {
        image.set_from(m.from.value());
        image.set_to(m.to.value());
        Fill(std::move(m), body);
      },
      message);
  body.SerializeToString(image.mutable_body());
  image.set_crc(base::Crc32c(image.body()));
  return frame.SerializeAsString();
}

absl::StatusOr<partition::ImageMessage> DecodeImage(const v1::Image& proto) {
  if (base::Crc32c(proto.body()) != proto.crc()) {
    return absl::DataLossError(absl::StrCat(
        proto.body().size(), " bytes of an image are not what was sent"));
  }
  v1::ImageBody body;
  if (!body.ParseFromString(proto.body()) || proto.from() == 0 ||
      proto.to() == 0) {
    return absl::InvalidArgumentError("a piece of an image does not decode");
  }
  switch (body.kind_case()) {
    case v1::ImageBody::kRequest: {
      ASSIGN_OR_RETURN(ImageRequest request,
                       RequestOf(*body.mutable_request()));
      return Addressed(std::move(request), proto);
    }
    case v1::ImageBody::kChunk: {
      ASSIGN_OR_RETURN(ImageChunk chunk, ChunkOf(*body.mutable_chunk()));
      return Addressed(std::move(chunk), proto);
    }
    case v1::ImageBody::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "a message about an image of a kind unknown here");
}

}  // namespace server::transport
