#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/exit_code.h"
#include "cli/list_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::List;
using client::ListEvent;

absl::StatusOr<uint32_t> Index(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t index,
                   ParseUnsigned("INDEX", run.operand(1)));
  if (index > UINT32_MAX) return UsageError("INDEX is too large");
  return static_cast<uint32_t>(index);
}

// What was done, to the value `value` at `index`.
absl::Status PrintDone(Run& run, const std::string& text, uint32_t index,
                       const std::string& value) {
  Json object;
  object["index"] = index;
  SetBytes("value", value, object);
  run.Print(text, object);
  return absl::OkStatus();
}

// A value alone, for `$(multiraftctl list get ...)`: as it is if it is text.
absl::Status PrintValue(Run& run, uint32_t index,
                        const absl::StatusOr<std::string>& value) {
  RETURN_IF_ERROR(value.status());
  return PrintDone(
      run, absl::StrCat(IsUtf8(*value) ? *value : OneLine(*value), "\n"), index,
      *value);
}

absl::Status Append(Run& run) {
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  RETURN_IF_ERROR(list.Append(run.operand(1)));
  Json object;
  SetBytes("value", run.operand(1), object);
  object["appended"] = true;
  run.Print("appended\n", object);
  return absl::OkStatus();
}

absl::Status Insert(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t index, Index(run));
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  RETURN_IF_ERROR(list.Insert(index, run.operand(2)));
  return PrintDone(run, "inserted\n", index, run.operand(2));
}

absl::Status Set(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t index, Index(run));
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  RETURN_IF_ERROR(list.Set(index, run.operand(2)));
  return PrintDone(run, "set\n", index, run.operand(2));
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t index, Index(run));
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  return PrintValue(run, index, list.Get(index));
}

absl::Status Remove(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t index, Index(run));
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  return PrintValue(run, index, list.Remove(index));
}

absl::Status Items(Run& run) {
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  ASSIGN_OR_RETURN(const std::vector<std::string> items, list.Items());
  if (!run.json() && items.empty()) {
    run.out() << "(no items)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"INDEX", "VALUE"}};
  for (size_t i = 0; i < items.size(); ++i) {
    if (run.json()) {
      RETURN_IF_ERROR(PrintDone(run, "", static_cast<uint32_t>(i), items[i]));
    } else {
      rows.push_back({absl::StrCat(i), OneLine(items[i])});
    }
  }
  if (!run.json()) run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(List list, run.Open<List>(0));
  const auto events = list.Events();
  return run.Follow<ListEvent>(*events, [&run](const ListEvent& event) {
    run.Print(ToText(event), ToJson(event));
  });
}

}  // namespace

const Group& ListGroup() {
  static const Group& group = *new Group{
      .name = "list",
      .summary = "Lists: values by position",
      .details =
          "Values are any bytes, positions count from 0. A list is "
          "created when first used.",
      .verbs = {
          {.name = "append",
           .operands = "NAME VALUE",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Add a value at the end",
           .run = Append},
          {.name = "insert",
           .operands = "NAME INDEX VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Add a value before the item at INDEX",
           .details = "INDEX may be the size of the list: then it is the end.",
           .run = Insert},
          {.name = "set",
           .operands = "NAME INDEX VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Replace the value at INDEX",
           .run = Set},
          {.name = "get",
           .operands = "NAME INDEX",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print the value at INDEX",
           .details = "Text is printed as it is. Other bytes are escaped, or "
                      "are value_base64 in JSON.",
           .run = Get},
          {.name = "remove",
           .operands = "NAME INDEX",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Remove the item at INDEX, and print its value",
           .run = Remove},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of items",
           .run = Size<List>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every item",
           .run = Clear<List>},
          {.name = "items",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print every item, in order",
           .run = Items},
          {.name = "events",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print each change from now on, until Ctrl-C",
           .details = "Each change comes once and in order, also when the "
                      "server is restarted meanwhile.",
           .flags = {{"count", "N", "End after so many changes"}},
           .run = Events},
      }};
  return group;
}

}  // namespace cli
