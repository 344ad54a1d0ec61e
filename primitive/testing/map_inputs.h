// Short names for a map's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_MAP_INPUTS_H_
#define PRIMITIVE_TESTING_MAP_INPUTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "google/protobuf/duration.pb.h"

namespace primitive::testing {

namespace map_pb = ::atomix::multiraft::map::v1;

struct Stored {
  std::optional<google::protobuf::Duration> ttl = std::nullopt;
  uint64_t prev_index = 0;
};

inline map_pb::PutInput PutOf(const std::string& key, const std::string& value,
                              const Stored& stored = {}) {
  map_pb::PutInput input;
  input.set_key(key);
  input.set_value(value);
  if (stored.ttl.has_value()) *input.mutable_ttl() = *stored.ttl;
  input.set_prev_index(stored.prev_index);
  return input;
}

inline map_pb::InsertInput InsertOf(const std::string& key,
                                    const std::string& value,
                                    const Stored& stored = {}) {
  map_pb::InsertInput input;
  input.set_key(key);
  input.set_value(value);
  if (stored.ttl.has_value()) *input.mutable_ttl() = *stored.ttl;
  return input;
}

inline map_pb::UpdateInput UpdateOf(const std::string& key,
                                    const std::string& value,
                                    const Stored& stored = {}) {
  map_pb::UpdateInput input;
  input.set_key(key);
  input.set_value(value);
  if (stored.ttl.has_value()) *input.mutable_ttl() = *stored.ttl;
  input.set_prev_index(stored.prev_index);
  return input;
}

inline map_pb::RemoveInput RemoveOf(const std::string& key,
                                    uint64_t prev_index = 0) {
  map_pb::RemoveInput input;
  input.set_key(key);
  input.set_prev_index(prev_index);
  return input;
}

inline map_pb::GetInput GetOf(const std::string& key) {
  map_pb::GetInput input;
  input.set_key(key);
  return input;
}

inline map_pb::EventsInput EventsOf(const std::string& key) {
  map_pb::EventsInput input;
  input.set_key(key);
  return input;
}

inline map_pb::EntriesInput EntriesOf(bool watch = false) {
  map_pb::EntriesInput input;
  input.set_watch(watch);
  return input;
}

inline map_pb::LockInput LockOf(
    const std::vector<std::string>& keys,
    std::optional<google::protobuf::Duration> timeout = std::nullopt) {
  map_pb::LockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  if (timeout.has_value()) *input.mutable_timeout() = *timeout;
  return input;
}

inline map_pb::UnlockInput UnlockOf(const std::vector<std::string>& keys) {
  map_pb::UnlockInput input;
  for (const std::string& key : keys) input.add_keys(key);
  return input;
}

// Of transactions.
inline map_pb::MapInput Change(const map_pb::PutInput& put) {
  map_pb::MapInput input;
  *input.mutable_put() = put;
  return input;
}
inline map_pb::MapInput Change(const map_pb::InsertInput& insert) {
  map_pb::MapInput input;
  *input.mutable_insert() = insert;
  return input;
}
inline map_pb::MapInput Change(const map_pb::UpdateInput& update) {
  map_pb::MapInput input;
  *input.mutable_update() = update;
  return input;
}
inline map_pb::MapInput Change(const map_pb::RemoveInput& remove) {
  map_pb::MapInput input;
  *input.mutable_remove() = remove;
  return input;
}

using Changes = std::vector<map_pb::MapInput>;

inline map_pb::PrepareInput PrepareOf(uint64_t number, const Changes& changes) {
  map_pb::PrepareInput input;
  input.set_sequence_num(number);
  for (const map_pb::MapInput& change : changes) *input.add_inputs() = change;
  return input;
}

inline map_pb::CommitInput CommitOf(uint64_t number) {
  map_pb::CommitInput input;
  input.set_sequence_num(number);
  return input;
}

inline map_pb::AbortInput AbortOf(uint64_t number) {
  map_pb::AbortInput input;
  input.set_sequence_num(number);
  return input;
}

inline map_pb::ApplyInput ApplyOf(const Changes& changes) {
  map_pb::ApplyInput input;
  for (const map_pb::MapInput& change : changes) *input.add_inputs() = change;
  return input;
}

// "1@101".
inline std::string ToText(const map_pb::IndexedValue& value) {
  return value.value() + "@" + std::to_string(value.index());
}

// "insert a 1@101", "update a 2@102 was 1@101", "remove a 2@102",
// "expire a 2@102"; "hello a" for the event of no kind.
inline std::string ToText(const map_pb::EventsOutput& output) {
  const map_pb::Event& event = output.event();
  switch (event.event_case()) {
    case map_pb::Event::kInserted:
      return "insert " + event.key() + " " + ToText(event.inserted().value());
    case map_pb::Event::kUpdated:
      return "update " + event.key() + " " + ToText(event.updated().value()) +
             " was " + ToText(event.updated().prev_value());
    case map_pb::Event::kRemoved:
      return (event.removed().expired() ? "expire " : "remove ") + event.key() +
             " " + ToText(event.removed().value());
    case map_pb::Event::EVENT_NOT_SET:
      return "hello " + event.key();
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_MAP_INPUTS_H_
