// How tests print the core's words: short, stable, one line each. Positions are
// term/index, as in "last=1/11".

#ifndef RAFT_FORMAT_H_
#define RAFT_FORMAT_H_

#include <string>
#include <vector>

#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace raft {

std::string FormatPosition(const Position& position);
// "[2/5 noop, 2/6 "x"]"
std::string FormatEntries(const std::vector<Entry>& entries);
// "voters=1,2,3 learners=4"
std::string FormatConfiguration(const Configuration& configuration);
// "3->1 PreVote term=2 last=1/11"
std::string FormatMessage(const Message& message);
// Everything that replica `self` wants done, a line each.
std::vector<std::string> FormatReady(ReplicaId self, const Ready& ready);

}  // namespace raft

#endif  // RAFT_FORMAT_H_
