#include "cli/indexedmap_format.h"

#include "absl/strings/str_cat.h"

namespace cli {
namespace {

using client::IndexedMapEntry;
using client::IndexedMapEvent;
using client::IndexedMapUpdate;

std::string Value(const std::string& value, uint64_t version) {
  return absl::StrCat(OneLine(value), " (version ", version, ")");
}

// "3 ann".
std::string Name(const IndexedMapEntry& entry) {
  return absl::StrCat(entry.index, " ", OneLine(entry.key));
}

std::string Value(const IndexedMapEntry& entry) {
  return Value(entry.value, entry.version);
}

}  // namespace

Json ToJson(const IndexedMapEntry& entry) {
  Json object;
  object["key"] = entry.key;
  object["index"] = entry.index;
  SetBytes("value", entry.value, object);
  object["version"] = entry.version;
  return object;
}

std::string ToText(const IndexedMapEvent& event) {
  const std::string name = Name(event.entry);
  const std::string value = Value(event.entry);
  switch (event.kind) {
    case IndexedMapEvent::Kind::kInserted:
      return absl::StrCat("inserted ", name, " = ", value, "\n");
    case IndexedMapEvent::Kind::kUpdated:
      return absl::StrCat("updated ", name, " = ", value, ", was ",
                          Value(event.prev_value, event.prev_version), "\n");
    case IndexedMapEvent::Kind::kRemoved:
      return absl::StrCat(event.expired ? "expired " : "removed ", name,
                          ", was ", value, "\n");
  }
  return "";
}

Json ToJson(const IndexedMapEvent& event) {
  Json object;
  object["event"] = event.kind == IndexedMapEvent::Kind::kInserted  ? "inserted"
                    : event.kind == IndexedMapEvent::Kind::kUpdated ? "updated"
                                                                    : "removed";
  object["key"] = event.entry.key;
  object["index"] = event.entry.index;
  SetBytes("value", event.entry.value, object);
  object["version"] = event.entry.version;
  if (event.kind == IndexedMapEvent::Kind::kUpdated) {
    SetBytes("prev_value", event.prev_value, object);
    object["prev_version"] = event.prev_version;
  }
  if (event.kind == IndexedMapEvent::Kind::kRemoved) {
    object["expired"] = event.expired;
  }
  return object;
}

std::string ToText(const IndexedMapUpdate& update) {
  switch (update.kind) {
    case IndexedMapUpdate::Kind::kEntry:
      return absl::StrCat(Name(update.entry), " = ", Value(update.entry), "\n");
    case IndexedMapUpdate::Kind::kRemoved:
      return absl::StrCat(Name(update.entry), " removed, was ",
                          Value(update.entry), "\n");
    case IndexedMapUpdate::Kind::kRestarted:
      return "-- the connection was lost; all entries again --\n";
  }
  return "";
}

Json ToJson(const IndexedMapUpdate& update) {
  if (update.kind == IndexedMapUpdate::Kind::kRestarted) {
    Json object;
    object["restarted"] = true;
    return object;
  }
  Json object = ToJson(update.entry);
  if (update.kind == IndexedMapUpdate::Kind::kRemoved) object["removed"] = true;
  return object;
}

}  // namespace cli
