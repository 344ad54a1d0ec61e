// Short names for a list's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_LIST_INPUTS_H_
#define PRIMITIVE_TESTING_LIST_INPUTS_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/list/v1/fsm.pb.h"

namespace primitive::testing {

namespace list_pb = ::atomix::multiraft::list::v1;

inline list_pb::AppendInput AppendOf(const std::string& value) {
  list_pb::AppendInput input;
  input.mutable_value()->set_value(value);
  return input;
}

inline list_pb::InsertInput InsertOf(uint32_t index, const std::string& value) {
  list_pb::InsertInput input;
  input.set_index(index);
  input.mutable_value()->set_value(value);
  return input;
}

inline list_pb::SetInput SetOf(uint32_t index, const std::string& value) {
  list_pb::SetInput input;
  input.set_index(index);
  input.mutable_value()->set_value(value);
  return input;
}

inline list_pb::GetInput GetOf(uint32_t index) {
  list_pb::GetInput input;
  input.set_index(index);
  return input;
}

inline list_pb::RemoveInput RemoveOf(uint32_t index) {
  list_pb::RemoveInput input;
  input.set_index(index);
  return input;
}

inline list_pb::ItemsInput ItemsOf(bool watch = false) {
  list_pb::ItemsInput input;
  input.set_watch(watch);
  return input;
}

// "2=c".
inline std::string ToText(const list_pb::Item& item) {
  return absl::StrCat(item.index(), "=",
                      item.has_value() ? item.value().value() : "NO VALUE");
}

// "append 2=c", "insert 2=c", "update 2=d was c", "remove 2=d"; "hello" for
// the event of no kind.
inline std::string ToText(const list_pb::EventsOutput& output) {
  const list_pb::Event& event = output.event();
  const std::string at = absl::StrCat(event.index(), "=");
  switch (event.event_case()) {
    case list_pb::Event::kAppended:
      return absl::StrCat("append ", at, event.appended().value().value());
    case list_pb::Event::kInserted:
      return absl::StrCat("insert ", at, event.inserted().value().value());
    case list_pb::Event::kUpdated:
      return absl::StrCat("update ", at, event.updated().value().value(),
                          " was ", event.updated().prev_value().value());
    case list_pb::Event::kRemoved:
      return absl::StrCat("remove ", at, event.removed().value().value());
    case list_pb::Event::EVENT_NOT_SET:
      return "hello";
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_LIST_INPUTS_H_
