#include "cli/countermap_format.h"

#include "absl/strings/str_cat.h"

namespace cli {
namespace {

using client::CounterMapEntry;
using client::CounterMapEvent;
using client::CounterMapUpdate;

}  // namespace

Json ToJson(const CounterMapEntry& entry) {
  Json object;
  object["key"] = entry.key;
  object["value"] = entry.value;
  return object;
}

std::string ToText(const CounterMapEvent& event) {
  const std::string key = OneLine(event.key);
  switch (event.kind) {
    case CounterMapEvent::Kind::kInserted:
      return absl::StrCat("inserted ", key, " = ", event.value, "\n");
    case CounterMapEvent::Kind::kUpdated:
      return absl::StrCat("updated ", key, " = ", event.value, ", was ",
                          event.prev_value, "\n");
    case CounterMapEvent::Kind::kRemoved:
      return absl::StrCat("removed ", key, ", was ", event.value, "\n");
  }
  return "";
}

Json ToJson(const CounterMapEvent& event) {
  Json object;
  object["event"] = event.kind == CounterMapEvent::Kind::kInserted  ? "inserted"
                    : event.kind == CounterMapEvent::Kind::kUpdated ? "updated"
                                                                    : "removed";
  object["key"] = event.key;
  object["value"] = event.value;
  if (event.kind == CounterMapEvent::Kind::kUpdated) {
    object["prev_value"] = event.prev_value;
  }
  return object;
}

std::string ToText(const CounterMapUpdate& update) {
  const std::string key = OneLine(update.entry.key);
  switch (update.kind) {
    case CounterMapUpdate::Kind::kEntry:
      return absl::StrCat(key, " = ", update.entry.value, "\n");
    case CounterMapUpdate::Kind::kRemoved:
      return absl::StrCat(key, " removed, was ", update.entry.value, "\n");
    case CounterMapUpdate::Kind::kRestarted:
      return "-- the connection was lost; all entries again --\n";
  }
  return "";
}

Json ToJson(const CounterMapUpdate& update) {
  if (update.kind == CounterMapUpdate::Kind::kRestarted) {
    Json object;
    object["restarted"] = true;
    return object;
  }
  Json object = ToJson(update.entry);
  if (update.kind == CounterMapUpdate::Kind::kRemoved) {
    object["removed"] = true;
  }
  return object;
}

}  // namespace cli
