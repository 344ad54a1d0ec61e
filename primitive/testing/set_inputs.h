// Short names for a set's inputs, for its tests.

#ifndef PRIMITIVE_TESTING_SET_INPUTS_H_
#define PRIMITIVE_TESTING_SET_INPUTS_H_

#include <optional>
#include <string>

#include "atomix/multiraft/set/v1/fsm.pb.h"
#include "google/protobuf/duration.pb.h"

namespace primitive::testing {

namespace set_pb = ::atomix::multiraft::set::v1;

using Ttl = std::optional<google::protobuf::Duration>;

inline set_pb::AddInput AddOf(const std::string& element, const Ttl& ttl = {}) {
  set_pb::AddInput input;
  input.mutable_element()->set_value(element);
  if (ttl.has_value()) *input.mutable_ttl() = *ttl;
  return input;
}

inline set_pb::RemoveInput RemoveOf(const std::string& element) {
  set_pb::RemoveInput input;
  input.mutable_element()->set_value(element);
  return input;
}

inline set_pb::ContainsInput ContainsOf(const std::string& element) {
  set_pb::ContainsInput input;
  input.mutable_element()->set_value(element);
  return input;
}

inline set_pb::ElementsInput ElementsOf(bool watch = false) {
  set_pb::ElementsInput input;
  input.set_watch(watch);
  return input;
}

// "add a", "remove a", "expire a"; "hello" for the event of no kind.
inline std::string ToText(const set_pb::EventsOutput& output) {
  const set_pb::Event& event = output.event();
  switch (event.event_case()) {
    case set_pb::Event::kAdded:
      return "add " + event.added().element().value();
    case set_pb::Event::kRemoved:
      return (event.removed().expired() ? "expire " : "remove ") +
             event.removed().element().value();
    case set_pb::Event::EVENT_NOT_SET:
      return "hello";
  }
  return "";
}

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_SET_INPUTS_H_
