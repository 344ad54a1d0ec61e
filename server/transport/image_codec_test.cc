#include "server/transport/image_codec.h"

#include <variant>

#include "base/crc32c.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;
using base::PartitionId;
using base::testing::StatusIs;
using partition::ImageChunk;
using partition::ImageMessage;
using partition::ImageRequest;
using raft::ReplicaId;

const raft::Position kPosition{
    .index = raft::Index{5}, .term = raft::Term{4}, .time_ns = 3, .chain = 2};

ImageChunk SomeChunk() {
  return {
      .from = ReplicaId{1},
      .to = ReplicaId{2},
      .position = kPosition,
      .after = partition::ImageRowId{.table = 3, .key = "a"},
      .rows = {{.table = 3, .key = "b", .checkpoint = 9, .value = "v"},
               {.table = 65535, .key = "", .checkpoint = 8, .erased = true}},
      .last = true,
      .pointer = {.position = kPosition,
                  .command_index = 77,
                  .configuration = {.voters = {ReplicaId{1}},
                                    .members = {{.replica = ReplicaId{1}}}},
                  .generation = 6,
                  .checkpoint = 9,
                  .machine_version = 1,
                  .digest = ~uint64_t{0}}};
}

v1::Image Sent(ImageMessage message) {
  v1::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(
      EncodeImageFrame(PartitionId{3}, std::move(message))));
  EXPECT_EQ(frame.images_size(), 1);
  return frame.images(0);
}

TEST(ImageCodecTest, ARequestArrivesAsItWasSent) {
  for (const std::optional<partition::ImageRowId>& after :
       {std::optional<partition::ImageRowId>(),
        std::make_optional(partition::ImageRowId{.table = 3, .key = "k"})}) {
    const v1::Image proto = Sent(ImageRequest{.from = ReplicaId{1},
                                              .to = ReplicaId{2},
                                              .position = kPosition,
                                              .after = after,
                                              .bytes_max = 300});
    EXPECT_EQ(proto.partition(), 3u);
    ASSERT_OK_AND_ASSIGN(const ImageMessage message, DecodeImage(proto));
    const auto& request = std::get<ImageRequest>(message);
    EXPECT_EQ(request.from, ReplicaId{1});
    EXPECT_EQ(request.to, ReplicaId{2});
    EXPECT_EQ(request.position, kPosition);
    EXPECT_EQ(request.after, after);
    EXPECT_EQ(request.bytes_max, 300u);
  }
}

TEST(ImageCodecTest, AChunkArrivesAsItWasSent) {
  ASSERT_OK_AND_ASSIGN(const ImageMessage message,
                       DecodeImage(Sent(SomeChunk())));
  const auto& chunk = std::get<ImageChunk>(message);
  const ImageChunk expected = SomeChunk();
  EXPECT_EQ(chunk.from, expected.from);
  EXPECT_EQ(chunk.to, expected.to);
  EXPECT_EQ(chunk.position, expected.position);
  EXPECT_EQ(chunk.after, expected.after);
  EXPECT_FALSE(chunk.gone);
  ASSERT_EQ(chunk.rows.size(), 2u);
  EXPECT_EQ(chunk.rows[0].key, "b");
  EXPECT_EQ(chunk.rows[0].value, "v");
  EXPECT_EQ(chunk.rows[0].checkpoint, 9u);
  EXPECT_EQ(chunk.rows[1].table, 65535);
  EXPECT_TRUE(chunk.rows[1].erased);
  EXPECT_TRUE(chunk.last);
  EXPECT_EQ(chunk.pointer, expected.pointer);
}

TEST(ImageCodecTest, AChunkWithAWrongBitIsDataLoss) {
  v1::Image proto = Sent(SomeChunk());
  (*proto.mutable_body())[10] ^= 1;
  EXPECT_THAT(DecodeImage(proto), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ImageCodecTest, HostileBytesAreMessagesOrErrors) {
  base::Random random(1);
  uint64_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = EncodeImageFrame(PartitionId{3}, SomeChunk());
    bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    v1::Frame frame;
    if (!frame.ParseFromString(bytes)) continue;
    for (v1::Image image : frame.images()) {
      // Also behind a checksum that is right.
      if (random.OneIn(2)) {
        image.set_crc(base::Crc32c(image.body()));
      }
      if (!DecodeImage(image).ok()) ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace server::transport
