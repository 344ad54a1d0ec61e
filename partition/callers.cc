#include "partition/callers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"

namespace partition {
namespace {

Refusal Replaced() {
  return {.status = absl::AbortedError(
              "the same command was sent again; this call was replaced by it"),
          .outcome = Outcome::kUnknown};
}

Refusal FellBehind() {
  return {.status = absl::UnavailableError(
              "the stream fell too far behind the changes; list again")};
}

Refusal TookOver() {
  return {.status = absl::UnavailableError(
              "this replica was far behind and took over another's state; list "
              "again")};
}

}  // namespace

void Callers::Wait(session::CommandKey key,
                   Completion<session::Applied> completion) {
  Completion<session::Applied>& slot = waiting_[key];
  if (slot) Refuse(std::move(slot), Replaced());
  slot = std::move(completion);
}

void Callers::Open(StreamId stream, std::shared_ptr<StreamSink> sink) {
  streams_[stream].sink = std::move(sink);
}

void Callers::Attach(StreamId stream, session::CommandKey key) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;  // Its caller left meanwhile.
  if (auto old = by_command_.find(key);
      old != by_command_.end() && old->second != stream) {
    // Never Unavailable here: two copies of a client would replace each other
    // for ever (semantics 3.4).
    End(old->second, Replaced());
  }
  found = streams_.find(stream);
  found->second.attached = true;
  found->second.key = key;
  by_command_[key] = stream;
  Pump(stream);
}

void Callers::Attach(StreamId stream, session::QueryStreamId query) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) {
    state_machine_->CloseQuery(query);
    return;
  }
  found->second.attached = true;
  found->second.is_query = true;
  found->second.query = query;
  by_query_[query] = stream;
  Pump(stream);
}

void Callers::AnswerAndEnd(StreamId stream, session::CommandOutput output) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  Later([sink = found->second.sink, output = std::move(output)]() mutable {
    sink->Write(std::move(output));
    sink->End({});
  });
  Forget(stream);
}

void Callers::End(StreamId stream, Refusal refusal) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  Later([sink = found->second.sink, refusal = std::move(refusal)]() mutable {
    sink->End(std::move(refusal));
  });
  Forget(stream);
}

void Callers::Writable(StreamId stream) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  found->second.writable = true;
  Pump(stream);
}

void Callers::Close(StreamId stream) { Forget(stream); }

void Callers::Forget(StreamId id) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const Stream& stream = found->second;
  if (stream.attached && stream.is_query) {
    by_query_.erase(stream.query);
    state_machine_->CloseQuery(stream.query);
  } else if (stream.attached) {
    by_command_.erase(stream.key);
  }
  streams_.erase(found);
}

void Callers::Pump(StreamId id) {
  auto found = streams_.find(id);
  CHECK(found != streams_.end());
  Stream& stream = found->second;
  if (!stream.attached || !stream.writable) return;
  session::OutputRead read =
      stream.is_query ? state_machine_->ReadQuery(stream.query)
                      : state_machine_->ReadOutput(stream.key, stream.after);
  switch (read.kind) {
    case session::OutputRead::Kind::kNothingYet:
      return;
    case session::OutputRead::Kind::kOutput:
      stream.writable = false;
      stream.after = read.output.number;
      Later([sink = stream.sink, output = std::move(read.output)]() mutable {
        sink->Write(std::move(output));
      });
      return;
    case session::OutputRead::Kind::kEnded:
      End(id, {});
      return;
    case session::OutputRead::Kind::kOverflow:
      End(id, FellBehind());
      return;
  }
}

// The command has an output, or has ended.
void Callers::Handle(session::CommandKey key) {
  if (auto found = by_command_.find(key); found != by_command_.end()) {
    Pump(found->second);
  }
  auto found = waiting_.find(key);
  if (found == waiting_.end()) return;
  session::OutputRead read = state_machine_->ReadOutput(key, 0);
  if (read.kind == session::OutputRead::Kind::kNothingYet) return;
  session::Applied applied;
  applied.index = state_machine_->index();
  applied.session = key.session;
  if (read.kind == session::OutputRead::Kind::kOutput) {
    applied.outcome = session::Applied::Outcome::kAnswered;
    applied.output = std::move(read.output);
  } else {
    applied.outcome = session::Applied::Outcome::kCanceled;
    applied.message = "stream closed";
  }
  Complete(std::move(found->second), std::move(applied));
  waiting_.erase(found);
}

void Callers::Replace(session::StateMachine& state_machine) {
  while (!by_query_.empty()) {
    // The lowest stream, for an order that a seed repeats.
    StreamId stream = by_query_.begin()->second;
    for (const auto& [query, id] : by_query_) stream = std::min(stream, id);
    End(stream, TookOver());
  }
  state_machine_ = &state_machine;
  std::set<session::CommandKey> keys;
  for (const auto& [key, completion] : waiting_) keys.insert(key);
  for (const auto& [key, stream] : by_command_) keys.insert(key);
  for (session::CommandKey key : keys) Handle(key);
}

void Callers::Handle(const session::Effects& effects) {
  for (session::CommandKey key : effects.commands) Handle(key);
  for (session::QueryStreamId query : effects.queries) {
    if (auto found = by_query_.find(query); found != by_query_.end()) {
      Pump(found->second);
    }
  }
}

void Callers::RefuseAll(const Refusal& refusal) {
  while (!waiting_.empty()) {
    auto node = waiting_.extract(waiting_.begin());
    Refuse(std::move(node.mapped()), refusal);
  }
  while (!streams_.empty()) End(streams_.begin()->first, refusal);
}

void Callers::Finish() {
  // A caller may not come back in here: it only fills the mailbox.
  for (absl::AnyInvocable<void()>& action : finish_) action();
  finish_.clear();
}

}  // namespace partition
