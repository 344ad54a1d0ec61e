// Callers is everybody who waits for an output: unary commands that were left
// open, event streams, and local query streams. Outputs are pulled from the
// state machine when the caller can take them; nothing is queued here.
//
// What a turn owes its callers is collected and paid by Finish, last in the
// turn, so that it overlaps the next sync.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_CALLERS_H_
#define PARTITION_CALLERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "partition/caller.h"
#include "partition/partition.h"
#include "session/state_machine.h"

namespace partition {

class Callers {
 public:
  // `state_machine` outlives this.
  explicit Callers(session::StateMachine& state_machine)
      : state_machine_(&state_machine) {}

  // --- Answers, paid by Finish ----------------------------------------------

  template <class T>
  void Complete(Completion<T> completion, T value) {
    Later([completion = std::move(completion),
           value = std::move(value)]() mutable {
      std::move(completion).Complete(std::move(value));
    });
  }
  template <class T>
  void Refuse(Completion<T> completion, Refusal refusal) {
    Later([completion = std::move(completion),
           refusal = std::move(refusal)]() mutable {
      std::move(completion).Refuse(std::move(refusal));
    });
  }

  // --- Unary commands left open ---------------------------------------------

  // Completes when `key` answers or is cancelled. A caller that waits for it
  // already was replaced by a re-send, and gets Aborted.
  void Wait(session::CommandKey key, Completion<session::Applied> completion);

  // --- Streams --------------------------------------------------------------

  // Makes `stream` known; until it is attached it has no outputs.
  void Open(StreamId stream, std::shared_ptr<StreamSink> sink);
  bool IsOpen(StreamId stream) const { return streams_.contains(stream); }

  // Feeds it the outputs of a command, from the first unacknowledged one. A
  // stream attached to it already ends with Aborted.
  void Attach(StreamId stream, session::CommandKey key);
  // Feeds it the outputs of a local query.
  void Attach(StreamId stream, session::QueryStreamId query);

  // Writes `output` and ends the stream cleanly.
  void AnswerAndEnd(StreamId stream, session::CommandOutput output);
  // Ends the stream; nothing if it is not open.
  void End(StreamId stream, Refusal refusal);

  // Its sink took the last output. Its caller left.
  void Writable(StreamId stream);
  void Close(StreamId stream);

  // --- An installed image
  // -----------------------------------------------------

  // From now on the state is this, from further on in the same history; it
  // outlives this or the next call. Query streams end, since what happened in
  // between is not known (clients list again); everybody else goes on from the
  // outputs that are cached in the new state (U22).
  void Replace(session::StateMachine& state_machine);

  // --- Per turn -------------------------------------------------------------

  // Hands out what Apply made ready.
  void Handle(const session::Effects& effects);

  // Refuses everyone who waits and ends every stream.
  void RefuseAll(const Refusal& refusal);

  // Calls the callers. May be called with nothing to do.
  void Finish();

  size_t streams() const { return streams_.size(); }
  size_t waiting() const { return waiting_.size(); }

 private:
  struct Stream {
    std::shared_ptr<StreamSink> sink;
    bool attached = false;
    bool is_query = false;
    bool writable = true;
    session::CommandKey key;         // Unless is_query.
    uint64_t after = 0;              // Last output number written.
    session::QueryStreamId query{};  // If is_query.
  };

  void Later(absl::AnyInvocable<void()> action) {
    finish_.push_back(std::move(action));
  }
  void Pump(StreamId id);
  // Forgets the stream, its query included.
  void Forget(StreamId id);

  void Handle(session::CommandKey key);

  session::StateMachine* state_machine_;

  std::map<session::CommandKey, Completion<session::Applied>> waiting_;
  // Ordered, so that streams end in an order that a seed repeats.
  std::map<StreamId, Stream> streams_;
  std::map<session::CommandKey, StreamId> by_command_;
  absl::flat_hash_map<session::QueryStreamId, StreamId> by_query_;

  std::vector<absl::AnyInvocable<void()>> finish_;
};

}  // namespace partition

#endif  // PARTITION_CALLERS_H_
