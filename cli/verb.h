// Verb and Group are what the command line is made of: `multiraftctl GROUP VERB
// OPERANDS... --flags...`. A group lives in a file of its own and is listed in
// groups.cc; help, suggestions and the check of flags and operands come from
// the tables.

#ifndef CLI_VERB_H_
#define CLI_VERB_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace cli {

class Run;

struct Flag {
  std::string name;   // "prev-index"; --prev_index is the same.
  std::string value;  // What it takes, for help: "N". "": it takes none.
  std::string help;   // One line.
};

struct Verb {
  std::string name;      // "" in a group that is a command by itself.
  std::string operands;  // For help: "NAME KEY [VALUE]".
  size_t operands_min = 0;
  size_t operands_max = 0;
  std::string summary;  // One line, no full stop.
  std::string details;  // More, for the verb's own help; may be "".
  std::vector<Flag> flags;
  absl::Status (*run)(Run& run) = nullptr;
};

struct Group {
  std::string name;
  std::string summary;  // One line, no full stop.
  std::string details;  // More, for the group's own help; may be "".
  std::vector<Verb> verbs;
};

// All groups, in the order of help.
const std::vector<const Group*>& AllGroups();

// One for each file of verbs.
const Group& ClusterGroup();
const Group& CompletionGroup();
const Group& CounterGroup();
const Group& CounterMapGroup();
const Group& ElectionGroup();
const Group& ExecGroup();
const Group& IndexedMapGroup();
const Group& LeaderGroup();
const Group& ListGroup();
const Group& LockGroup();
const Group& MapGroup();
const Group& MemberGroup();
const Group& MultiMapGroup();
const Group& NodeGroup();
const Group& PartitionGroup();
const Group& RecoverGroup();
const Group& SessionGroup();
const Group& SetGroup();
const Group& StatusGroup();
const Group& ValueGroup();
const Group& WatchGroup();

// The flags that every verb takes.
const std::vector<Flag>& GlobalFlags();

}  // namespace cli

#endif  // CLI_VERB_H_
