// One entry, from its bytes to its effect.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "session/state_machine_impl.h"
#include "session/versions.h"

namespace session {
namespace {

// KeepAlives of one session that may wait to be worked off. Further ones only
// refresh: the client's next tells at least as much.
constexpr size_t kPendingSweepsMax = 4;

// CreatePrimitiveOutput{primitive_id = 1}, by hand: session/ does not know the
// public messages.
std::string CreatePrimitiveOutput(PrimitiveId id) {
  std::string out("\x08");
  uint64_t rest = id.value();
  for (; rest >= 0x80; rest >>= 7) {
    out.push_back(static_cast<char>(rest | 0x80));
  }
  out.push_back(static_cast<char>(rest));
  return out;
}

Generation GenerationOf(const disk::SessionCommand& command) {
  return command.generation() == static_cast<uint32_t>(Generation::kRsm)
             ? Generation::kRsm
             : Generation::kMultiRaft;
}

std::string NewerVersion(absl::string_view what, uint32_t known) {
  return absl::StrCat(what, ": needs a machine version above ", known,
                      "; install a newer multiraft on this node");
}

}  // namespace

// --- The entry --------------------------------------------------------------

Applied StateMachine::Impl::Apply(const LogEntry& entry) {
  CHECK_EQ(entry.log_index, applied_log_index_ + 1);
  Applied applied;
  const disk::Command* command = nullptr;
  if (!entry.payload.empty()) {
    command = Parse(entry.payload, applied.message);
    if (command == nullptr) {
      applied.outcome = Applied::Outcome::kCannotApply;
      applied.index = log_time_.index();
      return applied;
    }
  }

  applied_log_index_ = entry.log_index;
  // With less than two, some work would never get on.
  budget_ = std::max<uint64_t>(limits_.reclaim_items_max, 2);
  const uint64_t previous_time_ns = log_time_.time_ns();
  timers_.Settle();
  if (log_time_.Advance(entry.term, entry.time_ns)) sessions_.NewTerm();
  DoDue(previous_time_ns);
  if (command != nullptr) ApplyCommand(*command, applied);
  while (budget_ > 0 && !reclaims_.empty()) Reclaim();
  log_time_.Store();

  if (command != nullptr && command->has_checkpoint() && !hold_checkpoints_ &&
      !tables_.writing()) {
    tables_.Freeze(entry.log_index);
    header_ = {.log_index = entry.log_index,
               .term = entry.term,
               .time_ns = log_time_.time_ns(),
               .command_index = log_time_.index(),
               .machine_version = log_time_.machine_version(),
               .checkpoint = entry.log_index};
  }
  if (command != nullptr) arena_.Reset();
  applied.index = log_time_.index();
  return applied;
}

const disk::Command* StateMachine::Impl::Parse(absl::string_view payload,
                                               std::string& why) {
  auto* command =
      google::protobuf::Arena::CreateMessage<disk::Command>(&arena_);
  const uint32_t known = admit_limits_.machine_version_max;
  if (!command->ParseFromArray(payload.data(),
                               static_cast<int>(payload.size()))) {
    why = NewerVersion("an entry that does not decode", known);
  } else if (command->kind_case() == disk::Command::KIND_NOT_SET) {
    why = NewerVersion("an entry of an unknown kind", known);
  } else if (command->has_set_version() &&
             command->set_version().machine_version() > known) {
    why = NeedsVersion("the partition",
                       command->set_version().machine_version(), known);
  } else if (command->has_session_command() &&
             command->session_command().operation_case() ==
                 disk::SessionCommand::OPERATION_NOT_SET) {
    why = NewerVersion("a session command of an unknown kind", known);
  } else if (command->has_session_command() &&
             command->session_command().generation() >
                 static_cast<uint32_t>(Generation::kRsm)) {
    why = NewerVersion("a session command of an unknown API generation", known);
  } else {
    return command;
  }
  arena_.Reset();
  return nullptr;
}

void StateMachine::Impl::ApplyCommand(const disk::Command& command,
                                      Applied& applied) {
  switch (command.kind_case()) {
    case disk::Command::kOpenSession:
      log_time_.NextIndex();
      return ApplyOpenSession(command.open_session(), applied);
    case disk::Command::kKeepAlive:
      log_time_.NextIndex();
      return ApplyKeepAlive(command.keep_alive(), applied);
    case disk::Command::kCloseSession:
      log_time_.NextIndex();
      return ApplyCloseSession(command.close_session(), applied);
    case disk::Command::kSessionCommand:
      log_time_.NextIndex();
      return ApplySessionCommand(command.session_command(), applied);
    case disk::Command::kSetVersion:
      log_time_.RaiseMachineVersion(command.set_version().machine_version(),
                                    applied_log_index_);
      return;
    case disk::Command::kRecover:
      log_time_.set_index(log_time_.index() + command.recover().add_index());
      return;
    case disk::Command::kTick:
    case disk::Command::kCheckpoint:
    case disk::Command::KIND_NOT_SET:
      return;
  }
}

// --- Sessions ---------------------------------------------------------------

void StateMachine::Impl::ApplyOpenSession(const disk::OpenSession& open,
                                          Applied& applied) {
  applied.outcome = Applied::Outcome::kExhausted;
  if (open.timeout_ns() < limits_.session_timeout_min_ns ||
      open.timeout_ns() > limits_.session_timeout_max_ns) {
    applied.message = absl::StrCat("timeout of ", open.timeout_ns(), " ns");
    return;
  }
  if (sessions_.size() >= 2 * limits_.sessions_max) {
    applied.message = "sessions_max";
    return;
  }
  applied.message = StateFull(limits_, 2);
  if (!applied.message.empty()) return;
  applied.outcome = Applied::Outcome::kSessionOpened;
  applied.session = SessionId(log_time_.index());
  sessions_.Open(applied.session, open.timeout_ns());
}

void StateMachine::Impl::ApplyKeepAlive(const disk::KeepAlive& keep_alive,
                                        Applied& applied) {
  const SessionId id(keep_alive.session_id());
  Session* session = sessions_.FindLive(id);
  if (session == nullptr) {
    applied.outcome = Applied::Outcome::kUnknownSession;
    return;
  }
  const disk::BloomFilter& parts = keep_alive.input_filter();
  absl::StatusOr<BloomFilter> filter = BloomFilter::FromParts(
      parts.bits(), parts.hashes(), parts.set_bits(), parts.words(), limits_);
  if (!filter.ok()) {
    // Was refused before it was proposed. Not even a refresh, as anywhere.
    applied.outcome = Applied::Outcome::kExhausted;
    applied.message = std::string(filter.status().message());
    return;
  }

  if (static_cast<uint64_t>(keep_alive.acknowledgements_size()) >
      limits_.acknowledgements_max) {
    applied.outcome = Applied::Outcome::kExhausted;
    applied.message = "acknowledgements_max";
    return;
  }

  if (session->open_commands > 0) {
    Charge(static_cast<uint64_t>(keep_alive.acknowledgements_size()));
    for (const disk::Acknowledgement& ack : keep_alive.acknowledgements()) {
      const CommandKey key{id, SequenceNum(ack.sequence_num())};
      if (events_.Acknowledge(key, ack.output_sequence_num())) {
        reclaims_.Add({ReclaimKind::kOutputs, id.value(), ack.sequence_num()},
                      ReclaimRow());
      }
    }
  }
  const SequenceNum last(keep_alive.last_input_sequence_num());
  queries_.CancelFinished(id, last, [&](SequenceNum sequence) {
    return filter->Contains(sequence);
  });

  if (session->sweeps.size() < kPendingSweepsMax) {
    const uint64_t mark_end = session->row.mark_end;
    // Numbers above the new mark are left to the next KeepAlive: what is
    // forgotten must be below it, or it could run again.
    const uint64_t step = session->records.awaited < limits_.session_records_max
                              ? limits_.mark_step_max
                              : 0;
    const uint64_t last_end =
        std::min(AddTime(last.value(), 1), AddTime(mark_end, step));
    if (last_end > mark_end) sessions_.RaiseMark(id, last_end);
    StartSweep(id, *session,
               {.filter = *std::move(filter),
                .last_end = last_end,
                .raise_from = std::min(mark_end, last_end)});
  }
  sessions_.Refresh(id);
  applied.outcome = Applied::Outcome::kKeptAlive;
}

void StateMachine::Impl::ApplyCloseSession(const disk::CloseSession& close,
                                           Applied& applied) {
  const SessionId id(close.session_id());
  if (sessions_.FindLive(id) == nullptr) {
    applied.outcome = Applied::Outcome::kUnknownSession;
    return;
  }
  EndSession(id);
  applied.outcome = Applied::Outcome::kSessionClosed;
}

// --- Commands of a session --------------------------------------------------

void StateMachine::Impl::ApplySessionCommand(
    const disk::SessionCommand& command, Applied& applied) {
  const CommandKey key{SessionId(command.session_id()),
                       SequenceNum(command.sequence_num())};
  Session* session = sessions_.FindLive(key.session);
  if (session == nullptr) {
    applied.outcome = Applied::Outcome::kUnknownSession;
    return;
  }
  if (command.operation_case() == disk::SessionCommand::kCancel) {
    return CancelWait({key.session, SequenceNum(command.cancel())}, *session);
  }
  if (!session->sweeps.empty()) Settle(key, *session);
  if (AnswerKnown(key, command.input_hash(), *session, applied)) return;
  RunNew(key, command, *session, applied);
}

bool StateMachine::Impl::AnswerKnown(CommandKey key, uint64_t input_hash,
                                     Session& session, Applied& applied) {
  if (const CommandRecord* record = records_.Find(key)) {
    if (record->input_hash != input_hash) {
      applied.outcome = Applied::Outcome::kContentChanged;
      return true;
    }
    if (record->status == OperationStatus::kCanceled) {
      applied.outcome = Applied::Outcome::kCanceled;
      return true;
    }
    applied.outcome = Applied::Outcome::kAnswered;
    applied.output = {.number = 1,
                      .index = log_time_.index(),
                      .result = records_.ResultOf(key, *record)};
    return true;
  }
  if (session.open_commands > 0) {
    const OpenCommandRow* open = open_commands_.Find(RowKeyOf(key));
    if (open != nullptr) {
      applied.outcome = open->input_hash == input_hash
                            ? Applied::Outcome::kOpen
                            : Applied::Outcome::kContentChanged;
      return true;
    }
  }
  if (key.sequence.value() < session.row.mark_end && !records_.IsAwaited(key)) {
    applied.outcome = Applied::Outcome::kCanceled;
    return true;
  }
  return false;
}

void StateMachine::Impl::RunNew(CommandKey key,
                                const disk::SessionCommand& command,
                                Session& session, Applied& applied) {
  applied.message = CacheFull(key.session, session, limits_, 2);
  if (!applied.message.empty()) {
    // The session's next KeepAlive makes room.
    applied.outcome = Applied::Outcome::kBusy;
    return;
  }
  switch (command.operation_case()) {
    case disk::SessionCommand::kCreatePrimitive:
      if (primitives_.size() >= 2 * limits_.primitives_max) {
        applied.outcome = Applied::Outcome::kExhausted;
        applied.message = "primitives_max";
        return;
      }
      if (std::optional<Result> result =
              CreatePrimitive(key, command.create_primitive(), session)) {
        return Answer(key, command.input_hash(), *std::move(result), session,
                      applied);
      }
      // What was held is released some at each entry, and what it acquires now
      // must not be released with that.
      applied.outcome = Applied::Outcome::kBusy;
      applied.message = "the session's last use of it is still being closed";
      return;
    case disk::SessionCommand::kClosePrimitive:
      return Answer(key, command.input_hash(),
                    ClosePrimitive(key, command.close_primitive(), session),
                    session, applied);
    case disk::SessionCommand::kPrimitive:
      return RunPrimitive(key, command, session, applied);
    case disk::SessionCommand::kCancel:
    case disk::SessionCommand::OPERATION_NOT_SET:
      LOG(FATAL) << "was handled before";
  }
}

void StateMachine::Impl::Answer(CommandKey key, uint64_t input_hash,
                                Result result, Session& session,
                                Applied& applied) {
  records_.Add(key, input_hash, result, session.records);
  // As it will be replayed.
  Result answer = result.status == OperationStatus::kOk
                      ? Ok(std::move(result.output))
                      : Failure(result.status, std::move(result.message));
  applied.outcome = Applied::Outcome::kAnswered;
  applied.output = {
      .number = 1, .index = log_time_.index(), .result = std::move(answer)};
}

std::optional<Result> StateMachine::Impl::CreatePrimitive(
    CommandKey key, const disk::CreatePrimitive& create, Session& session) {
  const PrimitiveType* type =
      registry_.FindByTypeString(create.service(), log_time_.machine_version());
  if (type == nullptr) {
    return Failure(OperationStatus::kForbidden, "unknown primitive type");
  }
  PrimitiveRow spec{.type = type->name,
                    .name_space = create.namespace_(),
                    .name = create.name(),
                    .profile = create.profile()};
  if (spec.size_bytes() - spec.type.size() > 2 * limits_.name_bytes_max) {
    return Failure(OperationStatus::kInvalid, "the name is too long");
  }
  const Primitives::Member* member = primitives_.FindByName(spec);
  if (member != nullptr && member->type != type) {
    return Failure(
        OperationStatus::kForbidden,
        absl::StrCat("the primitive exists as a ", member->type->name));
  }
  if (member == nullptr) {
    member = &primitives_.Create(PrimitiveId(log_time_.index()), *type,
                                 std::move(spec));
  }
  if (!session.primitives.contains(member->id)) {
    const UserKey user{key.session, member->id};
    if (primitives_.FindUser(user) != nullptr) return std::nullopt;
    primitives_.AddUser(user);
    session.primitives.insert(member->id);
  }
  return Ok(CreatePrimitiveOutput(member->id));
}

Result StateMachine::Impl::ClosePrimitive(CommandKey key,
                                          const disk::ClosePrimitive& close,
                                          Session& session) {
  const PrimitiveId id(close.primitive_id());
  Result use = CheckUse(session, id, primitives_.Find(id), "");
  if (use.status != OperationStatus::kOk) return use;
  session.primitives.erase(id);
  primitives_.CloseUser({key.session, id});
  queries_.CancelPrimitive(key.session, id);
  if (session.open_commands > 0) {
    reclaims_.Add({ReclaimKind::kOpenCommands, key.session.value(), id.value()},
                  ReclaimRow());
  }
  reclaims_.Add({ReclaimKind::kHeld, key.session.value(), id.value()},
                ReclaimRow());
  return Ok("");
}

void StateMachine::Impl::RunPrimitive(CommandKey key,
                                      const disk::SessionCommand& command,
                                      Session& session, Applied& applied) {
  const disk::PrimitiveCommand& input = command.primitive();
  const PrimitiveId id(input.primitive_id());
  Primitives::Member* member = primitives_.Find(id);
  auto answer = [&](Result result) {
    Answer(key, command.input_hash(), std::move(result), session, applied);
  };

  Result use = CheckUse(session, id, member, input.type());
  if (use.status != OperationStatus::kOk) return answer(std::move(use));
  const Operation* operation = member->type->FindOperation(
      input.operation(), log_time_.machine_version());
  if (operation == nullptr ||
      (operation->kind != OperationKind::kCommand &&
       operation->kind != OperationKind::kStreamCommand)) {
    return answer(
        Failure(OperationStatus::kNotSupported, "proposal not supported"));
  }
  if (operation->grows) {
    applied.message = StateFull(limits_, 2);
    if (!applied.message.empty()) {
      applied.outcome = Applied::Outcome::kExhausted;
      return;
    }
  }

  Context context(*this, id, key, command.input_hash(), GenerationOf(command));
  member->primitive->Command(context, operation->id, input.input());
  Charge(context.items());
  switch (context.outcome()) {
    case Context::Outcome::kNone:
      return answer(Failure(OperationStatus::kInternal,
                            absl::StrCat(operation->rpc, " has no answer")));
    case Context::Outcome::kAnswered:
      return answer(context.TakeResult());
    case Context::Outcome::kOpen:
      applied.outcome = Applied::Outcome::kOpen;
  }
}

Result StateMachine::Impl::CheckUse(const Session& session, PrimitiveId id,
                                    const Primitives::Member* member,
                                    absl::string_view type) const {
  if (member == nullptr) {
    return Failure(OperationStatus::kForbidden,
                   absl::StrCat("primitive ", id.value(), " not found"));
  }
  if (!session.primitives.contains(id)) {
    return Failure(OperationStatus::kForbidden, "session not found");
  }
  if (!type.empty() && type != member->type->name) {
    return Failure(OperationStatus::kForbidden,
                   absl::StrCat("primitive ", id.value(), " is a ",
                                member->type->name, ", not a ", type));
  }
  return Result();
}

void StateMachine::Impl::CancelWait(CommandKey key, Session& session) {
  if (!session.sweeps.empty()) Settle(key, session);
  const OpenCommandRow* open = open_commands_.Find(RowKeyOf(key));
  // A stream goes on: its client may come back for it.
  if (open == nullptr || open->listens) return;
  CancelOpen(key);
  // Nothing had happened, so it is as if it had never come: a client whose
  // connection broke may send it again.
  if (key.sequence.value() < session.row.mark_end) {
    records_.Await(key, session.records);
  }
}

// --- What contexts do -------------------------------------------------------

void StateMachine::Impl::OpenCommand(CommandKey key,
                                     const OpenCommandRow& row) {
  Session& session = *sessions_.Find(key.session);
  records_.EndAwait(key, session.records);
  open_commands_.Insert(RowKeyOf(key), row);
  ++session.open_commands;
}

void StateMachine::Impl::Complete(CommandKey key, Result result) {
  const OpenCommandRow* open = open_commands_.Find(RowKeyOf(key));
  CHECK(open != nullptr && !open->listens)
      << "command " << key.sequence << " of session " << key.session
      << " does not wait";
  const uint64_t input_hash = open->input_hash;
  open_commands_.Erase(RowKeyOf(key));
  ready_commands_.insert(key);
  // Of a session that ended, what it got is released with the rest.
  Session* session = sessions_.Find(key.session);
  if (session == nullptr) return;
  --session->open_commands;
  records_.Add(key, input_hash, result, session->records);
}

void StateMachine::Impl::Context::Publish(uint64_t change_index,
                                          absl::string_view key,
                                          std::string output) {
  impl_.touched_.clear();
  impl_.events_.Publish(primitive_, change_index, key, std::move(output),
                        impl_.touched_);
  items_ += 1 + impl_.touched_.size();
  for (const CommandKey& command : impl_.touched_) {
    impl_.ready_commands_.insert(command);
  }
}

void StateMachine::Impl::Context::SetOutcome(Outcome outcome) {
  CHECK_NE(command_.session.value(), 0u) << "not a command";
  CHECK(outcome_ == Outcome::kNone) << "it has an outcome already";
  outcome_ = outcome;
}

void StateMachine::Impl::Context::Answer(Result result) {
  SetOutcome(Outcome::kAnswered);
  result_ = std::move(result);
}

void StateMachine::Impl::Context::KeepOpen() {
  SetOutcome(Outcome::kOpen);
  impl_.OpenCommand(command_,
                    {.primitive = primitive_, .input_hash = input_hash_});
}

void StateMachine::Impl::Context::Listen(absl::string_view filter,
                                         std::string first_output) {
  SetOutcome(Outcome::kOpen);
  impl_.OpenCommand(
      command_,
      {.primitive = primitive_, .input_hash = input_hash_, .listens = true});
  impl_.events_.Listen(command_, primitive_, filter, std::move(first_output));
}

// --- Bounds -----------------------------------------------------------------

std::string StateMachine::Impl::CacheFull(SessionId id, const Session& session,
                                          const Limits& limits,
                                          uint64_t times) const {
  if (session.records.records + session.open_commands >=
      times * limits.session_records_max) {
    return "session_records_max";
  }
  if (session.records.bytes + events_.cached_bytes(id) >=
      times * limits.session_cache_bytes_max) {
    return "session_cache_bytes_max";
  }
  return "";
}

std::string StateMachine::Impl::StateFull(const Limits& limits,
                                          uint64_t times) const {
  return tables_.size_bytes() >= times * limits.state_bytes_max
             ? "state_bytes_max"
             : "";
}

}  // namespace session
