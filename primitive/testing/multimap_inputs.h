// Short names for a multimap's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_MULTIMAP_INPUTS_H_
#define PRIMITIVE_TESTING_MULTIMAP_INPUTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "atomix/multiraft/multimap/v1/fsm.pb.h"

namespace primitive::testing {

namespace multimap_pb = ::atomix::multiraft::multimap::v1;

using Values = std::vector<std::string>;
using KeyValues = std::vector<std::pair<std::string, Values>>;

// Put, Contains and Remove have the same fields.
template <class Input>
Input WithPair(const std::string& key, const std::string& value) {
  Input input;
  input.set_key(key);
  input.set_value(value);
  return input;
}
inline auto PutOf(const std::string& key, const std::string& value) {
  return WithPair<multimap_pb::PutInput>(key, value);
}
inline auto ContainsOf(const std::string& key, const std::string& value) {
  return WithPair<multimap_pb::ContainsInput>(key, value);
}
inline auto RemoveOf(const std::string& key, const std::string& value) {
  return WithPair<multimap_pb::RemoveInput>(key, value);
}

// So have PutAll, Replace and RemoveAll.
template <class Input>
Input WithValues(const std::string& key, const Values& values) {
  Input input;
  input.set_key(key);
  for (const std::string& value : values) input.add_values(value);
  return input;
}
inline auto PutAllOf(const std::string& key, const Values& values) {
  return WithValues<multimap_pb::PutAllInput>(key, values);
}
inline auto ReplaceOf(const std::string& key, const Values& values) {
  return WithValues<multimap_pb::ReplaceInput>(key, values);
}
inline auto RemoveAllOf(const std::string& key, const Values& values) {
  return WithValues<multimap_pb::RemoveAllInput>(key, values);
}

// And PutEntries and RemoveEntries.
template <class Input>
Input WithEntries(const KeyValues& entries) {
  Input input;
  for (const auto& [key, values] : entries) {
    multimap_pb::Entry& entry = *input.add_entries();
    entry.set_key(key);
    for (const std::string& value : values) entry.add_values(value);
  }
  return input;
}
inline auto PutEntriesOf(const KeyValues& entries) {
  return WithEntries<multimap_pb::PutEntriesInput>(entries);
}
inline auto RemoveEntriesOf(const KeyValues& entries) {
  return WithEntries<multimap_pb::RemoveEntriesInput>(entries);
}

inline multimap_pb::GetInput GetOf(const std::string& key) {
  multimap_pb::GetInput input;
  input.set_key(key);
  return input;
}

inline multimap_pb::EntriesInput EntriesOf(bool watch = false) {
  multimap_pb::EntriesInput input;
  input.set_watch(watch);
  return input;
}

inline multimap_pb::EventsInput EventsOf(const std::string& key) {
  multimap_pb::EventsInput input;
  input.set_key(key);
  return input;
}

// "a=1,2"; "a=" when the key is gone.
inline std::string ToText(const multimap_pb::EntriesOutput& output) {
  return absl::StrCat(output.entry().key(), "=",
                      absl::StrJoin(output.entry().values(), ","));
}

// "add a=1", "remove a=1"; "hello a" for the event of no kind.
inline std::string ToText(const multimap_pb::EventsOutput& output) {
  const multimap_pb::Event& event = output.event();
  switch (event.event_case()) {
    case multimap_pb::Event::kAdded:
      return absl::StrCat("add ", event.key(), "=", event.added().value());
    case multimap_pb::Event::kRemoved:
      return absl::StrCat("remove ", event.key(), "=", event.removed().value());
    case multimap_pb::Event::EVENT_NOT_SET:
      return "hello " + event.key();
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_MULTIMAP_INPUTS_H_
