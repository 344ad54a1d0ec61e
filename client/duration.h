// Durations as requests have them.

#ifndef CLIENT_DURATION_H_
#define CLIENT_DURATION_H_

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace client {

// What the message cannot hold becomes its nearest second.
inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration message;
  absl::Duration rest;
  message.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return message;
}

}  // namespace client

#endif  // CLIENT_DURATION_H_
