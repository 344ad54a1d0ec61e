#include "cli/help.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/output.h"

namespace cli {
namespace {

// Every line two spaces in.
std::string Indented(const std::string& text) {
  std::string result;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    absl::StrAppend(&result, "  ", line, "\n");
  }
  return result;
}

std::string FlagTable(const std::vector<Flag>& flags) {
  std::vector<std::vector<std::string>> rows;
  for (const Flag& flag : flags) {
    rows.push_back({absl::StrCat("--", flag.name, flag.value.empty() ? "" : "=",
                                 flag.value),
                    flag.help});
  }
  return Indented(Table(rows));
}

std::string Details(const std::string& details) {
  return details.empty() ? "" : absl::StrCat("\n", details, "\n");
}

}  // namespace

std::string Usage(const Group& group, const Verb& verb) {
  std::string usage = group.name;
  if (!verb.name.empty()) absl::StrAppend(&usage, " ", verb.name);
  if (!verb.operands.empty()) absl::StrAppend(&usage, " ", verb.operands);
  return usage;
}

std::string HelpForAll() {
  std::string result =
      "multiraftctl speaks to a multiraft server.\n"
      "\n"
      "usage: multiraftctl COMMAND [OPERANDS] [--FLAGS]\n";
  for (const Group* group : AllGroups()) {
    std::vector<std::vector<std::string>> rows;
    for (const Verb& verb : group->verbs) {
      rows.push_back({Usage(*group, verb), verb.summary});
    }
    absl::StrAppend(&result, "\n", group->summary, "\n", Indented(Table(rows)));
  }
  absl::StrAppend(&result, "\nFlags of every command\n",
                  FlagTable(GlobalFlags()));
  absl::StrAppend(
      &result,
      "\n`multiraftctl help COMMAND` says more, such as `multiraftctl help map "
      "put`;\n`multiraftctl help exit-codes` is for scripts.\n");
  return result;
}

std::string HelpForGroup(const Group& group) {
  std::vector<std::vector<std::string>> rows;
  for (const Verb& verb : group.verbs) {
    rows.push_back({Usage(group, verb), verb.summary});
  }
  return absl::StrCat(group.summary, "\n", Details(group.details), "\n",
                      Indented(Table(rows)), "\n`multiraftctl help ",
                      group.name, " VERB` says more.\n");
}

std::string HelpForVerb(const Group& group, const Verb& verb) {
  std::string result =
      absl::StrCat("usage: multiraftctl ", Usage(group, verb), "\n\n",
                   verb.summary, ".\n", Details(verb.details));
  if (!verb.flags.empty()) {
    absl::StrAppend(&result, "\nFlags\n", FlagTable(verb.flags));
  }
  absl::StrAppend(&result, "\nFlags of every command\n",
                  FlagTable(GlobalFlags()));
  return result;
}

std::string HelpForExitCodes() {
  return "0  done\n"
         "1  refused: not found, there already, a conflict, not allowed, too "
         "large\n"
         "2  the command line makes no sense; nothing was sent\n"
         "3  no answer in time; a command may have been applied all the same\n"
         "4  the session is unknown, has expired or was closed\n"
         "\n"
         "With --json an error is {\"error\":{\"code\":...,\"message\":...}} "
         "on "
         "standard error,\nwith \"outcome\":\"unknown\" if a command may have "
         "been applied.\n";
}

}  // namespace cli
