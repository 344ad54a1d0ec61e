// Election is a line of candidates that clients enter, and whose head leads. A
// term is the time of one leader; its number is higher for every later leader.
// A candidate belongs to the session that entered it and leaves the line when
// that session ends: so a leader that dies is followed by the next in line,
// when its session's timeout has passed.
//
//   ASSIGN_OR_RETURN(auto election, client::Election::Open(session, "jobs"));
//   ASSIGN_OR_RETURN(auto lead, election.Lead("host-1", {}));
//   RunJobs(lead.fencing_token(), [&] { return lead.Check().ok(); });
//   // `lead` resigns at the end of its scope.
//
// Candidates are told apart by their names alone: give each client its own. Who
// leads may lose its session while it still believes that it leads, so whatever
// it works on should refuse a fencing token (the number of the term) that is
// lower than one it has seen.
//
// Thread-safe. The session outlives it, its streams and guards; a Client need
// not.

#ifndef CLIENT_ELECTION_H_
#define CLIENT_ELECTION_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/election_term.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/stream.h"
#include "client/wait_options.h"

namespace client {

class Client;

// Leadership is the lead of an election, held. Destroying it withdraws the
// candidate, as far as that works within the connection's call timeout; if not,
// the candidate goes with its session.
//
// Not thread-safe. May outlive the Election it came from, not its session.
class Leadership {
 public:
  Leadership(Leadership&&);
  Leadership& operator=(Leadership&&);
  ~Leadership();

  const std::string& candidate() const;

  // The number of the term, higher than that of every earlier leader.
  uint64_t fencing_token() const;

  // OK while the candidate leads in this term: asks the server. kAborted: it
  // does not any more.
  absl::Status Check();

  // Blocks until the candidate does not lead in this term any more (kAborted),
  // the session is lost (IsSessionLost), or `stop` (kCancelled).
  absl::Status AwaitEnd(std::stop_token stop);

  // Leaves the line. OK if it has left before.
  absl::Status Resign();

 private:
  friend class Election;
  struct Rep;
  explicit Leadership(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move or Resign.
};

class Election {
 public:
  // Opens the election, creating it if there is none. kPermissionDenied:
  // another type of primitive has this name.
  static absl::StatusOr<Election> Open(Session& session,
                                       const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<Election> Open(Client& client,
                                       const PrimitiveName& name);

  Election(Election&&);
  Election& operator=(Election&&);
  ~Election();

  // Enters the line and waits until the candidate leads. It stays in line until
  // then, and leaves it if the wait ends without, also if nobody knows whether
  // it has entered (IsOutcomeUnknown, kCancelled); as far as that works, as
  // with Leadership. kAborted: it did not lead until the limit, or was taken
  // out of the line. kInvalidArgument: no name.
  absl::StatusOr<Leadership> Lead(absl::string_view candidate,
                                  const WaitOptions& options);

  // These return the term as it then is. What is not possible, such as to take
  // out who is not there, changes nothing and is no error.

  // At the end of the line; at once its leader if there is none. kAborted: the
  // line is too long.
  absl::StatusOr<ElectionTerm> Enter(absl::string_view candidate);
  // Out of the line, if this session entered it.
  absl::StatusOr<ElectionTerm> Withdraw(absl::string_view candidate);
  // Out of the line, whoever entered it.
  absl::StatusOr<ElectionTerm> Evict(absl::string_view candidate);
  // To the head of the line.
  absl::StatusOr<ElectionTerm> Anoint(absl::string_view candidate);
  // One place forward.
  absl::StatusOr<ElectionTerm> Promote(absl::string_view candidate);
  // One place back.
  absl::StatusOr<ElectionTerm> Demote(absl::string_view candidate);

  absl::StatusOr<ElectionTerm> Term();

  // The term, and the term after each change of leader or line. When changes
  // follow each other quickly, or the connection breaks, some may be left out;
  // the last one never is, though it may take a quarter of the session's
  // timeout until it comes. Never goes back to an earlier leader.
  std::unique_ptr<Stream<ElectionTerm>> Watch();

  // The session no longer uses the election: its candidates leave.
  absl::Status Close();

 private:
  friend class Leadership;
  struct Rep;
  explicit Election(std::shared_ptr<Rep> rep);

  std::shared_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_ELECTION_H_
