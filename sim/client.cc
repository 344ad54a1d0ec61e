#include "sim/client.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "base/check.h"
#include "sim/commands.h"

namespace sim {
namespace {

using partition::CommandRequest;
using partition::Refusal;
using partition::Reply;
using session::Applied;
using session::CommandKey;
using session::SequenceNum;

constexpr int kKeepAliveAttempts = 5;

bool IsUnavailable(const Refusal& refusal) {
  return absl::IsUnavailable(refusal.status);
}

}  // namespace

Client::Client(EventLoop& loop, Link& link, const ClientOptions& options,
               std::string name, uint64_t seed, Judge& judge)
    : loop_(loop),
      link_(link),
      options_(options),
      name_(std::move(name)),
      random_(seed),
      judge_(judge) {}

void Client::Retry(std::function<void()> action) {
  loop_.After(random_.Between(1, options_.retry_ns_max),
              [this, session = session_, action = std::move(action)] {
                if (session_ == session) action();
              });
}

void Client::Saw(uint64_t index) { max_index_ = std::max(max_index_, index); }

// --- Session -----------------------------------------------------------------

void Client::Start(std::function<void()> on_session) {
  on_session_ = std::move(on_session);
  OpenSession();
}

void Client::OpenSession() {
  const uint64_t called_ns = loop_.now_ns();
  link_.Propose(OpenSessionRequest(options_.session_timeout_ns),
                [this, called_ns](Reply<Applied> reply) {
                  if (!reply.ok()) {
                    // It may have been opened: an orphan, which expires.
                    return Retry([this] { OpenSession(); });
                  }
                  if (reply.value.outcome != Applied::Outcome::kSessionOpened ||
                      reply.value.session.value() == 0) {
                    return judge_.Fail("OpenSession opened no session");
                  }
                  session_ = reply.value.session;
                  refreshed_ns_ = called_ns;
                  last_sequence_ = 0;
                  max_index_ = session_.value();
                  Saw(reply.value.index);
                  loop_.Trace("session", session_.value());
                  KeepAliveLater();
                  on_session_();
                });
}

void Client::KeepAliveLater() {
  loop_.After(options_.session_timeout_ns / 4, [this, session = session_] {
    if (session_ != session || abandoned_) return;
    KeepAlive();
    KeepAliveLater();
  });
}

// Each in a call of its own: a slow one does not stop the next.
void Client::KeepAlive() {
  std::vector<uint64_t> open;
  for (const auto& [sequence, command] : commands_) open.push_back(sequence);
  for (const auto& [sequence, query] : queries_) open.push_back(sequence);
  std::map<uint64_t, uint64_t> acknowledged;
  for (const auto& [sequence, stream] : events_) {
    open.push_back(sequence);
    // Drivers acknowledge from the second output on.
    if (stream.outputs.size() >= 2) {
      acknowledged[sequence] = stream.outputs.size();
    }
  }
  for (const auto& [sequence, listing] : listings_) open.push_back(sequence);
  SendKeepAlive(KeepAliveRequest(session_, last_sequence_, open, acknowledged),
                kKeepAliveAttempts);
}

void Client::SendKeepAlive(const CommandRequest& request, int attempts) {
  link_.Propose(request, [this, request, attempts,
                          called_ns = loop_.now_ns()](Reply<Applied> reply) {
    const session::SessionId session = request.key.session;
    if (session != session_) return;
    if (!reply.ok()) {
      if (!IsUnavailable(reply.refusal)) {
        judge_.Fail(absl::StrCat(
            name_, ": KeepAlive: ", reply.refusal.status.ToString()));
      }
      if (attempts > 1) {
        Retry([this, request, attempts] {
          SendKeepAlive(request, attempts - 1);
        });
      }
      return;
    }
    Saw(reply.value.index);
    if (reply.value.outcome == Applied::Outcome::kUnknownSession) {
      return SessionLost(session);
    }
    if (reply.value.outcome != Applied::Outcome::kKeptAlive) {
      judge_.Fail(absl::StrCat(name_, ": KeepAlive: outcome ",
                               static_cast<int>(reply.value.outcome), " ",
                               reply.value.message));
    }
    refreshed_ns_ = std::max(refreshed_ns_, called_ns);
  });
}

void Client::SessionLost(session::SessionId session) {
  if (session != session_) return;
  const uint64_t lived_ns = loop_.now_ns() - refreshed_ns_;
  const double least_ns =
      static_cast<double>(options_.session_timeout_ns) * options_.early_factor;
  if (static_cast<double>(lived_ns + options_.early_slack_ns) < least_ns) {
    judge_.Fail(absl::StrCat(
        name_, ": session ", session.value(), " is gone ", lived_ns / kMillis,
        " ms after it was refreshed; its timeout is ",
        options_.session_timeout_ns / kMillis, " ms (P50)"));
  }
  loop_.Trace("session lost", session.value());
  if (!abandoned_) ++sessions_lost_;
  session_ = session::SessionId{};
  auto commands = std::exchange(commands_, {});
  auto queries = std::exchange(queries_, {});
  for (auto& [sequence, stream] : events_) {
    if (stream.stream != nullptr) Link::Close(*stream.stream);
  }
  events_.clear();
  for (auto& [sequence, listing] : listings_) Link::Close(*listing);
  listings_.clear();
  for (auto& [sequence, command] : commands) command.done(std::nullopt);
  for (auto& [sequence, query] : queries) query.done(std::nullopt);
  if (!abandoned_) OpenSession();
}

void Client::Probe(std::function<void(bool answered)> done) {
  // A primitive that does not exist: only the session matters.
  partition::QueryRequest request;
  request.query.session = session_;
  request.query.sequence = SequenceNum{NextSequence()};
  link_.Query(std::move(request),
              [this, session = session_,
               done = std::move(done)](Reply<session::QueryAnswer> reply) {
                if (reply.ok() && reply.value.unknown_session) {
                  SessionLost(session);
                }
                done(reply.ok());
              });
}

// --- Commands ----------------------------------------------------------------

void Client::CreatePrimitive(const std::string& service,
                             const std::string& name,
                             std::function<void(session::PrimitiveId)> done) {
  StartCommand(
      CreatePrimitiveRequest(NextKey(), service, name),
      [this, done = std::move(done)](std::optional<session::Result> result) {
        if (!result.has_value()) return;  // With its session.
        atomix::multiraft::v1::CreatePrimitiveOutput output;
        if (result->status != session::OperationStatus::kOk ||
            !output.ParseFromString(result->output) ||
            output.primitive_id() == 0) {
          return judge_.Fail(absl::StrCat(name_, ": CreatePrimitive: status ",
                                          static_cast<int>(result->status), " ",
                                          result->message));
        }
        done(session::PrimitiveId{output.primitive_id()});
      });
}

void Client::Command(session::PrimitiveId primitive,
                     const session::PrimitiveType& type, const std::string& rpc,
                     const std::string& input, CommandDone done) {
  StartCommand(OperationRequest(NextKey(), primitive, type, rpc, input),
               std::move(done));
}

void Client::StartCommand(CommandRequest request, CommandDone done) {
  CHECK(has_session());
  const CommandKey key = request.key;
  commands_[key.sequence.value()] = {.request = std::move(request),
                                     .done = std::move(done)};
  SendCommand(key);
}

void Client::SendCommand(CommandKey key) {
  if (key.session != session_) return;
  const auto found = commands_.find(key.sequence.value());
  if (found == commands_.end()) return;
  link_.Propose(found->second.request, [this, key](Reply<Applied> reply) {
    OnCommandReply(key, std::move(reply));
  });
}

void Client::OnCommandReply(CommandKey key, Reply<Applied> reply) {
  if (key.session != session_ || !commands_.contains(key.sequence.value())) {
    return;
  }
  if (!reply.ok()) {
    // Aborted: a copy of this command took the caller's place.
    if (!IsUnavailable(reply.refusal) &&
        !absl::IsAborted(reply.refusal.status)) {
      judge_.Fail(absl::StrCat(name_, ": command ", key.sequence.value(), ": ",
                               reply.refusal.status.ToString()));
    }
    if (options_.give_up_one_in != 0 &&
        random_.OneIn(options_.give_up_one_in)) {
      return FinishCommand(key, std::nullopt);
    }
    return Retry([this, key] { SendCommand(key); });
  }
  Saw(reply.value.index);
  switch (reply.value.outcome) {
    case Applied::Outcome::kAnswered:
      if (reply.value.output.number != 1) {
        judge_.Fail(absl::StrCat(name_,
                                 ": a unary command's answer has number ",
                                 reply.value.output.number));
      }
      return FinishCommand(key, std::move(reply.value.output.result));
    case Applied::Outcome::kUnknownSession:
      return SessionLost(key.session);
    case Applied::Outcome::kCanceled:
      return OnCanceled(key);
    default:
      judge_.Fail(absl::StrCat(
          name_, ": command ", key.sequence.value(), ": outcome ",
          static_cast<int>(reply.value.outcome), " ", reply.value.message));
      return FinishCommand(key, std::nullopt);
  }
}

// A command that waits is cancelled with its session (semantics 5.6); nobody
// else may do it.
void Client::OnCanceled(CommandKey key) {
  Probe([this, key](bool answered) {
    if (key.session != session_) return;
    if (!answered) return Retry([this, key] { OnCanceled(key); });
    judge_.Fail(absl::StrCat(name_, ": command ", key.sequence.value(),
                             " was cancelled, and its session lives"));
  });
}

void Client::FinishCommand(CommandKey key,
                           std::optional<session::Result> result) {
  auto command = commands_.extract(key.sequence.value());
  loop_.Trace(result.has_value() ? "answer" : "given up", key.sequence.value());
  command.mapped().done(std::move(result));
}

// --- Queries -----------------------------------------------------------------

void Client::Query(session::PrimitiveId primitive,
                   const session::PrimitiveType& type, const std::string& rpc,
                   const std::string& input, CommandDone done) {
  CHECK(has_session());
  const CommandKey key = NextKey();
  PendingQuery& query = queries_[key.sequence.value()];
  query.request = {.query = {.session = session_,
                             .sequence = key.sequence,
                             .primitive = primitive,
                             .type = &type,
                             .operation = &OperationNamed(type, rpc),
                             .input = input}};
  query.done = std::move(done);
  SendQuery(key);
}

void Client::SendQuery(CommandKey key) {
  if (key.session != session_) return;
  PendingQuery& query = queries_.at(key.sequence.value());
  query.request.max_received_index = max_index_;
  link_.Query(query.request, [this, key](Reply<session::QueryAnswer> reply) {
    if (key.session != session_) return;
    if (!reply.ok()) {
      if (!IsUnavailable(reply.refusal)) {
        judge_.Fail(absl::StrCat(name_, ": query ", key.sequence.value(), ": ",
                                 reply.refusal.status.ToString()));
      }
      return Retry([this, key] { SendQuery(key); });
    }
    if (reply.value.unknown_session) return SessionLost(key.session);
    Saw(reply.value.index);
    auto query = queries_.extract(key.sequence.value());
    loop_.Trace("query", key.sequence.value());
    query.mapped().done(std::move(reply.value.result));
  });
}

void Client::List(session::PrimitiveId primitive,
                  const session::PrimitiveType& type, const std::string& rpc,
                  const std::string& input,
                  std::function<void(const std::string&)> on_item,
                  std::function<void(bool)> done) {
  CHECK(has_session());
  const CommandKey key = NextKey();
  partition::QueryRequest request{
      .query = {.session = session_,
                .sequence = key.sequence,
                .primitive = primitive,
                .type = &type,
                .operation = &OperationNamed(type, rpc),
                .input = input},
      .max_received_index = max_index_};
  listings_[key.sequence.value()] = link_.OpenQuery(
      std::move(request), {.on_output =
                               [on_item](session::CommandOutput output) {
                                 on_item(output.result.output);
                               },
                           .on_end =
                               [this, key, done](Refusal refusal) {
                                 listings_.erase(key.sequence.value());
                                 done(refusal.status.ok());
                                 if (absl::IsNotFound(refusal.status))
                                   SessionLost(key.session);
                               }});
}

// --- Events ------------------------------------------------------------------

void Client::Events(session::PrimitiveId primitive,
                    const session::PrimitiveType& type,
                    const std::string& input,
                    std::function<void(const std::string&)> on_event) {
  CHECK(has_session());
  const CommandKey key = NextKey();
  EventStream& stream = events_[key.sequence.value()];
  stream.request = OperationRequest(key, primitive, type, "Events", input);
  stream.on_event = std::move(on_event);
  OpenEvents(key.sequence.value());
}

void Client::OpenEvents(uint64_t sequence) {
  const auto found = events_.find(sequence);
  if (found == events_.end()) return;
  EventStream& stream = found->second;
  const uint64_t attempt = ++stream.attempt;
  stream.attempt_last = 0;
  stream.stream = link_.OpenStream(
      stream.request,
      {.on_output =
           [this, sequence, session = session_](session::CommandOutput output) {
             if (session == session_) OnOutput(sequence, output);
           },
       .on_end =
           [this, sequence, attempt, session = session_](Refusal refusal) {
             if (session != session_) return;
             if (absl::IsNotFound(refusal.status)) return SessionLost(session);
             if (refusal.status.ok()) return OnCleanEnd(sequence);
             // An error that no retry can cure.
             if (!IsUnavailable(refusal) && !absl::IsAborted(refusal.status)) {
               judge_.Fail(absl::StrCat(name_, ": event stream ", sequence,
                                        " ended: ", refusal.status.ToString()));
               return;
             }
             if (events_.at(sequence).attempt != attempt) return;
             Retry([this, sequence] { OpenEvents(sequence); });
           }});
}

// A stream that the client still wants ends only with its session.
void Client::OnCleanEnd(uint64_t sequence) {
  Probe([this, sequence, session = session_](bool answered) {
    if (session != session_) return;
    if (!answered) return Retry([this, sequence] { OnCleanEnd(sequence); });
    judge_.Fail(absl::StrCat(name_, ": event stream ", sequence,
                             " ended, and its session did not"));
  });
}

void Client::OnOutput(uint64_t sequence, const session::CommandOutput& output) {
  EventStream& stream = events_.at(sequence);
  loop_.Trace("event", output.number);
  if (output.result.status != session::OperationStatus::kOk) {
    return judge_.Fail(absl::StrCat(
        name_, ": event stream ", sequence, ": status ",
        static_cast<int>(output.result.status), " ", output.result.message));
  }
  // Outputs come in order; what this client has acknowledged meanwhile may be
  // left out, what it never had may not.
  if (output.number <= stream.attempt_last ||
      output.number > stream.outputs.size() + 1) {
    return judge_.Fail(absl::StrCat(name_, ": event stream ", sequence,
                                    ": output ", output.number, " behind ",
                                    stream.outputs.size(), ": a gap (P52)"));
  }
  stream.attempt_last = output.number;
  if (output.number <= stream.outputs.size()) {
    if (stream.outputs[output.number - 1] != output.result.output) {
      judge_.Fail(absl::StrCat(name_, ": event stream ", sequence, ": output ",
                               output.number,
                               " is not what it was the first time"));
    }
    return;
  }
  stream.outputs.push_back(output.result.output);
  // A copy: the callback may end the session, and this stream with it.
  const auto on_event = stream.on_event;
  on_event(output.result.output);
}

}  // namespace sim
