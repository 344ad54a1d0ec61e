// The core's messages as bytes between nodes: proto/multiraft/peer.
//
// The payload of an entry is copied once on each side: into the frame that is
// sent, and out of the frame that arrived.

#ifndef RAFT_CODEC_H_
#define RAFT_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "raft/message.h"

namespace raft {

// About how many bytes AppendMessage adds; never less than the payloads have.
uint64_t EncodedSize(const Message& message);

// Appends `message` to `frame` as one more of Frame.messages. Encoded frames
// are put together by putting one behind the other.
void AppendMessage(base::PartitionId partition, const Message& message,
                   std::string& frame);

// Takes a message out of what arrived; `proto` is left in any state.
// InvalidArgument: it is not a message that a replica of this version sends, it
// or a payload does not have its checksum, or a configuration does not decode.
// What it claims may still be wrong: the core believes nothing by itself.
absl::StatusOr<Message> DecodeMessage(
    ::multiraft::peer::v1::RaftMessage&& proto);

}  // namespace raft

#endif  // RAFT_CODEC_H_
