#include "cli/value_format.h"

#include "absl/strings/str_cat.h"

namespace cli {
namespace {

using client::ValueEvent;
using client::ValueUpdate;
using client::ValueVersion;

std::string Version(const ValueVersion& version) {
  return absl::StrCat(OneLine(version.value), " (index ", version.index, ")");
}

Json ToJson(const ValueVersion& version) {
  Json object;
  SetBytes("value", version.value, object);
  object["index"] = version.index;
  return object;
}

}  // namespace

std::string ToText(const ValueEvent& event) {
  switch (event.kind) {
    case ValueEvent::Kind::kCreated:
      return absl::StrCat("created ", Version(event.value), "\n");
    case ValueEvent::Kind::kUpdated:
      return absl::StrCat("updated ", Version(event.value),
                          event.prev.has_value() ? ", was " : "",
                          event.prev.has_value() ? Version(*event.prev) : "",
                          "\n");
    case ValueEvent::Kind::kDeleted:
      return absl::StrCat(event.expired ? "expired" : "deleted", ", was ",
                          Version(event.value), "\n");
  }
  return "";
}

Json ToJson(const ValueEvent& event) {
  Json object;
  object["event"] = event.kind == ValueEvent::Kind::kCreated   ? "created"
                    : event.kind == ValueEvent::Kind::kUpdated ? "updated"
                                                               : "deleted";
  object.update(ToJson(event.value));
  if (event.prev.has_value()) {
    SetBytes("prev_value", event.prev->value, object);
    object["prev_index"] = event.prev->index;
  }
  if (event.kind == ValueEvent::Kind::kDeleted) {
    object["expired"] = event.expired;
  }
  return object;
}

std::string ToText(const ValueUpdate& update) {
  switch (update.kind) {
    case ValueUpdate::Kind::kValue:
      return Version(update.value) + "\n";
    case ValueUpdate::Kind::kDeleted:
      return absl::StrCat("deleted, was ", Version(update.value), "\n");
    case ValueUpdate::Kind::kRestarted:
      return "-- the connection was lost; the value again, if there is one "
             "--\n";
  }
  return "";
}

Json ToJson(const ValueUpdate& update) {
  if (update.kind == ValueUpdate::Kind::kRestarted) {
    Json object;
    object["restarted"] = true;
    return object;
  }
  Json object = ToJson(update.value);
  if (update.kind == ValueUpdate::Kind::kDeleted) object["deleted"] = true;
  return object;
}

}  // namespace cli
