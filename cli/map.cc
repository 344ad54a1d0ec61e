#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/exit_code.h"
#include "cli/held.h"
#include "cli/key_verbs.h"
#include "cli/map_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::Map;
using client::MapChange;
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

// The operands from the second on: put:KEY=VALUE, insert:KEY=VALUE,
// update:KEY=VALUE or remove:KEY. The first "=" ends the key.
absl::StatusOr<std::vector<MapChange>> ChangesOf(Run& run) {
  std::vector<MapChange> changes;
  for (size_t i = 1; run.has_operand(i); ++i) {
    const std::string& word = run.operand(i);
    const size_t colon = word.find(':');
    const std::string kind = word.substr(0, colon);
    const std::string rest =
        colon == std::string::npos ? "" : word.substr(colon + 1);
    const size_t end = rest.find('=');
    const std::string key = rest.substr(0, end);
    const bool has_value = end != std::string::npos;
    const std::string value = has_value ? rest.substr(end + 1) : "";
    if (colon != std::string::npos && kind == "remove") {
      changes.push_back(MapChange::Remove(rest, 0));
    } else if (has_value && kind == "put") {
      changes.push_back(MapChange::Put(key, value, {}));
    } else if (has_value && kind == "insert") {
      changes.push_back(MapChange::Insert(key, value, std::nullopt));
    } else if (has_value && kind == "update") {
      changes.push_back(MapChange::Update(key, value, {}));
    } else {
      return UsageError(absl::StrCat(
          "\"", word, "\" is no change, such as put:KEY=VALUE or remove:KEY"));
    }
  }
  return changes;
}

// A line for each change of a transaction.
absl::Status PrintAll(Run& run,
                      const absl::StatusOr<std::vector<MapWritten>>& all) {
  RETURN_IF_ERROR(all.status());
  for (const MapWritten& written : *all) {
    std::string text =
        written.index == 0 ? "removed" : absl::StrCat("index ", written.index);
    Json object;
    if (written.index != 0) object["index"] = written.index;
    if (written.prev.has_value()) {
      absl::StrAppend(&text, ", was ", OneLine(written.prev->value), " (index ",
                      written.prev->index, ")");
      SetBytes("prev_value", written.prev->value, object);
      object["prev_index"] = written.prev->index;
    }
    if (written.index == 0) object["removed"] = true;
    run.Print(text + "\n", object);
  }
  return absl::OkStatus();
}

absl::Status Apply(Run& run) {
  ASSIGN_OR_RETURN(const std::vector<MapChange> changes, ChangesOf(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintAll(run, map.Apply(changes));
}

// A transaction is one of its session, and ends with it.
absl::Status WantsTransactionsSession(Run& run) {
  return WantsSession(run, "a transaction ends with its session");
}

absl::Status Prepare(Run& run) {
  RETURN_IF_ERROR(WantsTransactionsSession(run));
  ASSIGN_OR_RETURN(const std::vector<MapChange> changes, ChangesOf(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  ASSIGN_OR_RETURN(const uint64_t transaction, map.Prepare(changes));
  Json object;
  object["transaction"] = transaction;
  run.Print(absl::StrCat(transaction, "\n"), object);
  return absl::OkStatus();
}

absl::Status Commit(Run& run) {
  RETURN_IF_ERROR(WantsTransactionsSession(run));
  ASSIGN_OR_RETURN(const uint64_t transaction,
                   ParseUnsigned("TRANSACTION", run.operand(1)));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  return PrintAll(run, map.Commit(transaction));
}

absl::Status Abort(Run& run) {
  RETURN_IF_ERROR(WantsTransactionsSession(run));
  ASSIGN_OR_RETURN(const uint64_t transaction,
                   ParseUnsigned("TRANSACTION", run.operand(1)));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  RETURN_IF_ERROR(map.Abort(transaction));
  Json object;
  object["transaction"] = transaction;
  object["aborted"] = true;
  run.Print("aborted\n", object);
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
          {.name = "apply",
           .operands = "NAME CHANGE...",
           .operands_min = 2,
           .operands_max = SIZE_MAX,
           .summary = "Change several keys together, or none",
           .details = "A CHANGE is put:KEY=VALUE, insert:KEY=VALUE, "
                      "update:KEY=VALUE or remove:KEY;\nthe first \"=\" ends "
                      "the key. Prints a line for each.",
           .run = Apply},
          {.name = "prepare",
           .operands = "NAME CHANGE...",
           .operands_min = 2,
           .operands_max = SIZE_MAX,
           .summary = "Hold changes ready, and print the transaction's number",
           .details = "Until commit or abort nobody else can change these "
                      "keys. It ends with its session,\nso --session=ID is "
                      "wanted, and after five minutes.",
           .run = Prepare},
          {.name = "commit",
           .operands = "NAME TRANSACTION",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Make the changes that were prepared",
           .details = "With the --session that prepared them.",
           .run = Commit},
          {.name = "abort",
           .operands = "NAME TRANSACTION",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Forget the changes that were prepared",
           .details = "With the --session that prepared them.",
           .run = Abort},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of keys",
           .run = Size<Map>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every key",
           .run = Clear<Map>},
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
          LockVerb(LockKeys<Map>),
          UnlockVerb(UnlockKeys<Map>),
      }};
  return group;
}

}  // namespace cli
