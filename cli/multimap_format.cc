#include "cli/multimap_format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cli {

using client::MultiMapEntry;
using client::MultiMapEvent;
using client::MultiMapUpdate;

std::string ValuesText(const std::vector<std::string>& values) {
  return absl::StrJoin(values, ", ",
                       [](std::string* out, const std::string& value) {
                         out->append(OneLine(value));
                       });
}

Json ToJson(const MultiMapEntry& entry) {
  Json object;
  object["key"] = entry.key;
  object["values"] = entry.values;
  return object;
}

std::string ToText(const MultiMapEvent& event) {
  const char* const what =
      event.kind == MultiMapEvent::Kind::kAdded ? "added " : "removed ";
  return absl::StrCat(what, OneLine(event.key), " = ", OneLine(event.value),
                      "\n");
}

Json ToJson(const MultiMapEvent& event) {
  Json object;
  object["event"] =
      event.kind == MultiMapEvent::Kind::kAdded ? "added" : "removed";
  object["key"] = event.key;
  object["value"] = event.value;
  return object;
}

std::string ToText(const MultiMapUpdate& update) {
  switch (update.kind) {
    case MultiMapUpdate::Kind::kEntry:
      return absl::StrCat(OneLine(update.entry.key), " = ",
                          ValuesText(update.entry.values), "\n");
    case MultiMapUpdate::Kind::kRemoved:
      return absl::StrCat(OneLine(update.entry.key), " removed\n");
    case MultiMapUpdate::Kind::kRestarted:
      return "-- the connection was lost; all entries again --\n";
  }
  return "";
}

Json ToJson(const MultiMapUpdate& update) {
  Json object;
  switch (update.kind) {
    case MultiMapUpdate::Kind::kEntry:
      return ToJson(update.entry);
    case MultiMapUpdate::Kind::kRemoved:
      object["key"] = update.entry.key;
      object["removed"] = true;
      break;
    case MultiMapUpdate::Kind::kRestarted:
      object["restarted"] = true;
      break;
  }
  return object;
}

}  // namespace cli
