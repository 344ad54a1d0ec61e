// The rows of an image as bytes between nodes (partition/image_message.h), with
// a checksum of the whole: TCP's is too weak for gigabytes.

#ifndef SERVER_TRANSPORT_IMAGE_CODEC_H_
#define SERVER_TRANSPORT_IMAGE_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "partition/image_message.h"

namespace server::transport {

// The bytes of a Frame that holds `message` alone.
std::string EncodeImageFrame(base::PartitionId partition,
                             partition::ImageMessage message);

// DataLoss: the checksum is wrong. InvalidArgument: it does not decode.
absl::StatusOr<partition::ImageMessage> DecodeImage(
    const multiraft::peer::v1::Image& proto);

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_IMAGE_CODEC_H_
