#include "cli/map_format.h"

#include "absl/strings/str_cat.h"

namespace cli {
namespace {

using client::MapEntry;
using client::MapEvent;
using client::MapUpdate;
using client::MapValue;

std::string Value(const MapValue& value) {
  return absl::StrCat(OneLine(value.value), " (index ", value.index, ")");
}

}  // namespace

Json ToJson(const MapEntry& entry) {
  Json object;
  object["key"] = entry.key;
  SetBytes("value", entry.value.value, object);
  object["index"] = entry.value.index;
  return object;
}

std::string ToText(const MapEvent& event) {
  const std::string key = OneLine(event.key);
  switch (event.kind) {
    case MapEvent::Kind::kInserted:
      return absl::StrCat("inserted ", key, " = ", Value(event.value), "\n");
    case MapEvent::Kind::kUpdated:
      return absl::StrCat("updated ", key, " = ", Value(event.value),
                          event.prev.has_value() ? ", was " : "",
                          event.prev.has_value() ? Value(*event.prev) : "",
                          "\n");
    case MapEvent::Kind::kRemoved:
      return absl::StrCat(event.expired ? "expired " : "removed ", key,
                          ", was ", Value(event.value), "\n");
  }
  return "";
}

Json ToJson(const MapEvent& event) {
  Json object;
  object["event"] = event.kind == MapEvent::Kind::kInserted  ? "inserted"
                    : event.kind == MapEvent::Kind::kUpdated ? "updated"
                                                             : "removed";
  object["key"] = event.key;
  SetBytes("value", event.value.value, object);
  object["index"] = event.value.index;
  if (event.prev.has_value()) {
    SetBytes("prev_value", event.prev->value, object);
    object["prev_index"] = event.prev->index;
  }
  if (event.kind == MapEvent::Kind::kRemoved) {
    object["expired"] = event.expired;
  }
  return object;
}

std::string ToText(const MapUpdate& update) {
  const std::string key = OneLine(update.entry.key);
  switch (update.kind) {
    case MapUpdate::Kind::kEntry:
      return absl::StrCat(key, " = ", Value(update.entry.value), "\n");
    case MapUpdate::Kind::kRemoved:
      return absl::StrCat(key, " removed, was ", Value(update.entry.value),
                          "\n");
    case MapUpdate::Kind::kRestarted:
      return "-- the connection was lost; all entries again --\n";
  }
  return "";
}

Json ToJson(const MapUpdate& update) {
  if (update.kind == MapUpdate::Kind::kRestarted) {
    Json object;
    object["restarted"] = true;
    return object;
  }
  Json object = ToJson(update.entry);
  if (update.kind == MapUpdate::Kind::kRemoved) object["removed"] = true;
  return object;
}

}  // namespace cli
