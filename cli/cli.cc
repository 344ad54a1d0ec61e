#include "cli/cli.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/output.h"
#include "client/client.h"

namespace cli {
namespace {

// Flags that take no value, of every verb: a name means the same everywhere, so
// a line can be taken apart before its verb is known.
std::vector<std::string> Switches() {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<Flag>& flags) {
    for (const Flag& flag : flags) {
      if (flag.value.empty()) names.push_back(flag.name);
    }
  };
  add(GlobalFlags());
  for (const Group* group : AllGroups()) {
    for (const Verb& verb : group->verbs) add(verb.flags);
  }
  return names;
}

template <class Named>
std::vector<std::string> Names(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& one : all) names.push_back(one.name);
  return names;
}

std::vector<std::string> GroupNames() {
  std::vector<std::string> names = {"help"};
  for (const Group* group : AllGroups()) names.push_back(group->name);
  return names;
}

const Group* FindGroup(const std::string& name) {
  for (const Group* group : AllGroups()) {
    if (group->name == name) return group;
  }
  return nullptr;
}

const Verb* FindVerb(const Group& group, const std::string& name) {
  for (const Verb& verb : group.verbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

// `what` is unknown; says so, and what was probably meant.
absl::Status Unknown(const std::string& what, const std::string& typed,
                     const std::vector<std::string>& names,
                     const std::string& prefix) {
  std::string message = absl::StrCat(what, " \"", typed, "\"");
  const std::string meant = Suggestion(typed, names);
  if (!meant.empty()) {
    absl::StrAppend(&message, "; did you mean \"", prefix, meant, "\"?");
  }
  return UsageError(message);
}

// What a line names: a verb, or only a group, or nothing.
struct Target {
  const Group* group = nullptr;
  const Verb* verb = nullptr;
  size_t words = 0;  // That name it.
};

absl::StatusOr<Target> Resolve(const std::vector<std::string>& words) {
  Target target;
  if (words.empty()) return target;
  target.group = FindGroup(words[0]);
  if (target.group == nullptr) {
    return Unknown("there is no command", words[0], GroupNames(), "");
  }
  target.words = 1;
  // A group that is a command by itself.
  target.verb = FindVerb(*target.group, "");
  if (target.verb != nullptr || words.size() == 1) return target;
  target.verb = FindVerb(*target.group, words[1]);
  if (target.verb == nullptr) {
    return Unknown(absl::StrCat("\"", words[0], "\" has no verb"), words[1],
                   Names(target.group->verbs), absl::StrCat(words[0], " "));
  }
  target.words = 2;
  return target;
}

absl::Status Help(std::vector<std::string> words,
                  const Environment& environment) {
  if (!words.empty() && words[0] == "help") words.erase(words.begin());
  if (!words.empty() && words[0] == "exit-codes") {
    environment.out << HelpForExitCodes();
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Target target, Resolve(words));
  if (target.group == nullptr) {
    environment.out << HelpForAll();
  } else if (target.verb == nullptr) {
    environment.out << HelpForGroup(*target.group);
  } else {
    environment.out << HelpForVerb(*target.group, *target.verb);
  }
  return absl::OkStatus();
}

absl::Status CheckLine(const Target& target, const Arguments& arguments) {
  const Verb& verb = *target.verb;
  std::vector<std::string> names;
  for (const std::vector<Flag>* flags : {&GlobalFlags(), &verb.flags}) {
    for (const Flag& flag : *flags) names.push_back("--" + flag.name);
  }
  for (const auto& [flag, value] : arguments.flags()) {
    const std::string typed = "--" + flag;
    if (std::count(names.begin(), names.end(), typed) != 0) continue;
    return Unknown("there is no flag", typed, names, "");
  }
  const size_t operands = arguments.words().size() - target.words;
  if (operands < verb.operands_min || operands > verb.operands_max) {
    return UsageError(absl::StrCat(
        operands < verb.operands_min ? "too few operands" : "too many operands",
        "; usage: multiraftctl ", Usage(*target.group, verb)));
  }
  return absl::OkStatus();
}

absl::Status Execute(const Arguments& arguments,
                     const Environment& environment) {
  const std::vector<std::string>& words = arguments.words();
  if (words.empty() || words[0] == "help" || arguments.Has("help")) {
    return Help(words, environment);
  }
  ASSIGN_OR_RETURN(const Target target, Resolve(words));
  if (target.verb == nullptr) {
    environment.err << HelpForGroup(*target.group) << "\n";
    return UsageError(absl::StrCat("\"", words[0], "\" wants a verb"));
  }
  RETURN_IF_ERROR(CheckLine(target, arguments));
  Run run(environment, arguments, target.words);
  return run.Finish(target.verb->run(run));
}

void Report(const absl::Status& failure, bool json,
            const Environment& environment) {
  const bool unknown = client::IsOutcomeUnknown(failure);
  if (json) {
    Json error;
    error["error"]["code"] = ExitCodeOf(failure) == kUsage ? "USAGE"
                             : client::IsSessionLost(failure)
                                 ? "SESSION_LOST"
                                 : absl::StatusCodeToString(failure.code());
    error["error"]["message"] = std::string(failure.message());
    if (unknown) error["error"]["outcome"] = "unknown";
    environment.err << Line(error);
    return;
  }
  environment.err << "multiraftctl: " << OneLine(failure.message()) << "\n";
  if (unknown) {
    environment.err << "multiraftctl: the command may have been applied\n";
  }
  if (ExitCodeOf(failure) == kUsage) {
    environment.err << "multiraftctl: `multiraftctl help` lists the commands\n";
  }
}

}  // namespace

ExitCode RunCli(const std::vector<std::string>& args,
                const Environment& environment) {
  const absl::StatusOr<Arguments> arguments =
      Arguments::Parse(args, Switches());
  const absl::Status result =
      arguments.ok() ? Execute(*arguments, environment) : arguments.status();
  environment.out.flush();
  if (!result.ok() && !IsExitWith(result)) {
    const bool json = arguments.ok()
                          ? arguments->Has("json")
                          : std::count(args.begin(), args.end(), "--json") != 0;
    Report(result, json, environment);
  }
  return ExitCodeOf(result);
}

}  // namespace cli
