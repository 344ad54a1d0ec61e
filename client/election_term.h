// ElectionTerm is what an election is at one moment: who leads, and who is in
// line.

#ifndef CLIENT_ELECTION_TERM_H_
#define CLIENT_ELECTION_TERM_H_

#include <cstdint>
#include <string>
#include <vector>

namespace client {

struct ElectionTerm {
  // 0 until somebody leads; one more with each new leader.
  uint64_t number = 0;

  std::string leader;                   // "": nobody.
  std::vector<std::string> candidates;  // Without the leader, the next first.

  bool operator==(const ElectionTerm&) const = default;
};

}  // namespace client

#endif  // CLIENT_ELECTION_TERM_H_
