#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/run.h"
#include "cli/value_format.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::Value;
using client::ValueEvent;
using client::ValueVersion;
using client::ValueWrite;
using client::ValueWritten;

absl::StatusOr<std::optional<absl::Duration>> Ttl(Run& run) {
  if (!run.flags().Has("ttl")) return std::nullopt;
  ASSIGN_OR_RETURN(const absl::Duration ttl,
                   run.flags().Duration("ttl", absl::ZeroDuration()));
  return ttl;
}

absl::Status PrintWritten(Run& run,
                          const absl::StatusOr<ValueWritten>& written) {
  RETURN_IF_ERROR(written.status());
  std::string text = absl::StrCat("index ", written->index);
  Json object;
  object["name"] = run.operand(0);
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

// The value alone, for `$(multiraftctl value get ...)`: as it is if it is text.
absl::Status PrintValue(Run& run, const absl::StatusOr<ValueVersion>& value) {
  RETURN_IF_ERROR(value.status());
  Json object;
  object["name"] = run.operand(0);
  SetBytes("value", value->value, object);
  object["index"] = value->index;
  run.Print(
      absl::StrCat(IsUtf8(value->value) ? value->value : OneLine(value->value),
                   "\n"),
      object);
  return absl::OkStatus();
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  return PrintValue(run, value.Get());
}

absl::Status Set(Run& run) {
  ASSIGN_OR_RETURN(const auto ttl, Ttl(run));
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  return PrintWritten(run, value.Set(run.operand(1), ttl));
}

absl::Status Insert(Run& run) {
  ASSIGN_OR_RETURN(const auto ttl, Ttl(run));
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  return PrintWritten(run, value.Insert(run.operand(1), ttl));
}

absl::Status Update(Run& run) {
  ValueWrite how;
  ASSIGN_OR_RETURN(how.ttl, Ttl(run));
  ASSIGN_OR_RETURN(how.prev_index, run.flags().Number("prev-index", 0));
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  return PrintWritten(run, value.Update(run.operand(1), how));
}

absl::Status Delete(Run& run) {
  ASSIGN_OR_RETURN(const uint64_t prev_index,
                   run.flags().Number("prev-index", 0));
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  return PrintValue(run, value.Delete(prev_index));
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(Value value, run.Open<Value>(0));
  const auto events = value.Events();
  return run.Follow<ValueEvent>(*events, [&run](const ValueEvent& event) {
    run.Print(ToText(event), ToJson(event));
  });
}

}  // namespace

const Group& ValueGroup() {
  const Flag ttl = {"ttl", "DURATION",
                    "The server deletes the value after this time"};
  const Flag prev_index = {
      "prev-index", "N",
      "Only if the value has this index now, else exit with 1"};
  static const Group& group = *new Group{
      .name = "value",
      .summary = "Values: one value of any bytes, or none",
      .details =
          "A value has an index, which is higher for every later change. "
          "It is created when\nfirst used.",
      .verbs = {
          {.name = "get",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the value, or exit with 1",
           .details = "Text is printed as it is. Other bytes are escaped, or "
                      "are value_base64 in JSON.",
           .run = Get},
          {.name = "set",
           .operands = "NAME VALUE",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Write the value, and print its index",
           .flags = {ttl},
           .run = Set},
          {.name = "insert",
           .operands = "NAME VALUE",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Write the value if there is none yet",
           .flags = {ttl},
           .run = Insert},
          {.name = "update",
           .operands = "NAME VALUE",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Write the value if there is one",
           .flags = {ttl, prev_index},
           .run = Update},
          {.name = "delete",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Delete the value, and print it",
           .flags = {prev_index},
           .run = Delete},
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
