// Notes (partition/note.h) as bytes between nodes, with a checksum: a report
// that changed on its way would condemn a state that is right.

#ifndef SERVER_TRANSPORT_NOTE_CODEC_H_
#define SERVER_TRANSPORT_NOTE_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "partition/note.h"

namespace server::transport {

// The bytes of a Frame that holds `note` alone.
std::string EncodeNoteFrame(base::PartitionId partition,
                            const partition::Note& note);

// DataLoss: the checksum is wrong. InvalidArgument: it does not decode, or is
// of a kind that this version does not know.
absl::StatusOr<partition::Note> DecodeNote(
    const multiraft::peer::v1::Note& proto);

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_NOTE_CODEC_H_
