// Short names for an indexed map's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_INDEXEDMAP_INPUTS_H_
#define PRIMITIVE_TESTING_INDEXEDMAP_INPUTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/indexedmap/v1/fsm.pb.h"
#include "google/protobuf/duration.pb.h"

namespace primitive::testing {

namespace indexedmap_pb = ::atomix::multiraft::indexedmap::v1;

using Ttl = std::optional<google::protobuf::Duration>;

// Which entry, and what its version must be.
struct Wanted {
  std::string key;
  uint64_t index = 0;
  uint64_t prev_version = 0;
};

inline indexedmap_pb::AppendInput AppendOf(const std::string& key,
                                           const std::string& value,
                                           const Ttl& ttl = {}) {
  indexedmap_pb::AppendInput input;
  input.set_key(key);
  input.set_value(value);
  if (ttl.has_value()) *input.mutable_ttl() = *ttl;
  return input;
}

inline indexedmap_pb::UpdateInput UpdateOf(const Wanted& wanted,
                                           const std::string& value,
                                           const Ttl& ttl = {}) {
  indexedmap_pb::UpdateInput input;
  input.set_key(wanted.key);
  input.set_index(wanted.index);
  input.set_prev_version(wanted.prev_version);
  input.set_value(value);
  if (ttl.has_value()) *input.mutable_ttl() = *ttl;
  return input;
}

inline indexedmap_pb::RemoveInput RemoveOf(const Wanted& wanted) {
  indexedmap_pb::RemoveInput input;
  input.set_key(wanted.key);
  input.set_index(wanted.index);
  input.set_prev_version(wanted.prev_version);
  return input;
}

inline indexedmap_pb::GetInput GetOf(const Wanted& wanted) {
  indexedmap_pb::GetInput input;
  input.set_key(wanted.key);
  input.set_index(wanted.index);
  return input;
}

inline indexedmap_pb::NextEntryInput NextOf(uint64_t index) {
  indexedmap_pb::NextEntryInput input;
  input.set_index(index);
  return input;
}

inline indexedmap_pb::PrevEntryInput PrevOf(uint64_t index) {
  indexedmap_pb::PrevEntryInput input;
  input.set_index(index);
  return input;
}

inline indexedmap_pb::EventsInput EventsOf(const std::string& key) {
  indexedmap_pb::EventsInput input;
  input.set_key(key);
  return input;
}

inline indexedmap_pb::EntriesInput EntriesOf(bool watch = false) {
  indexedmap_pb::EntriesInput input;
  input.set_watch(watch);
  return input;
}

// "1@101".
inline std::string ToText(const indexedmap_pb::Value& value) {
  return absl::StrCat(value.value(), "@", value.version());
}

// "3:a=1@101": index, key, value and version.
inline std::string ToText(const indexedmap_pb::Entry& entry) {
  return absl::StrCat(entry.index(), ":", entry.key(), "=",
                      entry.has_value() ? ToText(entry.value()) : "NO VALUE");
}

// "insert 3:a=1@101", "update 3:a=2@102 was 1@101", "remove 3:a=2@102",
// "expire 3:a=2@102"; "hello a" for the event of no kind.
inline std::string ToText(const indexedmap_pb::EventsOutput& output) {
  const indexedmap_pb::Event& event = output.event();
  const std::string entry = absl::StrCat(event.index(), ":", event.key(), "=");
  switch (event.event_case()) {
    case indexedmap_pb::Event::kInserted:
      return absl::StrCat("insert ", entry, ToText(event.inserted().value()));
    case indexedmap_pb::Event::kUpdated:
      return absl::StrCat("update ", entry, ToText(event.updated().value()),
                          " was ", ToText(event.updated().prev_value()));
    case indexedmap_pb::Event::kRemoved:
      return absl::StrCat(event.removed().expired() ? "expire " : "remove ",
                          entry, ToText(event.removed().value()));
    case indexedmap_pb::Event::EVENT_NOT_SET:
      return absl::StrCat("hello ", event.key());
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_INDEXEDMAP_INPUTS_H_
