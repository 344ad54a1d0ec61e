#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/map_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::Map;
using client::MapEntry;
using client::MapEvent;
using client::MapValue;
using client::MapWrite;
using client::MapWritten;

absl::StatusOr<std::optional<absl::Duration>> Ttl(Run& run) {
  if (!run.flags().Has("ttl")) return std::nullopt;
  ASSIGN_OR_RETURN(const absl::Duration ttl,
                   run.flags().Duration("ttl", absl::ZeroDuration()));
  return ttl;
}

absl::StatusOr<MapWrite> How(Run& run) {
  MapWrite how;
  ASSIGN_OR_RETURN(how.ttl, Ttl(run));
  ASSIGN_OR_RETURN(how.prev_index, run.flags().Number("prev-index", 0));
  return how;
}

absl::Status PrintWritten(Run& run, const absl::StatusOr<MapWritten>& written) {
  RETURN_IF_ERROR(written.status());
  std::string text = absl::StrCat("index ", written->index);
  Json object;
  object["key"] = run.operand(1);
  object["index"] = written->index;
  if (written->prev.has_value()) {
    absl::StrAppend(&text, ", was ", OneLine(written->prev->value), " (index ",
                    written->prev->index, ")");
    SetBytes("prev_value", written->prev->value, object);
    object["prev_index"] = written->prev->index;
  }
  run.Print(text + "\n", object);
  return absl::OkStatus();
}

// A value alone, for `$(multiraftctl map get ...)`: as it is if it is text.
absl::Status PrintValue(Run& run, const absl::StatusOr<MapValue>& value) {
  RETURN_IF_ERROR(value.status());
  Json object;
  object["key"] = run.operand(1);
  SetBytes("value", value->value, object);
  object["index"] = value->index;
  run.Print(
      absl::StrCat(IsUtf8(value->value) ? value->value : OneLine(value->value),
                   "\n"),
      object);
  return absl::OkStatus();
}

absl::Status Put(Run& run) {
  ASSIGN_OR_RETURN(const MapWrite how, How(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintWritten(run, map.Put(run.operand(1), run.operand(2), how));
}

absl::Status Insert(Run& run) {
  ASSIGN_OR_RETURN(const auto ttl, Ttl(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintWritten(run, map.Insert(run.operand(1), run.operand(2), ttl));
}

absl::Status Update(Run& run) {
  ASSIGN_OR_RETURN(const MapWrite how, How(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintWritten(run, map.Update(run.operand(1), run.operand(2), how));
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintValue(run, map.Get(run.operand(1)));
}

absl::Status Remove(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t prev_index,
                   run.flags().Number("prev-index", 0));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintValue(run, map.Remove(run.operand(1), prev_index));
}

absl::Status Size(Run& run) {
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  ASSIGN_OR_RETURN(const uint32_t size, map.Size());
  Json object;
  object["name"] = run.operand(0);
  object["size"] = size;
  run.Print(absl::StrCat(size, "\n"), object);
  return absl::OkStatus();
}

absl::Status Clear(Run& run) {
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  RETURN_IF_ERROR(map.Clear());
  Json object;
  object["name"] = run.operand(0);
  object["cleared"] = true;
  run.Print("cleared\n", object);
  return absl::OkStatus();
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  ASSIGN_OR_RETURN(const std::vector<MapEntry> entries, map.List());
  if (run.json()) {
    for (const MapEntry& entry : entries) run.Print("", ToJson(entry));
    return absl::OkStatus();
  }
  if (entries.empty()) {
    run.out() << "(no entries)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"KEY", "INDEX", "VALUE"}};
  for (const MapEntry& entry : entries) {
    rows.push_back({OneLine(entry.key), absl::StrCat(entry.value.index),
                    OneLine(entry.value.value)});
  }
  run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  const auto events = map.Events(run.flags().Text("key", ""));
  return run.Follow<MapEvent>(*events, [&run](const MapEvent& event) {
    run.Print(ToText(event), ToJson(event));
  });
}

}  // namespace

const Group& MapGroup() {
  const Flag ttl = {"ttl", "DURATION",
                    "The server removes the entry after this time"};
  const Flag prev_index = {
      "prev-index", "N",
      "Only if the value has this index now, else exit with 1"};
  static const Group& group = *new Group{
      .name = "map",
      .summary = "Maps: tables from keys to values",
      .details =
          "Keys are text, values any bytes. Every value has an index, which is "
          "higher for\nevery later change. A map is created when first used.",
      .verbs = {
          {.name = "put",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Write a value, and print its index",
           .details = "Putting the value that is there changes nothing: the "
                      "index is the old one.",
           .flags = {ttl, prev_index},
           .run = Put},
          {.name = "get",
           .operands = "NAME KEY",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print a value",
           .details = "Text is printed as it is. Other bytes are escaped, or "
                      "are value_base64 in JSON.",
           .run = Get},
          {.name = "remove",
           .operands = "NAME KEY",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Remove a key, and print its value",
           .flags = {prev_index},
           .run = Remove},
          {.name = "insert",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Write a key that is not there yet",
           .flags = {ttl},
           .run = Insert},
          {.name = "update",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Write a key that is there",
           .flags = {ttl, prev_index},
           .run = Update},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of keys",
           .run = Size},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every key",
           .run = Clear},
          {.name = "list",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print every entry, in the order of keys",
           .run = List},
          {.name = "events",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print each change from now on, until Ctrl-C",
           .details = "Each change comes once and in order, also when the "
                      "server is restarted meanwhile.",
           .flags = {{"key", "KEY", "Only changes of this key"},
                     {"count", "N", "End after so many changes"}},
           .run = Events},
      }};
  return group;
}

}  // namespace cli
