#include "session/state_machine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "session/state_machine_impl.h"
#include "session/versions.h"

namespace session {
namespace {

OutputRead::Kind KindOf(EventLog::Read::Kind kind) {
  switch (kind) {
    case EventLog::Read::Kind::kOutput:
      return OutputRead::Kind::kOutput;
    case EventLog::Read::Kind::kNothingYet:
      return OutputRead::Kind::kNothingYet;
    case EventLog::Read::Kind::kEnded:
      break;
  }
  return OutputRead::Kind::kEnded;
}

OutputRead::Kind KindOf(LocalQueries::Read::Kind kind) {
  switch (kind) {
    case LocalQueries::Read::Kind::kOutput:
      return OutputRead::Kind::kOutput;
    case LocalQueries::Read::Kind::kNothingYet:
      return OutputRead::Kind::kNothingYet;
    case LocalQueries::Read::Kind::kOverflow:
      return OutputRead::Kind::kOverflow;
    case LocalQueries::Read::Kind::kEnded:
      break;
  }
  return OutputRead::Kind::kEnded;
}

}  // namespace

StateMachine::Impl::Impl(const Registry& registry, const Limits& limits,
                         const Limits& apply_limits)
    : registry_(registry),
      admit_limits_(limits),
      limits_(apply_limits),
      log_time_(tables_),
      sessions_(tables_, log_time_),
      primitives_(tables_, registry),
      open_commands_(tables_, TableId::kOpenCommands),
      records_(tables_),
      events_(tables_, limits_, log_time_),
      reclaims_(tables_),
      queries_(admit_limits_) {}

// --- Admission --------------------------------------------------------------

absl::Status StateMachine::Impl::Admit(const disk::Command& command) const {
  if (command.has_open_session()) {
    const uint64_t timeout_ns = command.open_session().timeout_ns();
    if (timeout_ns < admit_limits_.session_timeout_min_ns ||
        timeout_ns > admit_limits_.session_timeout_max_ns) {
      return absl::InvalidArgumentError(
          absl::StrCat("timeout: ", timeout_ns, " ns, must be between ",
                       admit_limits_.session_timeout_min_ns, " and ",
                       admit_limits_.session_timeout_max_ns));
    }
    if (sessions_.size() >= admit_limits_.sessions_max) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "sessions_max: ", admit_limits_.sessions_max, " sessions are open"));
    }
    return AdmitGrowth();
  }
  if (command.has_keep_alive()) {
    const int acknowledgements = command.keep_alive().acknowledgements_size();
    if (static_cast<uint64_t>(acknowledgements) >
        admit_limits_.acknowledgements_max) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "acknowledgements_max: a KeepAlive acknowledges ", acknowledgements,
          " streams, more than ", admit_limits_.acknowledgements_max));
    }
    const disk::BloomFilter& parts = command.keep_alive().input_filter();
    return BloomFilter::FromParts(parts.bits(), parts.hashes(),
                                  parts.set_bits(), parts.words(),
                                  admit_limits_)
        .status();
  }
  if (command.has_session_command()) {
    return AdmitSessionCommand(command.session_command());
  }
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::AdmitSessionCommand(
    const disk::SessionCommand& command) const {
  const CommandKey key{SessionId(command.session_id()),
                       SequenceNum(command.sequence_num())};
  const Session* session = sessions_.FindLive(key.session);
  // Apply says so; and what is known already costs nothing more.
  if (session == nullptr || command.has_cancel()) return absl::OkStatus();
  if (records_.Find(key) != nullptr || IsOpen(key)) return absl::OkStatus();

  const std::string full = CacheFull(key.session, *session, admit_limits_, 1);
  if (!full.empty()) {
    return absl::UnavailableError(
        absl::StrCat(full, ": session ", key.session.value(),
                     " has too many results that it has not acknowledged"));
  }
  if (command.has_create_primitive()) {
    const disk::CreatePrimitive& create = command.create_primitive();
    if (create.namespace_().size() + create.name().size() +
            create.profile().size() >
        admit_limits_.name_bytes_max) {
      return absl::InvalidArgumentError(
          absl::StrCat("spec: namespace, name and profile have more than ",
                       admit_limits_.name_bytes_max, " bytes"));
    }
    const PrimitiveRow spec{.name_space = create.namespace_(),
                            .name = create.name(),
                            .profile = create.profile()};
    if (primitives_.FindByName(spec) != nullptr) return absl::OkStatus();
    if (primitives_.size() >= admit_limits_.primitives_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("primitives_max: ", admit_limits_.primitives_max,
                       " primitives exist"));
    }
    return AdmitGrowth();
  }
  if (command.has_primitive()) {
    const Primitives::Member* member =
        primitives_.Find(PrimitiveId(command.primitive().primitive_id()));
    if (member == nullptr) return absl::OkStatus();
    const Operation* operation =
        member->type->FindOperation(command.primitive().operation());
    if (operation != nullptr && operation->grows) return AdmitGrowth();
  }
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::AdmitGrowth() const {
  if (StateFull(admit_limits_, 1).empty()) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("state_bytes_max: the partition has ", tables_.size_bytes(),
                   " of ", admit_limits_.state_bytes_max, " bytes"));
}

// --- Outputs and queries ----------------------------------------------------

Effects StateMachine::Impl::TakeEffects() {
  Effects effects;
  effects.commands.assign(ready_commands_.begin(), ready_commands_.end());
  ready_commands_.clear();
  effects.queries = queries_.TakeReady();
  return effects;
}

OutputRead StateMachine::Impl::ReadOutput(CommandKey command,
                                          uint64_t after) const {
  const OutputRead ended{.kind = OutputRead::Kind::kEnded};
  const Session* session = sessions_.Find(command.session);
  if (session == nullptr || IsGivenUp(command.sequence, *session)) return ended;
  const OpenCommandRow* open = open_commands_.Find(RowKeyOf(command));
  if (open == nullptr) {
    const CommandRecord* record = records_.Find(command);
    if (record == nullptr || after >= 1 ||
        record->status == OperationStatus::kCanceled) {
      return ended;
    }
    return {.kind = OutputRead::Kind::kOutput,
            .output = {.number = 1,
                       .index = log_time_.index(),
                       .result = records_.ResultOf(command, *record)}};
  }
  if (!open->listens) return {.kind = OutputRead::Kind::kNothingYet};
  EventLog::Read read = events_.ReadOutput(command, after);
  return {.kind = KindOf(read.kind),
          .output = {.number = read.number,
                     .index = log_time_.index(),
                     .result = std::move(read.result)}};
}

QueryAnswer StateMachine::Impl::RunQuery(const Query& query) const {
  QueryAnswer answer{.index = log_time_.index()};
  const Session* session = sessions_.FindLive(query.session);
  if (session == nullptr) {
    answer.unknown_session = true;
    return answer;
  }
  const Primitives::Member* member = primitives_.Find(query.primitive);
  answer.result = CheckQuery(query, *session, member, OperationKind::kQuery);
  if (answer.result.status == OperationStatus::kOk) {
    answer.result = member->primitive->Query(query.operation->id, query.input);
  }
  return answer;
}

Result StateMachine::Impl::CheckQuery(const Query& query,
                                      const Session& session,
                                      const Primitives::Member* member,
                                      OperationKind kind) const {
  Result use = CheckUse(session, query.primitive, member,
                        query.type == nullptr ? "" : query.type->name);
  if (use.status != OperationStatus::kOk) return use;
  if (query.operation == nullptr) {
    return Failure(OperationStatus::kNotSupported,
                   "operation not supported: input is missing");
  }
  if (query.operation->kind != kind) {
    return Failure(OperationStatus::kNotSupported, "query not supported");
  }
  return use;
}

StateMachine::OpenedQuery StateMachine::Impl::OpenQuery(Query query) {
  const Session* session = sessions_.FindLive(query.session);
  if (session == nullptr) return {.unknown_session = true};
  if (queries_.size_of(query.session) >=
      admit_limits_.session_query_streams_max) {
    return {.exhausted = "session_query_streams_max"};
  }
  const Primitives::Member* member = primitives_.Find(query.primitive);
  Result check =
      CheckQuery(query, *session, member, OperationKind::kStreamQuery);
  const bool ok = check.status == OperationStatus::kOk;
  LocalQueries::Query local{.session = query.session,
                            .sequence = query.sequence,
                            .primitive = query.primitive,
                            .operation = ok ? query.operation->id : 0,
                            .generation = query.generation,
                            .input = std::move(query.input)};
  if (!ok)
    return {.id = queries_.OpenFailed(std::move(local), std::move(check))};
  return {.id = queries_.Open(std::move(local), *member->primitive)};
}

OutputRead StateMachine::Impl::ReadQuery(QueryStreamId id) {
  LocalQueries::Read read = queries_.ReadNext(id);
  return {.kind = KindOf(read.kind),
          .output = {.number = read.number,
                     .index = log_time_.index(),
                     .result = std::move(read.result)}};
}

// --- Checkpoints and load ---------------------------------------------------

bool StateMachine::Impl::EncodeSlice(size_t rows_max, size_t bytes_max,
                                     std::vector<EncodedRow>& rows) {
  if (!tables_.EncodeSlice(rows_max, bytes_max, rows)) return false;
  header_.digest = tables_.digest();
  return true;
}

absl::Status StateMachine::Impl::CanLoad(uint32_t machine_version) const {
  const uint32_t known = admit_limits_.machine_version_max;
  if (machine_version <= known) return absl::OkStatus();
  return absl::FailedPreconditionError(
      NeedsVersion("the image", machine_version, known));
}

absl::Status StateMachine::Impl::LoadRow(const EncodedRow& row) {
  RETURN_IF_ERROR(tables_.LoadRow(row));
  if (row.table != TableId::kPrimitives) return absl::OkStatus();
  // Its own rows come later and need its tables.
  base::Reader key(row.key);
  key.U64();  // Owner.
  key.U64();  // Epoch.
  return primitives_.Load(PrimitiveId(key.U64()));
}

absl::Status StateMachine::Impl::FinishLoad(const ImageHeader& header) {
  RETURN_IF_ERROR(CanLoad(header.machine_version));
  RETURN_IF_ERROR(tables_.FinishLoad(header.digest));
  applied_log_index_ = header.log_index;
  header_ = header;
  if (!log_time_.Load()) {
    if (header.log_index == 0) return absl::OkStatus();  // A new partition.
    return absl::DataLossError("the image has no partition row");
  }
  if (log_time_.time_ns() != header.time_ns ||
      log_time_.index() > header.command_index ||
      log_time_.machine_version() != header.machine_version) {
    return absl::DataLossError("the image's header is not that of its rows");
  }
  // A recovered partition starts at an index that nobody was given before.
  log_time_.set_index(header.command_index);
  return LoadDerived();
}

absl::Status StateMachine::Impl::LoadDerived() {
  sessions_.Loaded();
  events_.Loaded();
  records_.ForEachBlock([&](SessionId id, const RecordBlock& block) {
    Session* session = sessions_.Find(id);
    if (session == nullptr) return;  // It ended, and is being reclaimed.
    session->records.records += block.records.size();
    session->records.awaited += block.awaited_count();
    session->records.bytes += block.records_bytes;
  });
  open_commands_.Scan([&](const SequenceKey& key, const OpenCommandRow&) {
    Session* session = sessions_.Find(key.first);
    if (session != nullptr) ++session->open_commands;
    return true;
  });
  primitives_.ForEachUser([&](const UserKey& key, const UserRow& row) {
    Session* session = sessions_.Find(key.first);
    if (session != nullptr && !row.closing) {
      session->primitives.insert(key.second);
    }
  });
  absl::Status status = absl::OkStatus();
  reclaims_.ForEach([&](const ReclaimKey& key, const ReclaimRow& row) {
    if (std::get<0>(key) != ReclaimKind::kSweep) return;
    Session* session = sessions_.Find(SessionId(std::get<2>(key)));
    absl::StatusOr<BloomFilter> filter =
        BloomFilter::FromParts(row.filter_bits, row.filter_hashes,
                               row.filter_set_bits, row.filter_words, limits_);
    if (session == nullptr || !filter.ok()) {
      status = absl::DataLossError("a KeepAlive without session or filter");
      return;
    }
    const bool matches_nothing = filter->set_bits() == 0;
    session->sweeps.push_back({std::get<1>(key),
                               {.filter = *std::move(filter),
                                .last_end = row.last_end,
                                .raise_from = row.raise_from,
                                .open_cursor = row.open_cursor,
                                .record_cursor = row.record_cursor,
                                .matches_nothing = matches_nothing}});
  });
  RETURN_IF_ERROR(status);
  primitives_.ForEach([&](Primitives::Member& member) {
    Context context(*this, member.id, log_time_.time_ns());
    member.primitive->Loaded(context);
  });
  // Here, where nobody waits, rather than at the first entry.
  timers_.Settle();
  return absl::OkStatus();
}

// --- State ------------------------------------------------------------------

Counts StateMachine::Impl::counts() const {
  return {.sessions = sessions_.size(),
          .primitives = primitives_.size(),
          .open_commands = open_commands_.size(),
          .query_streams = queries_.size()};
}

std::vector<SessionInfo> StateMachine::Impl::ListSessions(SessionId after,
                                                          size_t max) const {
  std::vector<SessionInfo> infos;
  if (max == 0) return infos;
  sessions_.ScanAfter(after, [&](SessionId id, const Session& session) {
    infos.push_back(
        {.id = id,
         .timeout_ns = session.row.timeout_ns,
         .deadline_ns = log_time_.DeadlineOf(session.row),
         .open_commands = session.open_commands,
         .cached_bytes = session.records.bytes + events_.cached_bytes(id)});
    return infos.size() < max;
  });
  return infos;
}

// --- The public face --------------------------------------------------------

StateMachine::StateMachine(const Registry& registry, const Limits& limits,
                           const Limits& apply_limits)
    : impl_(std::make_unique<Impl>(registry, limits, apply_limits)) {}
StateMachine::StateMachine(const Registry& registry, const Limits& limits)
    : StateMachine(registry, limits, limits) {}
StateMachine::~StateMachine() = default;

absl::Status StateMachine::Admit(const disk::Command& command) const {
  return impl_->Admit(command);
}
Applied StateMachine::Apply(const LogEntry& entry) {
  return impl_->Apply(entry);
}
Effects StateMachine::TakeEffects() { return impl_->TakeEffects(); }
OutputRead StateMachine::ReadOutput(CommandKey command, uint64_t after) const {
  return impl_->ReadOutput(command, after);
}
QueryAnswer StateMachine::RunQuery(const Query& query) const {
  return impl_->RunQuery(query);
}
StateMachine::OpenedQuery StateMachine::OpenQuery(Query query) {
  return impl_->OpenQuery(std::move(query));
}
OutputRead StateMachine::ReadQuery(QueryStreamId id) {
  return impl_->ReadQuery(id);
}
bool StateMachine::has_ready_queries() const {
  return impl_->has_ready_queries();
}
void StateMachine::CloseQuery(QueryStreamId id) { impl_->CloseQuery(id); }
void StateMachine::InterruptQueries() { impl_->InterruptQueries(); }
uint64_t StateMachine::next_due_ns() const { return impl_->next_due_ns(); }
void StateMachine::set_hold_checkpoints(bool hold) {
  impl_->set_hold_checkpoints(hold);
}
bool StateMachine::writing_checkpoint() const {
  return impl_->tables().writing();
}
bool StateMachine::EncodeSlice(size_t rows_max, size_t bytes_max,
                               std::vector<EncodedRow>& rows) {
  return impl_->EncodeSlice(rows_max, bytes_max, rows);
}
const ImageHeader& StateMachine::image_header() const {
  return impl_->image_header();
}
std::vector<std::pair<TableId, uint64_t>> StateMachine::table_digests() const {
  return impl_->tables().table_digests();
}
TableSet::Obsolete StateMachine::ImageDurable() {
  return impl_->tables().ImageDurable();
}
uint64_t StateMachine::dirty_bytes() const {
  return impl_->tables().dirty_bytes();
}
void StateMachine::RewriteImage() { impl_->tables().Rewrite(); }
bool StateMachine::cut_is_whole() const {
  return impl_->tables().cut_is_whole();
}
uint64_t StateMachine::dirty_rows() const {
  return impl_->tables().dirty_rows();
}
Scrubbed StateMachine::Scrub(size_t rows_max, size_t bytes_max) {
  return impl_->tables().Scrub(rows_max, bytes_max);
}
std::map<TableId, uint64_t> StateMachine::damage() const {
  return impl_->tables().damage();
}
absl::Status StateMachine::CanLoad(uint32_t machine_version) const {
  return impl_->CanLoad(machine_version);
}
absl::Status StateMachine::LoadRow(const EncodedRow& row) {
  return impl_->LoadRow(row);
}
absl::Status StateMachine::FinishLoad(const ImageHeader& header) {
  return impl_->FinishLoad(header);
}
uint64_t StateMachine::applied_log_index() const {
  return impl_->applied_log_index();
}
uint64_t StateMachine::index() const { return impl_->log_time().index(); }
uint64_t StateMachine::time_ns() const { return impl_->log_time().time_ns(); }
uint32_t StateMachine::machine_version() const {
  return impl_->log_time().machine_version();
}
uint64_t StateMachine::version_since() const {
  return impl_->log_time().version_since();
}
uint64_t StateMachine::rows() const { return impl_->tables().rows(); }
uint64_t StateMachine::size_bytes() const {
  return impl_->tables().size_bytes();
}
Counts StateMachine::counts() const { return impl_->counts(); }
std::vector<SessionInfo> StateMachine::ListSessions(SessionId after,
                                                    size_t max) const {
  return impl_->ListSessions(after, max);
}
uint64_t StateMachine::FullDigest() const {
  return impl_->tables().FullDigest();
}

}  // namespace session
