// Link is how one client reaches one partition: by one of its nodes at a time,
// through a network that delays and loses requests and answers, breaks
// connections, and sometimes delivers a copy of a request, to any node, long
// after the client has its answer. When a node does not answer, or says that it
// cannot, the link goes on with the one that is said to lead, or with another.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_LINK_H_
#define SIM_LINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "partition/caller.h"
#include "partition/partition.h"
#include "session/state_machine.h"
#include "session/types.h"
#include "sim/event_loop.h"
#include "sim/node.h"

namespace sim {

struct LinkOptions {
  uint64_t delay_ns_min = 50 * kMicros;
  uint64_t delay_ns_max = 1 * kMillis;
  // One in so many; 0: none. A request or its answer is lost.
  uint64_t lose_one_in = 0;
  // A command arrives once more, up to late_ns_max later.
  uint64_t copy_one_in = 0;
  uint64_t late_ns_max = 3 * kSeconds;
  // A stream breaks at an output.
  uint64_t break_one_in = 0;
  // The client takes an unanswered call for failed.
  uint64_t timeout_ns = 2 * kSeconds;
  // One query in so many, and one stream of a query, goes to any node. 0: none.
  uint64_t any_node_one_in = 0;
};

// What everybody who uses one partition has seen of it, as the oracles need it
// at the moment at which it answers.
class AnswerObserver {
 public:
  virtual ~AnswerObserver() = default;

  // The partition answered a unary command.
  virtual void OnAnswer(session::CommandKey command,
                        const session::Result& result) = 0;

  // The highest index that any client has seen until now.
  virtual uint64_t seen_index() const = 0;
  // A client sees `index` in an answer; `before` was seen_index() when it
  // called.
  virtual void OnIndex(uint64_t index, uint64_t before) = 0;
};

// Test of the oracles: a link that damages what it carries. Each is asked once
// per item.
struct LinkFaults {
  // A repeated command gets a number of its own.
  bool renumber_copies = false;
  // One output of a stream in so many is left out, the numbers closed up.
  uint64_t drop_output_one_in = 0;
  // One query in so many is answered as the one before it.
  uint64_t stale_answer_one_in = 0;
};

class Link {
 public:
  // All references must outlive it. REQUIRES: `nodes`, those that have a
  // replica, is not empty.
  Link(EventLoop& loop, std::vector<Node*> nodes, base::PartitionId partition,
       const LinkOptions& options, const LinkFaults& faults, uint64_t seed,
       AnswerObserver& observer);

  // The network's faults end.
  void Calm();

  // Each callback is called once, from an event of its own.
  using CommandDone = std::function<void(partition::Reply<session::Applied>)>;
  void Propose(partition::CommandRequest request, CommandDone done);

  using QueryDone = std::function<void(partition::Reply<session::QueryAnswer>)>;
  void Query(partition::QueryRequest request, QueryDone done);

  // One attempt at a stream. Its last callback is `on_end`, unless it is closed
  // before.
  struct StreamCallbacks {
    std::function<void(session::CommandOutput)> on_output;
    std::function<void(partition::Refusal)> on_end;
  };
  class Stream;
  std::shared_ptr<Stream> OpenStream(partition::CommandRequest request,
                                     StreamCallbacks callbacks);
  std::shared_ptr<Stream> OpenQuery(partition::QueryRequest request,
                                    StreamCallbacks callbacks);
  // The client is not interested any more: no callback follows.
  static void Close(Stream& stream);

  base::PartitionId partition() const { return partition_; }

 private:
  template <class T>
  struct Call;

  // Null if the node is down.
  std::shared_ptr<partition::Partition> Target(const Node& node) const {
    return node.Find(partition_);
  }
  Node& AnyNode() { return *nodes_[random_.Below(nodes_.size())]; }
  // The node for a query.
  Node& QueryNode();
  // `node` did not help: goes on with another, unless that was done already.
  void Leave(const Node& node);
  uint64_t Delay();
  bool Loses();
  // Delivers `request` to `node` now; `done` gets the answer, when there is
  // one.
  void Deliver(Node& node, const partition::CommandRequest& request,
               CommandDone done);
  template <class T>
  std::shared_ptr<Call<T>> StartCall(
      Node& node, std::function<void(partition::Reply<T>)> done);
  template <class T>
  void FinishCall(const std::shared_ptr<Call<T>>& call,
                  partition::Reply<T> reply);
  std::shared_ptr<Stream> StartStream(
      Node& node, StreamCallbacks callbacks,
      std::function<partition::StreamId(partition::Partition&,
                                        std::shared_ptr<partition::StreamSink>)>
          open);

  EventLoop& loop_;
  const std::vector<Node*> nodes_;
  Node* node_;  // The one it uses.
  const base::PartitionId partition_;
  LinkOptions options_;
  const LinkFaults faults_;
  base::Random random_;
  AnswerObserver& observer_;
  session::QueryAnswer last_answer_;  // For LinkFaults.
};

}  // namespace sim

#endif  // SIM_LINK_H_
