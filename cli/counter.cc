#include <cstdint>

#include "absl/strings/str_cat.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

absl::Status PrintValue(Run& run, const absl::StatusOr<int64_t>& value) {
  RETURN_IF_ERROR(value.status());
  Json object;
  object["name"] = run.operand(0);
  object["value"] = *value;
  run.Print(absl::StrCat(*value, "\n"), object);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Operand(Run& run, size_t i, const char* what) {
  return ParseSigned(what, run.operand(i));
}

// 1 if none is given.
absl::StatusOr<int64_t> Delta(Run& run) {
  if (!run.has_operand(1)) return 1;
  return Operand(run, 1, "DELTA");
}

absl::Status Get(Run& run) {
  ASSIGN_OR_RETURN(client::Counter counter, run.Open<client::Counter>(0));
  return PrintValue(run, counter.Get());
}

absl::Status Set(Run& run) {
  ASSIGN_OR_RETURN(const int64_t value, Operand(run, 1, "VALUE"));
  ASSIGN_OR_RETURN(client::Counter counter, run.Open<client::Counter>(0));
  return PrintValue(run, counter.Set(value));
}

absl::Status Increment(Run& run) {
  ASSIGN_OR_RETURN(const int64_t delta, Delta(run));
  ASSIGN_OR_RETURN(client::Counter counter, run.Open<client::Counter>(0));
  return PrintValue(run, counter.Increment(delta));
}

absl::Status Decrement(Run& run) {
  ASSIGN_OR_RETURN(const int64_t delta, Delta(run));
  ASSIGN_OR_RETURN(client::Counter counter, run.Open<client::Counter>(0));
  return PrintValue(run, counter.Decrement(delta));
}

absl::Status CompareAndSet(Run& run) {
  ASSIGN_OR_RETURN(const int64_t expected, Operand(run, 1, "EXPECTED"));
  ASSIGN_OR_RETURN(const int64_t value, Operand(run, 2, "VALUE"));
  ASSIGN_OR_RETURN(client::Counter counter, run.Open<client::Counter>(0));
  return PrintValue(run, counter.CompareAndSet(expected, value));
}

}  // namespace

const Group& CounterGroup() {
  static const Group& group = *new Group{
      .name = "counter",
      .summary = "Counters: 64-bit numbers, 0 at first",
      .details =
          "All print the value that they leave behind. A counter is "
          "created when first used.",
      .verbs = {
          {.name = "get",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the value",
           .run = Get},
          {.name = "set",
           .operands = "NAME VALUE",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Set the value",
           .run = Set},
          {.name = "inc",
           .operands = "NAME [DELTA]",
           .operands_min = 1,
           .operands_max = 2,
           .summary = "Add DELTA, or 1",
           .run = Increment},
          {.name = "dec",
           .operands = "NAME [DELTA]",
           .operands_min = 1,
           .operands_max = 2,
           .summary = "Subtract DELTA, or 1",
           .run = Decrement},
          {.name = "cas",
           .operands = "NAME EXPECTED VALUE",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Set the value if it is EXPECTED now, else exit with 1",
           .run = CompareAndSet},
      }};
  return group;
}

}  // namespace cli
