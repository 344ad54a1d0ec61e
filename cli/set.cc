#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/collection_verbs.h"
#include "cli/run.h"
#include "cli/set_format.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::Set;
using client::SetEvent;

// `done` with a field of that name, as `told`.
absl::Status PrintDone(Run& run, const char* done) {
  Json object;
  object["element"] = run.operand(1);
  object[done] = true;
  run.Print(absl::StrCat(done, "\n"), object);
  return absl::OkStatus();
}

absl::Status Add(Run& run) {
  std::optional<absl::Duration> ttl;
  if (run.flags().Has("ttl")) {
    ASSIGN_OR_RETURN(ttl, run.flags().Duration("ttl", absl::ZeroDuration()));
  }
  ASSIGN_OR_RETURN(Set set, run.Open<Set>(0));
  ASSIGN_OR_RETURN(const bool added, set.Add(run.operand(1), ttl));
  if (!added) return absl::AlreadyExistsError("element is in the set already");
  return PrintDone(run, "added");
}

absl::Status Remove(Run& run) {
  ASSIGN_OR_RETURN(Set set, run.Open<Set>(0));
  ASSIGN_OR_RETURN(const bool removed, set.Remove(run.operand(1)));
  if (!removed) return absl::NotFoundError("element is not in the set");
  return PrintDone(run, "removed");
}

absl::Status Contains(Run& run) {
  ASSIGN_OR_RETURN(Set set, run.Open<Set>(0));
  ASSIGN_OR_RETURN(const bool contains, set.Contains(run.operand(1)));
  Json object;
  object["element"] = run.operand(1);
  object["contains"] = contains;
  run.Print(contains ? "yes\n" : "no\n", object);
  return absl::OkStatus();
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(Set set, run.Open<Set>(0));
  ASSIGN_OR_RETURN(const std::vector<std::string> elements, set.List());
  if (run.json()) {
    for (const std::string& element : elements) {
      Json object;
      object["element"] = element;
      run.Print("", object);
    }
    return absl::OkStatus();
  }
  if (elements.empty()) {
    run.out() << "(no elements)\n";
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"ELEMENT"}};
  for (const std::string& element : elements)
    rows.push_back({OneLine(element)});
  run.out() << Table(rows);
  return absl::OkStatus();
}

absl::Status Events(Run& run) {
  ASSIGN_OR_RETURN(Set set, run.Open<Set>(0));
  const auto events = set.Events();
  return run.Follow<SetEvent>(*events, [&run](const SetEvent& event) {
    run.Print(ToText(event), ToJson(event));
  });
}

}  // namespace

const Group& SetGroup() {
  static const Group& group = *new Group{
      .name = "set",
      .summary = "Sets of text elements",
      .details = "A set is created when first used.",
      .verbs = {
          {.name = "add",
           .operands = "NAME ELEMENT",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Put an element into the set",
           .details = "One that is there already stays as it is, with its time "
                      "to live; exit with 1.",
           .flags = {{"ttl", "DURATION",
                      "The server removes the element after this time"}},
           .run = Add},
          {.name = "remove",
           .operands = "NAME ELEMENT",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Take an element out of the set",
           .run = Remove},
          {.name = "contains",
           .operands = "NAME ELEMENT",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Print whether the element is in the set: yes or no",
           .run = Contains},
          {.name = "size",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print the number of elements",
           .run = Size<Set>},
          {.name = "clear",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Remove every element",
           .run = Clear<Set>},
          {.name = "list",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Print every element, in bytewise order",
           .run = List},
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
