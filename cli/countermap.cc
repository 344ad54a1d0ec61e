#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/countermap_format.h"
#include "cli/key_verbs.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::CounterMap;
using client::CounterMapEntry;
using client::CounterMapEvent;

absl::Status PrintValue(Run& run, const absl::StatusOr<int64_t>& value) {
  RETURN_IF_ERROR(value.status());
  Json object;
  object["key"] = run.operand(1);
  object["value"] = *value;
  run.Print(absl::StrCat(*value, "\n"), object);
  return absl::OkStatus();
}

// 1 if none is given.
absl::StatusOr<int64_t> Delta(Run& run) {
  if (!run.has_operand(2)) return 1;
  return ParseSigned("DELTA", run.operand(2));
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  return PrintValue(run, map.Get(run.operand(1)));
}

absl::Status Set(Run& run) {
  ASSIGN_OR_RETURN(const int64_t value, ParseSigned("VALUE", run.operand(2)));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  ASSIGN_OR_RETURN(const int64_t prev, map.Set(run.operand(1), value));
  Json object;
  object["key"] = run.operand(1);
  object["value"] = value;
  object["prev_value"] = prev;
  run.Print(absl::StrCat(value, ", was ", prev, "\n"), object);
  return absl::OkStatus();
}

absl::Status Insert(Run& run) {
  ASSIGN_OR_RETURN(const int64_t value, ParseSigned("VALUE", run.operand(2)));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  RETURN_IF_ERROR(map.Insert(run.operand(1), value));
  return PrintValue(run, value);
}

absl::Status CompareAndSet(Run& run) {
  ASSIGN_OR_RETURN(const int64_t expected,
                   ParseSigned("EXPECTED", run.operand(2)));
  ASSIGN_OR_RETURN(const int64_t value, ParseSigned("VALUE", run.operand(3)));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  RETURN_IF_ERROR(map.CompareAndSet(run.operand(1), expected, value));
  return PrintValue(run, value);
}

absl::Status Increment(Run& run) {
  ASSIGN_OR_RETURN(const int64_t delta, Delta(run));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  return PrintValue(run, map.Increment(run.operand(1), delta));
}

absl::Status Decrement(Run& run) {
  ASSIGN_OR_RETURN(const int64_t delta, Delta(run));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  return PrintValue(run, map.Decrement(run.operand(1), delta));
}

absl::Status Remove(Run& run) {
  if (!run.has_operand(2)) {
    ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
    return PrintValue(run, map.Remove(run.operand(1)));
  }
  ASSIGN_OR_RETURN(const int64_t expected,
                   ParseSigned("EXPECTED", run.operand(2)));
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  RETURN_IF_ERROR(map.CompareAndRemove(run.operand(1), expected));
  return PrintValue(run, expected);
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  ASSIGN_OR_RETURN(const std::vector<CounterMapEntry> entries, map.List());
  if (run.json()) {
    for (const CounterMapEntry& entry : entries) run.Print("", ToJson(entry));
    return absl::OkStatus();
  }
  if (entries.empty()) {
    run.out() << "(no entries)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"KEY", "VALUE"}};
  for (const CounterMapEntry& entry : entries) {
    rows.push_back({OneLine(entry.key), absl::StrCat(entry.value)});
  }
  run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(CounterMap map, run.Open<CounterMap>(0));
  const auto events = map.Events(run.flags().Text("key", ""));
  return run.Follow<CounterMapEvent>(*events,
                                     [&run](const CounterMapEvent& event) {
                                       run.Print(ToText(event), ToJson(event));
                                     });
}

}  // namespace

const Group& CounterMapGroup() {
  static const Group& group = *new Group{
      .name = "countermap",
      .summary = "Counter maps: tables from keys to 64-bit numbers",
      .details =
          "Most print the value that they leave behind. A counter map is "
          "created when first used.",
      .verbs = {
          {.name = "inc",
           .operands = "NAME KEY [DELTA]",
           .operands_min = 2,
           .operands_max = 3,
           .summary = "Add DELTA, or 1, to a key; an absent one counts from 0",
           .run = Increment},
          {.name = "dec",
           .operands = "NAME KEY [DELTA]",
           .operands_min = 2,
           .operands_max = 3,
           .summary = "Subtract DELTA, or 1, from a key",
           .run = Decrement},
          {.name = "get",
           .operands = "NAME KEY",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print a value",
           .run = Get},
          {.name = "set",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Set a value, and print the one before, 0 if none",
           .run = Set},
          {.name = "insert",
           .operands = "NAME KEY VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Set the value of a key that is not there yet",
           .run = Insert},
          {.name = "cas",
           .operands = "NAME KEY EXPECTED VALUE",
           .operands_min = 4,
           .operands_max = 4,
           .summary = "Set a value if it is EXPECTED now, else exit with 1",
           .run = CompareAndSet},
          {.name = "remove",
           .operands = "NAME KEY [EXPECTED]",
           .operands_min = 2,
           .operands_max = 3,
           .summary = "Remove a key, and print its value",
           .details = "With EXPECTED: only if that is its value, else exit "
                      "with 1.",
           .run = Remove},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of keys",
           .run = Size<CounterMap>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every key",
           .run = Clear<CounterMap>},
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
          LockVerb(LockKeys<CounterMap>),
          UnlockVerb(UnlockKeys<CounterMap>),
      }};
  return group;
}

}  // namespace cli
