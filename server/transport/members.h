// Members is who takes part in the partitions of this node: where to send, and
// from whom to take (P45).
//
// Not thread-safe: guarded by the transport's lock.

#ifndef SERVER_TRANSPORT_MEMBERS_H_
#define SERVER_TRANSPORT_MEMBERS_H_

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/message.h"

namespace server::transport {

// A node as one end of streams. Another incarnation is another remote.
struct Remote {
  base::NodeId node;
  uint64_t incarnation = 0;
  std::string address;  // host:port of its peer API.

  auto operator<=>(const Remote&) const = default;
};

class Members {
 public:
  // As partition::Transport::SetMembers.
  void Set(base::PartitionId partition, raft::ReplicaId self,
           const std::vector<raft::Member>& members);

  // Where a replica lives, as its partition says or, if that does not know it,
  // as it was seen to send from. Null: unknown.
  const Remote* Find(base::PartitionId partition,
                     raft::ReplicaId replica) const;

  enum class Verdict : uint8_t {
    kTake,
    kUnknownReplica,  // `to` is not here.
    kWrongSender,     // `from` is a member and lives elsewhere.
  };
  // Whether a message that came from `sender` is for us and from whom it says.
  // The partition may be behind and not know `from` yet: then the stream's
  // identity and the id of the receiver must do, and `sender` is remembered, so
  // that it can be answered.
  Verdict Judge(base::PartitionId partition, raft::ReplicaId from,
                raft::ReplicaId to, const Remote& sender);

  // `replica`, on `remote`, says that it leads the partition. True: that one is
  // here and has no such member; it can be sent to from now on.
  bool Meet(base::PartitionId partition, raft::ReplicaId replica,
            const Remote& remote);

  // Whether the partition is here, under whatever replica, and `from` is a
  // member of it that lives on `sender`. A replica that knows nobody yet takes
  // everybody's word: it has nothing to lose.
  bool IsFromMember(base::PartitionId partition, raft::ReplicaId from,
                    const Remote& sender) const;

  // Whether nothing in `messages` is worth a frame of its own: heartbeats and
  // replies that repeat the round of reads of those before.
  bool CanWait(base::PartitionId partition,
               const std::vector<raft::Message>& messages);

  // Everybody that a partition may send to.
  std::set<Remote> Remotes() const;

 private:
  struct Partition {
    raft::ReplicaId self;
    std::map<raft::ReplicaId, Remote> members;
    // Not members, as far as the partition knows. At most kStrangersMax.
    std::map<raft::ReplicaId, Remote> strangers;
    void Remember(raft::ReplicaId stranger, const Remote& remote);

    uint64_t round = 0;        // Of the last heartbeat.
    uint64_t reply_round = 0;  // Of the last reply.
  };

  std::unordered_map<base::PartitionId, Partition,
                     absl::Hash<base::PartitionId>>
      partitions_;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_MEMBERS_H_
