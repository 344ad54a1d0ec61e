#include "server/transport/note_codec.h"

#include <variant>

#include "base/crc32c.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;
using base::testing::StatusIs;
using partition::Note;
using raft::ReplicaId;

template <class Body>
Note NoteWith(Body body) {
  return {.from = ReplicaId{1}, .to = ReplicaId{2}, .body = std::move(body)};
}

Note SomeReport() {
  return NoteWith(partition::DigestReport{
      .index = raft::Index{7},
      .machine_version = 2,
      .digest = ~uint64_t{0},
      .tables = {{.table = 2, .digest = 5}, {.table = 65535, .digest = 6}},
      .wants_answer = true});
}

v1::Note Sent(const Note& note) {
  v1::Frame frame;
  EXPECT_TRUE(
      frame.ParseFromString(EncodeNoteFrame(base::PartitionId{3}, note)));
  EXPECT_EQ(frame.notes_size(), 1);
  return frame.notes(0);
}

template <class Body>
Body Arrived(const Note& note) {
  const v1::Note proto = Sent(note);
  EXPECT_EQ(proto.partition(), 3u);
  const absl::StatusOr<Note> arrived = DecodeNote(proto);
  EXPECT_OK(arrived.status());
  EXPECT_EQ(arrived->from, ReplicaId{1});
  EXPECT_EQ(arrived->to, ReplicaId{2});
  return std::get<Body>(arrived->body);
}

TEST(NoteCodecTest, NotesArriveAsTheyWereSent) {
  EXPECT_EQ(Arrived<partition::VersionAsked>(
                NoteWith(partition::VersionAsked{.term = raft::Term{9}}))
                .term,
            raft::Term{9});

  const auto known =
      Arrived<partition::VersionKnown>(NoteWith(partition::VersionKnown{
          .term = raft::Term{9}, .machine_version_max = 4}));
  EXPECT_EQ(known.term, raft::Term{9});
  EXPECT_EQ(known.machine_version_max, 4u);

  const auto report = Arrived<partition::DigestReport>(SomeReport());
  const auto sent = std::get<partition::DigestReport>(SomeReport().body);
  EXPECT_EQ(report.index, sent.index);
  EXPECT_EQ(report.machine_version, sent.machine_version);
  EXPECT_EQ(report.digest, sent.digest);
  EXPECT_EQ(report.tables, sent.tables);
  EXPECT_TRUE(report.wants_answer);

  EXPECT_EQ(Arrived<partition::ImageWanted>(
                NoteWith(partition::ImageWanted{.index = raft::Index{8}}))
                .index,
            raft::Index{8});

  Arrived<partition::ServesNothing>(NoteWith(partition::ServesNothing{}));

  const partition::ImageOffered offer{
      .position = {.index = raft::Index{5},
                   .term = raft::Term{4},
                   .time_ns = 3,
                   .chain = 2},
      .configuration = {.voters = {ReplicaId{1}},
                        .members = {{.replica = ReplicaId{1}}}}};
  const auto offered = Arrived<partition::ImageOffered>(NoteWith(offer));
  EXPECT_EQ(offered.position, offer.position);
  EXPECT_EQ(offered.configuration, offer.configuration);
}

TEST(NoteCodecTest, AReportWithAWrongBitIsDataLoss) {
  v1::Note proto = Sent(SomeReport());
  (*proto.mutable_body())[5] ^= 1;
  EXPECT_THAT(DecodeNote(proto), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(NoteCodecTest, ANoteOfANewerVersionIsRefused) {
  v1::Note proto;
  proto.set_from(1);
  proto.set_to(2);
  proto.set_crc(base::Crc32c(""));
  EXPECT_THAT(DecodeNote(proto), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(NoteCodecTest, HostileBytesAreNotesOrErrors) {
  base::Random random(1);
  uint64_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    v1::Note proto = Sent(SomeReport());
    std::string& bytes = *proto.mutable_body();
    bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    proto.set_crc(base::Crc32c(bytes));
    if (!DecodeNote(proto).ok()) ++refused;
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace server::transport
