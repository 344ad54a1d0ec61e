// What StateMachine is made of; private to session/.
//
// The parts know nothing of each other; here they meet. Each entry takes the
// same steps: time moves, what is due happens in its order, the entry has its
// effect, what is left over is carried on, and the partition's row is written.
//
//   apply.cc          an entry, and each kind of command
//   due_work.cc       timers, expiry and what was left over
//   state_machine.cc  the rest: admission, queries, checkpoints, load

#ifndef SESSION_STATE_MACHINE_IMPL_H_
#define SESSION_STATE_MACHINE_IMPL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/arena.h"
#include "multiraft/disk/v1/command.pb.h"
#include "session/command_records.h"
#include "session/event_log.h"
#include "session/limits.h"
#include "session/local_queries.h"
#include "session/log_time.h"
#include "session/primitives.h"
#include "session/reclaim.h"
#include "session/rows.h"
#include "session/sessions.h"
#include "session/state_machine.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/timers.h"
#include "session/types.h"

namespace session {

namespace disk = multiraft::disk::v1;

class StateMachine::Impl {
 public:
  Impl(const Registry& registry, const Limits& limits,
       const Limits& apply_limits);

  // See StateMachine for all of these.
  absl::Status Admit(const disk::Command& command) const;
  Applied Apply(const LogEntry& entry);
  Effects TakeEffects();
  OutputRead ReadOutput(CommandKey command, uint64_t after) const;

  QueryAnswer RunQuery(const Query& query) const;
  OpenedQuery OpenQuery(Query query);
  OutputRead ReadQuery(QueryStreamId id);
  bool has_ready_queries() const { return queries_.has_ready(); }
  void CloseQuery(QueryStreamId id) { queries_.Close(id); }
  void InterruptQueries() { queries_.InterruptAll(); }

  uint64_t next_due_ns() const;

  void set_hold_checkpoints(bool hold) { hold_checkpoints_ = hold; }
  TableSet& tables() { return tables_; }
  const TableSet& tables() const { return tables_; }
  bool EncodeSlice(size_t rows_max, size_t bytes_max,
                   std::vector<EncodedRow>& rows);
  const ImageHeader& image_header() const { return header_; }

  absl::Status CanLoad(uint32_t machine_version) const;
  absl::Status LoadRow(const EncodedRow& row);
  absl::Status FinishLoad(const ImageHeader& header);

  uint64_t applied_log_index() const { return applied_log_index_; }
  const LogTime& log_time() const { return log_time_; }
  Counts counts() const;
  std::vector<SessionInfo> ListSessions(SessionId after, size_t max) const;

 private:
  class Context;

  // --- apply.cc -------------------------------------------------------------

  // Null: this binary cannot apply it; `why` says which version could.
  const disk::Command* Parse(absl::string_view payload, std::string& why);
  void ApplyCommand(const disk::Command& command, Applied& applied);
  void ApplyOpenSession(const disk::OpenSession& open, Applied& applied);
  void ApplyKeepAlive(const disk::KeepAlive& keep_alive, Applied& applied);
  void ApplyCloseSession(const disk::CloseSession& close, Applied& applied);
  void ApplySessionCommand(const disk::SessionCommand& command,
                           Applied& applied);

  // Whether `command` was seen before or given up, and then what it gets.
  bool AnswerKnown(CommandKey key, uint64_t input_hash, Session& session,
                   Applied& applied);
  // Runs a command that was not seen before.
  void RunNew(CommandKey key, const disk::SessionCommand& command,
              Session& session, Applied& applied);
  // Nothing: not now, the session's last use of it is being closed.
  std::optional<Result> CreatePrimitive(CommandKey key,
                                        const disk::CreatePrimitive& create,
                                        Session& session);
  Result ClosePrimitive(CommandKey key, const disk::ClosePrimitive& close,
                        Session& session);
  void RunPrimitive(CommandKey key, const disk::SessionCommand& command,
                    Session& session, Applied& applied);
  // Keeps and returns the one answer of a unary command.
  void Answer(CommandKey key, uint64_t input_hash, Result result,
              Session& session, Applied& applied);
  void CancelWait(CommandKey key, Session& session);
  // Why `session` may not have another command at `times` its limits, or "".
  std::string CacheFull(SessionId id, const Session& session,
                        const Limits& limits, uint64_t times) const;
  // Why a growing command is refused at `times` the limit, or "".
  std::string StateFull(const Limits& limits, uint64_t times) const;

  // For contexts: a command that waited has its answer.
  void Complete(CommandKey key, Result result);
  void OpenCommand(CommandKey key, const OpenCommandRow& row);

  // --- due_work.cc ----------------------------------------------------------

  // Does what is due by the time of the entry, and what was left over.
  void DoDue(uint64_t previous_time_ns);
  // What primitives put off, until budget_ is down to `budget_left`.
  void DoAtOnce(uint64_t budget_left, uint64_t previous_time_ns);
  // The timers and deadlines that have come, and what was left over.
  void DoTimed(uint64_t previous_time_ns);
  // The first timer, which is due at `due_ns`, of those not due before.
  void FireTimer(uint64_t due_ns, uint64_t previous_time_ns);
  // Ends the session: from now on there is none; the rest is reclaimed.
  void EndSession(SessionId id);

  // Carries on with what is first, within budget_. REQUIRES: budget_ > 0, and
  // there is something.
  void Reclaim();
  bool ReclaimOpenCommands(const ReclaimKey& key);
  bool ReclaimHeld(const ReclaimKey& key);
  bool ReclaimUser(UserKey user);
  bool ReclaimSweep(const ReclaimKey& key);
  // Cancels an open command: it waits or listens no more.
  void CancelOpen(CommandKey key);
  void CancelOfClosed(CommandKey key);

  void StartSweep(SessionId id, Session& session, Sweep sweep);
  bool CarrySweep(Sweep& sweep, SessionId id, Session& session);
  // Has pending KeepAlives decide about one number, before it is looked up.
  void Settle(CommandKey key, Session& session);
  // Whether a pending KeepAlive has given the number up.
  static bool IsGivenUp(SequenceNum sequence, const Session& session);

  void Charge(uint64_t items) { budget_ -= items < budget_ ? items : budget_; }
  bool IsOpen(CommandKey key) const {
    return open_commands_.Find(RowKeyOf(key)) != nullptr;
  }

  // --- state_machine.cc -----------------------------------------------------

  absl::Status AdmitSessionCommand(const disk::SessionCommand& command) const;
  absl::Status AdmitGrowth() const;
  Result CheckQuery(const Query& query, const Session& session,
                    const Primitives::Member* member, OperationKind kind) const;
  absl::Status LoadDerived();

  // --------------------------------------------------------------------------

  // Why `session` may not use a primitive of `type` (empty: any), or kOk.
  Result CheckUse(const Session& session, PrimitiveId id,
                  const Primitives::Member* member,
                  absl::string_view type) const;

  const Registry& registry_;
  const Limits admit_limits_;  // This replica's, for what it proposes.
  const Limits limits_;        // Every replica's, for what it applies.

  TableSet tables_;
  LogTime log_time_;
  Sessions sessions_;
  Primitives primitives_;
  Table<SequenceKey, OpenCommandRow> open_commands_;
  CommandRecords records_;
  EventLog events_;
  ReclaimQueue reclaims_;

  // Derived.
  Timers timers_;
  uint64_t applied_log_index_ = 0;

  // Of this node.
  LocalQueries queries_;
  absl::btree_set<CommandKey> ready_commands_;
  bool hold_checkpoints_ = false;
  ImageHeader header_;  // Of the cut being written.

  // While an entry is applied.
  uint64_t budget_ = 0;  // Items it may still reclaim.
  std::vector<CommandKey> touched_;
  google::protobuf::Arena arena_;
};

// What a primitive sees while it is called: of a command, or of a timer or an
// end of a session.
class StateMachine::Impl::Context final : public CommandContext {
 public:
  enum class Outcome { kNone, kAnswered, kOpen };

  Context(Impl& impl, PrimitiveId primitive, uint64_t time_ns)
      : impl_(impl), primitive_(primitive), time_ns_(time_ns) {}
  Context(Impl& impl, PrimitiveId primitive, CommandKey command,
          uint64_t input_hash, Generation generation)
      : impl_(impl),
        primitive_(primitive),
        time_ns_(impl.log_time_.time_ns()),
        command_(command),
        input_hash_(input_hash),
        generation_(generation) {}

  uint64_t index() const override { return impl_.log_time_.index(); }
  uint64_t time_ns() const override { return time_ns_; }
  uint32_t machine_version() const override {
    return impl_.log_time_.machine_version();
  }
  bool has_listeners() const override {
    return impl_.events_.HasListeners(primitive_);
  }
  void Publish(uint64_t change_index, absl::string_view key,
               std::string output) override;
  bool has_watchers() const override {
    return impl_.queries_.HasWatchers(primitive_);
  }
  void Notify(absl::string_view cursor, std::string output) override {
    impl_.queries_.Notify(primitive_, cursor, std::move(output));
  }
  void NotifyAt(uint64_t position, int shift, std::string output) override {
    impl_.queries_.NotifyAt(primitive_, position, shift, std::move(output));
  }
  void InterruptWatchers() override {
    impl_.queries_.InterruptPrimitive(primitive_);
  }
  void SetTimer(absl::string_view key, uint64_t due_ns) override {
    impl_.timers_.Set(primitive_, key, due_ns);
  }
  void CancelTimer(absl::string_view key) override {
    impl_.timers_.Cancel(primitive_, key);
  }
  void CancelTimers(char prefix) override {
    impl_.timers_.CancelAll(primitive_, prefix);
  }
  void Charge(uint64_t items) override { items_ += items; }
  void Complete(CommandKey command, Result result) override {
    ++items_;
    impl_.Complete(command, std::move(result));
  }

  CommandKey command() const override { return command_; }
  Generation generation() const override { return generation_; }
  void Answer(Result result) override;
  void KeepOpen() override;
  void Listen(absl::string_view filter, std::string first_output) override;

  Outcome outcome() const { return outcome_; }
  Result TakeResult() { return std::move(result_); }
  // Events given to listeners, commands completed, and what was charged: a
  // measure of what was done.
  uint64_t items() const { return items_; }

 private:
  void SetOutcome(Outcome outcome);

  Impl& impl_;
  const PrimitiveId primitive_;
  const uint64_t time_ns_;
  const CommandKey command_{};  // Session 0: no command.
  const uint64_t input_hash_ = 0;
  const Generation generation_ = Generation::kMultiRaft;
  Outcome outcome_ = Outcome::kNone;
  Result result_;
  uint64_t items_ = 0;
};

}  // namespace session

#endif  // SESSION_STATE_MACHINE_IMPL_H_
