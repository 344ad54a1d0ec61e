#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/exit_code.h"
#include "cli/multimap_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::MultiMap;
using client::MultiMapEntry;
using client::MultiMapEvent;

// The operands from the third on.
std::vector<std::string> ValuesOf(Run& run) {
  std::vector<std::string> values;
  for (size_t i = 2; run.has_operand(i); ++i) values.push_back(run.operand(i));
  return values;
}

// Those from the second on, each KEY=VALUE: the first "=" ends the key.
absl::StatusOr<std::vector<MultiMapEntry>> EntriesOf(Run& run) {
  std::vector<MultiMapEntry> entries;
  for (size_t i = 1; run.has_operand(i); ++i) {
    const std::string& word = run.operand(i);
    const size_t end = word.find('=');
    if (end == std::string::npos) {
      return UsageError(
          absl::StrCat("KEY=VALUE: there is no \"=\" in \"", word, "\""));
    }
    std::string key = word.substr(0, end);
    if (entries.empty() || entries.back().key != key) {
      entries.push_back({.key = std::move(key)});
    }
    entries.back().values.push_back(word.substr(end + 1));
  }
  return entries;
}

// A command that changes one value or else is refused.
absl::Status PrintDone(Run& run, const char* done) {
  Json object;
  object["key"] = run.operand(1);
  object["value"] = run.operand(2);
  object[done] = true;
  run.Print(absl::StrCat(done, "\n"), object);
  return absl::OkStatus();
}

// One that changes what it finds to change.
absl::Status PrintUpdated(Run& run, const absl::StatusOr<bool>& updated,
                          const char* done) {
  RETURN_IF_ERROR(updated.status());
  Json object;
  object["name"] = run.operand(0);
  object["updated"] = *updated;
  run.Print(*updated ? absl::StrCat(done, "\n") : "nothing to change\n",
            object);
  return absl::OkStatus();
}

absl::Status Put(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  ASSIGN_OR_RETURN(const bool added, map.Put(run.operand(1), run.operand(2)));
  if (!added) return absl::AlreadyExistsError("key has this value already");
  return PrintDone(run, "added");
}

absl::Status PutAll(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  return PrintUpdated(run, map.PutAll(run.operand(1), ValuesOf(run)), "added");
}

absl::Status PutEntries(Run& run) {
  ASSIGN_OR_RETURN(const std::vector<MultiMapEntry> entries, EntriesOf(run));
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  return PrintUpdated(run, map.PutEntries(entries), "added");
}

absl::Status Replace(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  const std::vector<std::string> values = ValuesOf(run);
  ASSIGN_OR_RETURN(const std::vector<std::string> previous,
                   map.Replace(run.operand(1), values));
  Json object;
  object["key"] = run.operand(1);
  object["values"] = values;
  object["prev_values"] = previous;
  run.Print(previous.empty()
                ? "replaced, had no values\n"
                : absl::StrCat("replaced, was ", ValuesText(previous), "\n"),
            object);
  return absl::OkStatus();
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  ASSIGN_OR_RETURN(std::vector<std::string> values, map.Get(run.operand(1)));
  std::string text;
  for (const std::string& value : values) {
    absl::StrAppend(&text, OneLine(value), "\n");
  }
  run.Print(text, ToJson(MultiMapEntry{run.operand(1), std::move(values)}));
  return absl::OkStatus();
}

absl::Status Contains(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  ASSIGN_OR_RETURN(const bool contains,
                   map.Contains(run.operand(1), run.operand(2)));
  Json object;
  object["key"] = run.operand(1);
  object["value"] = run.operand(2);
  object["contains"] = contains;
  run.Print(contains ? "yes\n" : "no\n", object);
  return absl::OkStatus();
}

absl::Status Remove(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  ASSIGN_OR_RETURN(const bool removed,
                   map.Remove(run.operand(1), run.operand(2)));
  if (!removed) return absl::NotFoundError("key does not have this value");
  return PrintDone(run, "removed");
}

absl::Status RemoveAll(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  return PrintUpdated(run, map.RemoveAll(run.operand(1), ValuesOf(run)),
                      "removed");
}

absl::Status RemoveEntries(Run& run) {
  ASSIGN_OR_RETURN(const std::vector<MultiMapEntry> entries, EntriesOf(run));
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  return PrintUpdated(run, map.RemoveEntries(entries), "removed");
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  ASSIGN_OR_RETURN(const std::vector<MultiMapEntry> entries, map.List());
  if (run.json()) {
    for (const MultiMapEntry& entry : entries) run.Print("", ToJson(entry));
    return absl::OkStatus();
  }
  if (entries.empty()) {
    run.out() << "(no entries)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"KEY", "VALUE"}};
  for (const MultiMapEntry& entry : entries) {
    for (const std::string& value : entry.values) {
      rows.push_back({OneLine(entry.key), OneLine(value)});
    }
  }
  run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(MultiMap map, run.Open<MultiMap>(0));
  const auto events = map.Events(run.flags().Text("key", ""));
  return run.Follow<MultiMapEvent>(*events, [&run](const MultiMapEvent& event) {
    run.Print(ToText(event), ToJson(event));
  });
}

}  // namespace

const Group& MultiMapGroup() {
  static const Group& group = *new Group{
      .name = "multimap",
      .summary = "Multimaps: tables from keys to sets of values",
      .details =
          "Keys and values are text. A key is there as long as it has values. "
          "A multimap is\ncreated when first used.",
      .verbs = {
          {.name = "put",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Add a value to a key, which must not have it",
           .run = Put},
          {.name = "put-all",
           .operands = "NAME KEY VALUE...",
           .operands_min = 3,
           .operands_max = SIZE_MAX,
           .summary = "Add those values to a key that it does not have",
           .run = PutAll},
          {.name = "put-entries",
           .operands = "NAME KEY=VALUE...",
           .operands_min = 2,
           .operands_max = SIZE_MAX,
           .summary = "The same for several keys, all at once",
           .details = "The first \"=\" ends the key.",
           .run = PutEntries},
          {.name = "replace",
           .operands = "NAME KEY [VALUE...]",
           .operands_min = 2,
           .operands_max = SIZE_MAX,
           .summary = "Give a key these values in place of those it has",
           .details = "With no values the key goes.",
           .run = Replace},
          {.name = "get",
           .operands = "NAME KEY",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print the values of a key, a line each",
           .run = Get},
          {.name = "contains",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Print whether the key has the value: yes or no",
           .run = Contains},
          {.name = "remove",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Remove a value from a key, which must have it",
           .run = Remove},
          {.name = "remove-all",
           .operands = "NAME KEY VALUE...",
           .operands_min = 3,
           .operands_max = SIZE_MAX,
           .summary = "Remove those values from a key that it has",
           .run = RemoveAll},
          {.name = "remove-entries",
           .operands = "NAME KEY=VALUE...",
           .operands_min = 2,
           .operands_max = SIZE_MAX,
           .summary = "The same for several keys, all at once",
           .details = "The first \"=\" ends the key.",
           .run = RemoveEntries},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of keys",
           .run = Size<MultiMap>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every key",
           .run = Clear<MultiMap>},
          {.name = "list",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print every key with its values, in the order of keys",
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
