#include "cli/completion.h"
#include "cli/run.h"
#include "cli/verb.h"

namespace cli {
namespace {

absl::Status PrintScript(Run& run, const char* shell,
                         const std::string& script) {
  Json object;
  object["shell"] = shell;
  object["script"] = script;
  run.Print(script, object);
  return absl::OkStatus();
}

absl::Status Bash(Run& run) {
  return PrintScript(run, "bash", BashCompletion(AllGroups(), GlobalFlags()));
}

absl::Status Zsh(Run& run) {
  return PrintScript(run, "zsh", ZshCompletion(AllGroups(), GlobalFlags()));
}

}  // namespace

const Group& CompletionGroup() {
  static const Group& group = *new Group{
      .name = "completion",
      .summary = "Scripts by which a shell completes lines of multiraftctl",
      .details = "",
      .verbs = {
          {.name = "bash",
           .summary = "Print the script for bash",
           .details = "  eval \"$(multiraftctl completion bash)\"        # in "
                      "~/.bashrc",
           .run = Bash},
          {.name = "zsh",
           .summary = "Print the script for zsh",
           .details = "  eval \"$(multiraftctl completion zsh)\"         # in "
                      "~/.zshrc, behind compinit",
           .run = Zsh},
      }};
  return group;
}

}  // namespace cli
