// Short names for a counter map's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_COUNTERMAP_INPUTS_H_
#define PRIMITIVE_TESTING_COUNTERMAP_INPUTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/countermap/v1/fsm.pb.h"
#include "google/protobuf/duration.pb.h"

namespace primitive::testing {

namespace countermap_pb = ::atomix::multiraft::countermap::v1;

template <class Input>
Input CounterOf(const std::string& key, int64_t value) {
  Input input;
  input.set_key(key);
  input.set_value(value);
  return input;
}
inline countermap_pb::SetInput SetOf(const std::string& key, int64_t value) {
  return CounterOf<countermap_pb::SetInput>(key, value);
}
inline countermap_pb::InsertInput InsertOf(const std::string& key,
                                           int64_t value) {
  return CounterOf<countermap_pb::InsertInput>(key, value);
}
inline countermap_pb::UpdateInput UpdateOf(const std::string& key,
                                           int64_t value, int64_t prev_value) {
  auto input = CounterOf<countermap_pb::UpdateInput>(key, value);
  input.set_prev_value(prev_value);
  return input;
}

inline countermap_pb::IncrementInput IncrementOf(const std::string& key,
                                                 int64_t delta) {
  countermap_pb::IncrementInput input;
  input.set_key(key);
  input.set_delta(delta);
  return input;
}
inline countermap_pb::DecrementInput DecrementOf(const std::string& key,
                                                 int64_t delta) {
  countermap_pb::DecrementInput input;
  input.set_key(key);
  input.set_delta(delta);
  return input;
}

inline countermap_pb::GetInput GetOf(const std::string& key) {
  countermap_pb::GetInput input;
  input.set_key(key);
  return input;
}

inline countermap_pb::RemoveInput RemoveOf(const std::string& key,
                                           int64_t prev_value) {
  countermap_pb::RemoveInput input;
  input.set_key(key);
  input.set_prev_value(prev_value);
  return input;
}

inline countermap_pb::LockInput LockOf(
    const std::vector<std::string>& keys,
    std::optional<google::protobuf::Duration> timeout = std::nullopt) {
  countermap_pb::LockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  if (timeout.has_value()) *input.mutable_timeout() = *timeout;
  return input;
}

inline countermap_pb::UnlockInput UnlockOf(
    const std::vector<std::string>& keys) {
  countermap_pb::UnlockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  return input;
}

inline countermap_pb::EntriesInput EntriesOf(bool watch = false) {
  countermap_pb::EntriesInput input;
  input.set_watch(watch);
  return input;
}

inline countermap_pb::EventsInput EventsOf(const std::string& key) {
  countermap_pb::EventsInput input;
  input.set_key(key);
  return input;
}

// "a 1".
inline std::string ToText(const countermap_pb::EntriesOutput& output) {
  return absl::StrCat(output.entry().key(), " ", output.entry().value());
}

// "insert a 1", "update a 2 was 1", "remove a 2"; "hello a" for the event of no
// kind.
inline std::string ToText(const countermap_pb::EventsOutput& output) {
  const countermap_pb::Event& event = output.event();
  switch (event.event_case()) {
    case countermap_pb::Event::kInserted:
      return absl::StrCat("insert ", event.key(), " ",
                          event.inserted().value());
    case countermap_pb::Event::kUpdated:
      return absl::StrCat("update ", event.key(), " ", event.updated().value(),
                          " was ", event.updated().prev_value());
    case countermap_pb::Event::kRemoved:
      return absl::StrCat("remove ", event.key(), " ", event.removed().value());
    case countermap_pb::Event::EVENT_NOT_SET:
      return "hello " + event.key();
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_COUNTERMAP_INPUTS_H_
