#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/exit_code.h"
#include "cli/indexedmap_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::IndexedMap;
using client::IndexedMapEntry;
using client::IndexedMapEvent;
using client::IndexedMapWrite;

using EntryOr = absl::StatusOr<IndexedMapEntry>;

absl::StatusOr<std::optional<absl::Duration>> Ttl(Run& run) {
  if (!run.flags().Has("ttl")) return std::nullopt;
  ASSIGN_OR_RETURN(const absl::Duration ttl,
                   run.flags().Duration("ttl", absl::ZeroDuration()));
  return ttl;
}

// The index of --index, or 0 if the entry is named by its key: one of them, not
// both. `has_key`: there is an operand for it.
absl::StatusOr<uint64_t> IndexOr0(Run& run, bool has_key) {
  ASSIGN_OR_RETURN(const uint64_t index, run.flags().Number("index", 0));
  if (run.flags().Has("index") == has_key) {
    return UsageError("which entry? give a KEY or --index=N");
  }
  if (!has_key && index == 0) return UsageError("indexes begin at 1");
  return index;
}

absl::Status PrintWritten(Run& run, const EntryOr& entry) {
  RETURN_IF_ERROR(entry.status());
  run.Print(
      absl::StrCat("index ", entry->index, ", version ", entry->version, "\n"),
      ToJson(*entry));
  return absl::OkStatus();
}

// A value alone, for `$(multiraftctl indexedmap get ...)`.
absl::Status PrintValue(Run& run, const EntryOr& entry) {
  RETURN_IF_ERROR(entry.status());
  const std::string& value = entry->value;
  run.Print(absl::StrCat(IsUtf8(value) ? value : OneLine(value), "\n"),
            ToJson(*entry));
  return absl::OkStatus();
}

absl::Status PrintEntries(Run& run,
                          const std::vector<IndexedMapEntry>& entries) {
  if (run.json()) {
    for (const IndexedMapEntry& entry : entries) run.Print("", ToJson(entry));
    return absl::OkStatus();
  }
  if (entries.empty()) {
    run.out() << "(no entries)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {"INDEX", "KEY", "VERSION", "VALUE"}};
  for (const IndexedMapEntry& entry : entries) {
    rows.push_back({absl::StrCat(entry.index), OneLine(entry.key),
                    absl::StrCat(entry.version), OneLine(entry.value)});
  }
  run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status PrintEntry(Run& run, EntryOr entry) {
  RETURN_IF_ERROR(entry.status());
  return PrintEntries(run, {*std::move(entry)});
}

absl::Status Append(Run& run) {
  ASSIGN_OR_RETURN(const auto ttl, Ttl(run));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintWritten(run, map.Append(run.operand(1), run.operand(2), ttl));
}

absl::Status Update(Run& run) {
  const bool has_key = run.has_operand(2);
  ASSIGN_OR_RETURN(const uint64_t index, IndexOr0(run, has_key));
  IndexedMapWrite how;
  ASSIGN_OR_RETURN(how.ttl, Ttl(run));
  ASSIGN_OR_RETURN(how.prev_version, run.flags().Number("prev-version", 0));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintWritten(run, has_key
                               ? map.Update(run.operand(1), run.operand(2), how)
                               : map.UpdateAt(index, run.operand(1), how));
}

absl::Status Get(Run& run) {
  const bool has_key = run.has_operand(1);
  ASSIGN_OR_RETURN(const uint64_t index, IndexOr0(run, has_key));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintValue(run, has_key ? map.Get(run.operand(1)) : map.GetAt(index));
}

absl::Status Remove(Run& run) {
  const bool has_key = run.has_operand(1);
  ASSIGN_OR_RETURN(const uint64_t index, IndexOr0(run, has_key));
  ASSIGN_OR_RETURN(const uint64_t prev_version,
                   run.flags().Number("prev-version", 0));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintValue(run, has_key ? map.Remove(run.operand(1), prev_version)
                                 : map.RemoveAt(index, prev_version));
}

absl::Status First(Run& run) {
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintEntry(run, map.First());
}

absl::Status Last(Run& run) {
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintEntry(run, map.Last());
}

absl::Status Next(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t index,
                   ParseUnsigned("INDEX", run.operand(1)));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintEntry(run, map.Next(index));
}

absl::Status Prev(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t index,
                   ParseUnsigned("INDEX", run.operand(1)));
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  return PrintEntry(run, map.Prev(index));
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  ASSIGN_OR_RETURN(const std::vector<IndexedMapEntry> entries, map.List());
  return PrintEntries(run, entries);
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(IndexedMap map, run.Open<IndexedMap>(0));
  const auto events = map.Events(run.flags().Text("key", ""));
  return run.Follow<IndexedMapEvent>(*events,
                                     [&run](const IndexedMapEvent& event) {
                                       run.Print(ToText(event), ToJson(event));
                                     });
}

}  // namespace

const Group& IndexedMapGroup() {
  const Flag ttl = {"ttl", "DURATION",
                    "The server removes the entry after this time"};
  const Flag prev_version = {
      "prev-version", "N",
      "Only if the value has this version now, else exit with 1"};
  const Flag index = {"index", "N",
                      "The entry with this index, instead of a key"};
  static const Group& group = *new Group{
      .name = "indexedmap",
      .summary = "Indexed maps: values by key, in the order of appending",
      .details =
          "Keys are text, values any bytes. An entry has an index, its place "
          "in the map,\nwhich is never used again, and a version, which is "
          "higher for every later change.\nAn indexed map is created when "
          "first used.",
      .verbs = {
          {.name = "append",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Add a key that is not there yet, behind all others",
           .flags = {ttl},
           .run = Append},
          {.name = "update",
           .operands = "NAME [KEY] VALUE",
           .operands_min = 2,
           .operands_max = 3,
           .summary = "Replace a value; the entry keeps its index",
           .details = "The value that is there already changes nothing.",
           .flags = {index, ttl, prev_version},
           .run = Update},
          {.name = "get",
           .operands = "NAME [KEY]",
           .operands_min = 1,
           .operands_max = 2,
           .summary = "Print a value",
           .details = "Text is printed as it is. Other bytes are escaped, or "
                      "are value_base64 in JSON.",
           .flags = {index},
           .run = Get},
          {.name = "remove",
           .operands = "NAME [KEY]",
           .operands_min = 1,
           .operands_max = 2,
           .summary = "Remove an entry, and print its value",
           .flags = {index, prev_version},
           .run = Remove},
          {.name = "first",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the entry with the lowest index",
           .run = First},
          {.name = "last",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the entry with the highest index",
           .run = Last},
          {.name = "next",
           .operands = "NAME INDEX",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print the entry behind INDEX, which need not exist",
           .run = Next},
          {.name = "prev",
           .operands = "NAME INDEX",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print the entry before INDEX, which need not exist",
           .run = Prev},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of entries",
           .run = Size<IndexedMap>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every entry",
           .run = Clear<IndexedMap>},
          {.name = "list",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print every entry, in the order of indexes",
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
