// Client is a driver with one session on one partition, as users run it: it
// keeps the session alive, numbers its requests, sends a command whose outcome
// it does not know again under the same number, and re-opens event streams
// where they broke. When the session is lost it opens another.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_CLIENT_H_
#define SIM_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "partition/partition.h"
#include "session/registry.h"
#include "session/types.h"
#include "sim/event_loop.h"
#include "sim/judge.h"
#include "sim/link.h"

namespace sim {

struct ClientOptions {
  uint64_t session_timeout_ns = 5 * kSeconds;
  // A command is given up, its outcome unknown for ever, at one failed attempt
  // in so many. 0: never.
  uint64_t give_up_one_in = 0;
  // The pause before an attempt is repeated.
  uint64_t retry_ns_max = 100 * kMillis;
  // A lost session before this much of its timeout has passed, by true time, is
  // a failure: the node's clock may run a little fast.
  double early_factor = 0.9;
  uint64_t early_slack_ns = 0;
};

class Client {
 public:
  // All references must outlive it. `name` is for people.
  Client(EventLoop& loop, Link& link, const ClientOptions& options,
         std::string name, uint64_t seed, Judge& judge);

  // Opens the first session. `on_session` is called for each that is opened;
  // everything of the one before is gone then.
  void Start(std::function<void()> on_session);

  // Does not refresh its session any more.
  void Abandon() { abandoned_ = true; }

  // What a command came to. No value: unknown for ever, because its session
  // was lost or it was given up.
  using CommandDone = std::function<void(std::optional<session::Result>)>;

  // REQUIRES of the following: has_session().
  void CreatePrimitive(const std::string& service, const std::string& name,
                       std::function<void(session::PrimitiveId)> done);
  void Command(session::PrimitiveId primitive,
               const session::PrimitiveType& type, const std::string& rpc,
               const std::string& input, CommandDone done);
  // No value: the session was lost.
  void Query(session::PrimitiveId primitive, const session::PrimitiveType& type,
             const std::string& rpc, const std::string& input,
             CommandDone done);
  // Calls `on_event` with each event once, in order, until the session is lost.
  void Events(session::PrimitiveId primitive,
              const session::PrimitiveType& type, const std::string& input,
              std::function<void(const std::string&)> on_event);
  // Lists once. `done`: complete, or it broke and shall be asked for again.
  void List(session::PrimitiveId primitive, const session::PrimitiveType& type,
            const std::string& rpc, const std::string& input,
            std::function<void(const std::string&)> on_item,
            std::function<void(bool complete)> done);

  bool has_session() const { return session_.value() != 0; }
  session::SessionId session() const { return session_; }
  uint64_t session_timeout_ns() const { return options_.session_timeout_ns; }
  const std::string& name() const { return name_; }
  // Requests that have not come to an end, streams not counted.
  size_t pending_count() const { return commands_.size() + queries_.size(); }
  // Without the abandoned one.
  uint64_t sessions_lost() const { return sessions_lost_; }
  // Virtual time at which the last refresh that is known was asked for.
  uint64_t refreshed_ns() const { return refreshed_ns_; }

  // Asks whether the session still exists, without refreshing it. If it does
  // not, has_session() is false when `done` is called.
  void Probe(std::function<void(bool answered)> done);

 private:
  struct PendingCommand {
    partition::CommandRequest request;
    CommandDone done;
  };
  struct PendingQuery {
    partition::QueryRequest request;
    CommandDone done;
  };
  struct EventStream {
    partition::CommandRequest request;
    std::function<void(const std::string&)> on_event;
    std::vector<std::string> outputs;  // Number 1, 2, ...
    uint64_t attempt = 0;
    uint64_t attempt_last = 0;  // Number of the attempt's last output.
    std::shared_ptr<Link::Stream> stream;
  };

  void OpenSession();
  void KeepAliveLater();
  void KeepAlive();
  void SendKeepAlive(const partition::CommandRequest& request, int attempts);
  // The server says that `session` does not exist.
  void SessionLost(session::SessionId session);

  uint64_t NextSequence() { return ++last_sequence_; }
  session::CommandKey NextKey() {
    return {.session = session_,
            .sequence = session::SequenceNum{NextSequence()}};
  }
  void StartCommand(partition::CommandRequest request, CommandDone done);
  void SendCommand(session::CommandKey key);
  void OnCommandReply(session::CommandKey key,
                      partition::Reply<session::Applied> reply);
  void OnCanceled(session::CommandKey key);
  void FinishCommand(session::CommandKey key,
                     std::optional<session::Result> result);
  void SendQuery(session::CommandKey key);
  void OpenEvents(uint64_t sequence);
  void OnCleanEnd(uint64_t sequence);
  void OnOutput(uint64_t sequence, const session::CommandOutput& output);
  // Runs `action` after a pause if the session is still this one.
  void Retry(std::function<void()> action);
  void Saw(uint64_t index);

  EventLoop& loop_;
  Link& link_;
  const ClientOptions options_;
  const std::string name_;
  base::Random random_;
  Judge& judge_;
  std::function<void()> on_session_;
  bool abandoned_ = false;
  uint64_t sessions_lost_ = 0;

  // Of the present session; 0: none.
  session::SessionId session_;
  uint64_t refreshed_ns_ = 0;
  uint64_t last_sequence_ = 0;
  uint64_t max_index_ = 0;  // That was received.
  std::map<uint64_t, PendingCommand> commands_;
  std::map<uint64_t, PendingQuery> queries_;
  std::map<uint64_t, EventStream> events_;
  std::map<uint64_t, std::shared_ptr<Link::Stream>> listings_;
};

}  // namespace sim

#endif  // SIM_CLIENT_H_
