#include "cli/set_format.h"

#include "absl/strings/str_cat.h"

namespace cli {

using client::SetEvent;
using client::SetUpdate;

std::string ToText(const SetEvent& event) {
  const char* const what = event.kind == SetEvent::Kind::kAdded ? "added "
                           : event.expired                      ? "expired "
                                                                : "removed ";
  return absl::StrCat(what, OneLine(event.element), "\n");
}

Json ToJson(const SetEvent& event) {
  const bool removed = event.kind == SetEvent::Kind::kRemoved;
  Json object;
  object["event"] = removed ? "removed" : "added";
  object["element"] = event.element;
  if (removed) object["expired"] = event.expired;
  return object;
}

std::string ToText(const SetUpdate& update) {
  switch (update.kind) {
    case SetUpdate::Kind::kElement:
      return absl::StrCat(OneLine(update.element), "\n");
    case SetUpdate::Kind::kRemoved:
      return absl::StrCat(OneLine(update.element), " removed\n");
    case SetUpdate::Kind::kRestarted:
      return "-- the connection was lost; all elements again --\n";
  }
  return "";
}

Json ToJson(const SetUpdate& update) {
  Json object;
  if (update.kind == SetUpdate::Kind::kRestarted) {
    object["restarted"] = true;
    return object;
  }
  object["element"] = update.element;
  if (update.kind == SetUpdate::Kind::kRemoved) object["removed"] = true;
  return object;
}

}  // namespace cli
