#include "primitive/input.h"

namespace primitive {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// 10,000 years: google/protobuf/duration.proto.
constexpr int64_t kDurationSecondsMax = 315'576'000'000;

absl::Status CheckSize(absl::string_view field, size_t size, uint64_t max) {
  if (size <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "input.", field, ": ", size, " bytes, at most ", max, " allowed"));
}

}  // namespace

const session::Limits& NoLimits() {
  static const session::Limits limits = {
      .key_bytes_max = UINT64_MAX,
      .value_bytes_max = UINT64_MAX,
  };
  return limits;
}

session::Result NotSupported() {
  return session::Failure(session::OperationStatus::kNotSupported,
                          "operation not supported");
}

session::Result Answer(const google::protobuf::Message& output) {
  return session::Ok(output.SerializeAsString());
}

absl::Status CheckKey(absl::string_view field, absl::string_view key,
                      const session::Limits& limits) {
  return CheckSize(field, key.size(), limits.key_bytes_max);
}

absl::Status CheckValue(absl::string_view field, absl::string_view value,
                        const session::Limits& limits) {
  return CheckSize(field, value.size(), limits.value_bytes_max);
}

absl::Status CheckDuration(absl::string_view field,
                           const google::protobuf::Duration& duration) {
  const int64_t seconds = duration.seconds();
  const int64_t nanos = duration.nanos();
  if (seconds < -kDurationSecondsMax || seconds > kDurationSecondsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "input.", field, ".seconds: ", seconds, " is out of range"));
  }
  if (nanos <= -kNanosPerSecond || nanos >= kNanosPerSecond) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.", field, ".nanos: ", nanos, " is out of range"));
  }
  if ((seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.", field, ": ", seconds, " seconds and ", nanos,
                     " nanos have different signs"));
  }
  return absl::OkStatus();
}

uint64_t Deadline(uint64_t now_ns, const google::protobuf::Duration& duration) {
  const uint64_t seconds_left = (session::kNever - now_ns) / kNanosPerSecond;
  if (!IsPositive(duration)) {
    return now_ns == session::kNever ? now_ns : now_ns + 1;
  }
  const auto seconds = static_cast<uint64_t>(duration.seconds());
  // At least one second is kept free for the nanos.
  if (seconds_left == 0 || seconds > seconds_left - 1) return session::kNever;
  return now_ns + seconds * kNanosPerSecond +
         static_cast<uint64_t>(duration.nanos());
}

}  // namespace primitive
