#include "server/transport/note_codec.h"

#include <limits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "raft/configuration.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;

void Fill(const partition::VersionAsked& asked, v1::NoteBody& out) {
  out.mutable_version_asked()->set_term(asked.term.value());
}

void Fill(const partition::VersionKnown& known, v1::NoteBody& out) {
  auto& body = *out.mutable_version_known();
  body.set_term(known.term.value());
  body.set_machine_version_max(known.machine_version_max);
}

void Fill(const partition::DigestReport& report, v1::NoteBody& out) {
  auto& body = *out.mutable_digest_report();
  body.set_index(report.index.value());
  body.set_machine_version(report.machine_version);
  body.set_digest(report.digest);
  for (const partition::TableDigest& table : report.tables) {
    auto& one = *body.add_tables();
    one.set_table(table.table);
    one.set_digest(table.digest);
  }
  body.set_wants_answer(report.wants_answer);
}

void Fill(const partition::ImageWanted& wanted, v1::NoteBody& out) {
  out.mutable_image_wanted()->set_index(wanted.index.value());
}

void Fill(const partition::ImageOffered& offered, v1::NoteBody& out) {
  auto& body = *out.mutable_image_offered();
  auto& position = *body.mutable_position();
  position.set_index(offered.position.index.value());
  position.set_term(offered.position.term.value());
  position.set_time_ns(offered.position.time_ns);
  position.set_chain(offered.position.chain);
  body.set_configuration(raft::EncodeConfiguration(offered.configuration));
}

void Fill(const partition::ServesNothing&, v1::NoteBody& out) {
  out.mutable_serves_nothing();
}

absl::StatusOr<partition::DigestReport> ReportOf(const v1::DigestReport& body) {
  partition::DigestReport report{.index = raft::Index(body.index()),
                                 .machine_version = body.machine_version(),
                                 .digest = body.digest(),
                                 .wants_answer = body.wants_answer()};
  report.tables.reserve(static_cast<size_t>(body.tables_size()));
  for (const v1::TableDigest& table : body.tables()) {
    if (table.table() > std::numeric_limits<uint16_t>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a state has no table ", table.table()));
    }
    report.tables.push_back({.table = static_cast<uint16_t>(table.table()),
                             .digest = table.digest()});
  }
  return report;
}

absl::StatusOr<partition::ImageOffered> OfferOf(const v1::ImageOffered& body) {
  absl::StatusOr<raft::Configuration> configuration =
      raft::DecodeConfiguration(body.configuration());
  if (!configuration.ok()) {
    return absl::InvalidArgumentError(configuration.status().message());
  }
  const v1::Position& position = body.position();
  return partition::ImageOffered{
      .position = {.index = raft::Index(position.index()),
                   .term = raft::Term(position.term()),
                   .time_ns = position.time_ns(),
                   .chain = position.chain()},
      .configuration = *std::move(configuration)};
}

}  // namespace

std::string EncodeNoteFrame(base::PartitionId partition,
                            const partition::Note& note) {
  v1::Frame frame;
  v1::Note& proto = *frame.add_notes();
  proto.set_partition(partition.value());
  proto.set_from(note.from.value());
  proto.set_to(note.to.value());
  v1::NoteBody body;
  std::visit([&](const auto& one) { Fill(one, body); }, note.body);
  body.SerializeToString(proto.mutable_body());
  proto.set_crc(base::Crc32c(proto.body()));
  return frame.SerializeAsString();
}

absl::StatusOr<partition::Note> DecodeNote(const v1::Note& proto) {
  if (base::Crc32c(proto.body()) != proto.crc()) {
    return absl::DataLossError("a note is not what was sent");
  }
  v1::NoteBody body;
  if (!body.ParseFromString(proto.body()) || proto.from() == 0 ||
      proto.to() == 0) {
    return absl::InvalidArgumentError("a note does not decode");
  }
  partition::Note note{.from = raft::ReplicaId(proto.from()),
                       .to = raft::ReplicaId(proto.to())};
  switch (body.kind_case()) {
    case v1::NoteBody::kVersionAsked:
      note.body = partition::VersionAsked{
          .term = raft::Term(body.version_asked().term())};
      return note;
    case v1::NoteBody::kVersionKnown:
      note.body = partition::VersionKnown{
          .term = raft::Term(body.version_known().term()),
          .machine_version_max = body.version_known().machine_version_max()};
      return note;
    case v1::NoteBody::kDigestReport: {
      ASSIGN_OR_RETURN(note.body, ReportOf(body.digest_report()));
      return note;
    }
    case v1::NoteBody::kImageWanted:
      note.body = partition::ImageWanted{
          .index = raft::Index(body.image_wanted().index())};
      return note;
    case v1::NoteBody::kImageOffered: {
      ASSIGN_OR_RETURN(note.body, OfferOf(body.image_offered()));
      return note;
    }
    case v1::NoteBody::kServesNothing:
      note.body = partition::ServesNothing{};
      return note;
    case v1::NoteBody::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a note of a kind unknown here");
}

}  // namespace server::transport
