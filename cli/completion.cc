#include "cli/completion.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace cli {
namespace {

// Within single quotes of a shell.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// "--ttl=", or "--json" for one that takes no value.
std::string Typed(const Flag& flag) {
  return absl::StrCat("--", flag.name, flag.value.empty() ? "" : "=");
}

std::string Typed(const std::vector<Flag>& flags) {
  return absl::StrJoin(flags, " ", [](std::string* out, const Flag& flag) {
    absl::StrAppend(out, Typed(flag));
  });
}

// The flags without a value of all verbs, as a pattern of `case`.
std::string SwitchPattern(const std::vector<const Group*>& groups,
                          const std::vector<Flag>& global_flags) {
  std::vector<std::string> names = {"-h"};
  const auto add = [&](const std::vector<Flag>& flags) {
    for (const Flag& flag : flags) {
      if (flag.value.empty()) names.push_back(absl::StrCat("--", flag.name));
    }
  };
  add(global_flags);
  for (const Group* group : groups) {
    for (const Verb& verb : group->verbs) add(verb.flags);
  }
  return absl::StrJoin(names, "|");
}

// "map put", or "status" for a group that is a command by itself.
std::string NameOf(const Group& group, const Verb& verb) {
  return verb.name.empty() ? group.name
                           : absl::StrCat(group.name, " ", verb.name);
}

// "name:summary" for zsh's _describe.
std::string Described(const std::string& name, const std::string& summary) {
  return Quoted(absl::StrCat(absl::StrReplaceAll(name, {{":", "\\:"}}), ":",
                             absl::StrReplaceAll(summary, {{":", "\\:"}})));
}

std::string Described(const std::vector<Flag>& flags) {
  return absl::StrJoin(flags, " ", [](std::string* out, const Flag& flag) {
    absl::StrAppend(out, Described(Typed(flag), flag.help));
  });
}

}  // namespace

std::string BashCompletion(const std::vector<const Group*>& groups,
                           const std::vector<Flag>& global_flags) {
  std::string group_names = "help";
  std::string verbs;
  std::string flags;
  for (const Group* group : groups) {
    absl::StrAppend(&group_names, " ", group->name);
    std::vector<std::string> names;
    for (const Verb& verb : group->verbs) {
      if (!verb.name.empty()) names.push_back(verb.name);
      if (verb.flags.empty()) continue;
      absl::StrAppend(&flags, "    ", Quoted(NameOf(*group, verb)),
                      ") flags+=", Quoted(absl::StrCat(" ", Typed(verb.flags))),
                      " ;;\n");
    }
    if (names.empty()) continue;
    absl::StrAppend(&verbs, "    ", group->name,
                    ") words=", Quoted(absl::StrJoin(names, " ")), " ;;\n");
  }
  // bash breaks words at "=", so a flag's value is a word of its own, behind
  // one that is "=".
  return absl::StrCat(
      "# Completion of multiraftctl for bash: `eval \"$(multiraftctl "
      "completion bash)\"`\n"
      "_multiraftctl() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} group= verb= words= i\n"
      "  local flags=",
      Quoted(Typed(global_flags)),
      "\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n"
      "      --) return ;;\n"
      "      =) ((i++)) ;;\n"
      "      ",
      SwitchPattern(groups, global_flags),
      ") ;;\n"
      "      -*) [[ ${COMP_WORDS[i + 1]} == = ]] || ((i++)) ;;\n"
      "      *) if [[ -z $group ]]; then group=${COMP_WORDS[i]}\n"
      "         elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;\n"
      "    esac\n"
      "  done\n"
      "  ((i == COMP_CWORD)) || return\n"
      "  if [[ $group == help ]]; then group=$verb verb=; fi\n"
      "  case $group in\n"
      "    '') words=",
      Quoted(group_names), " ;;\n", verbs,
      "  esac\n"
      "  case \"$group${verb:+ $verb}\" in\n",
      flags,
      "  esac\n"
      "  if [[ $cur == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n"
      "    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace "
      "2>/dev/null; "
      "fi\n"
      "  elif [[ -z $verb ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  fi\n"
      "}\n"
      "complete -F _multiraftctl multiraftctl\n");
}

std::string ZshCompletion(const std::vector<const Group*>& groups,
                          const std::vector<Flag>& global_flags) {
  std::string group_names = Described("help", "What a command does");
  std::string verbs;
  std::string flags;
  for (const Group* group : groups) {
    absl::StrAppend(&group_names, " ", Described(group->name, group->summary));
    std::vector<std::string> names;
    for (const Verb& verb : group->verbs) {
      if (!verb.name.empty()) {
        names.push_back(Described(verb.name, verb.summary));
      }
      if (verb.flags.empty()) continue;
      absl::StrAppend(&flags, "    ", Quoted(NameOf(*group, verb)),
                      ") flags+=(", Described(verb.flags), ") ;;\n");
    }
    if (names.empty()) continue;
    absl::StrAppend(&verbs, "    ", group->name, ") names=(",
                    absl::StrJoin(names, " "), ") ;;\n");
  }
  return absl::StrCat(
      "#compdef multiraftctl\n"
      "# Completion of multiraftctl for zsh: as the file _multiraftctl in a "
      "folder of $fpath\n"
      "_multiraftctl() {\n"
      "  local group= verb= i\n"
      "  local -a names flags\n"
      "  flags=(",
      Described(global_flags),
      ")\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    case ${words[i]} in\n"
      "      --) _normal; return ;;\n"
      "      ",
      SwitchPattern(groups, global_flags),
      "|--*=*) ;;\n"
      "      -*) ((i++)) ;;\n"
      "      *) if [[ -z $group ]]; then group=${words[i]}\n"
      "         elif [[ -z $verb ]]; then verb=${words[i]}; fi ;;\n"
      "    esac\n"
      "  done\n"
      "  ((i == CURRENT)) || return\n"
      "  if [[ $group == help ]]; then group=$verb verb=; fi\n"
      "  case $group in\n"
      "    '') names=(",
      group_names, ") ;;\n", verbs,
      "  esac\n"
      "  case \"$group${verb:+ $verb}\" in\n",
      flags,
      "  esac\n"
      "  if [[ $PREFIX == -* ]]; then\n"
      "    _describe -o flag flags -S ''\n"
      "  elif [[ -z $verb ]] && ((${#names})); then\n"
      "    _describe command names\n"
      "  fi\n"
      "}\n"
      "# Loaded from $fpath at the first completion, or evaluated.\n"
      "if [[ ${funcstack[1]} == _multiraftctl ]]; then _multiraftctl \"$@\"\n"
      "else compdef _multiraftctl multiraftctl; fi\n");
}

}  // namespace cli
