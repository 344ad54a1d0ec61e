// What operators ask of servers; no session.

#ifndef CLIENT_ADMIN_H_
#define CLIENT_ADMIN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/connection.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace client {

// The node as it is now. kUnavailable, kDeadlineExceeded: it does not answer.
absl::StatusOr<multiraft::admin::v1::StatusResponse> NodeStatus(
    Connection& connection);

// The same of several servers (host:port), asked at the same time and once
// each; answers in the order of `servers`.
std::vector<absl::StatusOr<multiraft::admin::v1::StatusResponse>> NodeStatuses(
    const std::vector<std::string>& servers, absl::Duration timeout);

// Has this server apply what it holds back of a partition because it ended the
// process twice. kFailedPrecondition: it holds nothing back.
absl::Status ResumePartition(Connection& connection, uint32_t partition);

// Hands the leadership of a partition, which this server has, to `node` (0: to
// whoever can take it best; to itself: it goes on leading, and leaders are not
// spread against that). Returns who leads now. Asks once: kUnavailable
// also if this server does not lead it.
absl::StatusOr<uint32_t> TransferLeader(Connection& connection,
                                        uint32_t partition, uint32_t node);

// Brings the members of a partition to what `request` says, whoever leads; asks
// again while nobody does. It may be asked again whatever came of it. An error
// says why it is refused, or what it waits for.
absl::StatusOr<multiraft::admin::v1::ChangeMembersResponse> ChangeMembers(
    Connection& connection,
    const multiraft::admin::v1::ChangeMembersRequest& request);

// The sessions of a partition with ids above `after`, as the replica on this
// server has them; at most `max`, and as many as the server gives at once. If
// `more` is set, ask again behind the last one.
absl::StatusOr<multiraft::admin::v1::ListSessionsResponse> ListSessions(
    Connection& connection, uint32_t partition, uint64_t after, uint32_t max);

}  // namespace client

#endif  // CLIENT_ADMIN_H_
