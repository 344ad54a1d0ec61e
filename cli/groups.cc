#include "cli/verb.h"

namespace cli {

const std::vector<const Group*>& AllGroups() {
  static const auto& groups = *new std::vector<const Group*>{
      &StatusGroup(),    &ClusterGroup(),    &MemberGroup(),
      &PartitionGroup(), &NodeGroup(),       &LeaderGroup(),
      &SessionGroup(),   &CounterGroup(),    &CounterMapGroup(),
      &ElectionGroup(),  &IndexedMapGroup(), &ListGroup(),
      &LockGroup(),      &MapGroup(),        &MultiMapGroup(),
      &SetGroup(),       &ValueGroup(),      &WatchGroup(),
      &ExecGroup(),      &RecoverGroup(),    &CompletionGroup(),
  };
  return groups;
}

const std::vector<Flag>& GlobalFlags() {
  static const auto& flags = *new std::vector<Flag>{
      {"server", "HOST:PORT",
       "The server; default 127.0.0.1:5678, or $MULTIRAFT_SERVER"},
      {"partition", "N", "The partition; default 1"},
      {"timeout", "DURATION",
       "How long to wait for an answer, retries included; default 10s"},
      {"json", "", "One JSON object a line, errors too"},
      {"session", "ID", "Use this session instead of one of the command's own"},
      {"sequence", "N",
       "With --session: number of the command's first request"},
      {"session-timeout", "DURATION",
       "The session ends after so long without a keep-alive; default 60s"},
      {"namespace", "NAME", "Namespace of the primitive; default none"},
      {"profile", "NAME", "Profile of the primitive; default none"},
      {"help", "", "What the command does"},
  };
  return flags;
}

}  // namespace cli
