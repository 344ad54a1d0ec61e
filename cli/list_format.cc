#include "cli/list_format.h"

#include "absl/strings/str_cat.h"

namespace cli {
namespace {

using client::ListEvent;
using client::ListUpdate;

const char* KindName(ListEvent::Kind kind) {
  switch (kind) {
    case ListEvent::Kind::kAppended:
      return "appended";
    case ListEvent::Kind::kInserted:
      return "inserted";
    case ListEvent::Kind::kUpdated:
      return "updated";
    case ListEvent::Kind::kRemoved:
      return "removed";
  }
  return "";
}

}  // namespace

std::string ToText(const ListEvent& event) {
  std::string text =
      absl::StrCat(KindName(event.kind), " ", event.index,
                   event.kind == ListEvent::Kind::kRemoved ? ", was " : " = ",
                   OneLine(event.value));
  if (event.kind == ListEvent::Kind::kUpdated) {
    absl::StrAppend(&text, ", was ", OneLine(event.prev_value));
  }
  return text + "\n";
}

Json ToJson(const ListEvent& event) {
  Json object;
  object["event"] = KindName(event.kind);
  object["index"] = event.index;
  SetBytes("value", event.value, object);
  if (event.kind == ListEvent::Kind::kUpdated) {
    SetBytes("prev_value", event.prev_value, object);
  }
  return object;
}

std::string ToText(const ListUpdate& update) {
  if (update.kind == ListUpdate::Kind::kRestarted) {
    return "-- the connection was lost; all items again --\n";
  }
  return absl::StrCat(update.index, " = ", OneLine(update.value), "\n");
}

Json ToJson(const ListUpdate& update) {
  Json object;
  if (update.kind == ListUpdate::Kind::kRestarted) {
    object["restarted"] = true;
    return object;
  }
  object["index"] = update.index;
  SetBytes("value", update.value, object);
  return object;
}

}  // namespace cli
