#include "partition/driver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/refusals.h"

namespace partition {
namespace {

namespace disk = multiraft::disk::v1;

// What a waiting command costs beside its bytes.
constexpr uint64_t kPendingOverheadBytes = 256;

std::string TickCommand() {
  disk::Command command;
  command.mutable_tick();
  return command.SerializeAsString();
}

std::string CheckpointCommand() {
  disk::Command command;
  command.mutable_checkpoint();
  return command.SerializeAsString();
}

uint32_t TicksOf(uint64_t ns, const Options& options) {
  return static_cast<uint32_t>(
      std::max<uint64_t>(1, ns / options.raft.tick_ns));
}

}  // namespace

Driver::Driver(const Options& options, const Ports& ports, Loaded loaded,
               OwnerHooks hooks)
    : life_(std::move(hooks.life)),
      options_(options),
      ports_(ports),
      self_(loaded.self),
      on_failure_(std::move(hooks.on_failure)),
      on_removed_(std::move(hooks.on_removed)),
      mailbox_(options.mailbox_bytes_max, options.mailbox_keep_alive_bytes_max),
      state_machine_(std::move(loaded.state_machine)),
      core_(std::move(loaded.core)),
      applied_configuration_(loaded.stored.image.configuration),
      checkpointer_(
          options_, *state_machine_, ports_.store, loaded.stored.image,
          loaded.stored.first_index,
          {.post = [this](TaskItem task) { PostLater(std::move(task)); },
           .hold = [this] { return Hold(); },
           .summed =
               [this](raft::Index index, const session::ImageHeader& header) {
                 Post([this, report = ReportOf(index, header.machine_version,
                                               header.digest)]() mutable {
                   Report(std::move(report));
                 });
               },
           .durable =
               [this](const raft::Position& position,
                      const raft::Configuration& configuration,
                      raft::Index first) {
                 core_->Compacted(position, configuration, first);
                 ImageDurable(position.index);
               },
           .needs = [this] { return NeedsOfLog(); },
           .failed =
               [this](absl::Status status) { FailOfDisk(std::move(status)); }}),
      image_sender_(options_, self_, ports_.store, SenderHooks()),
      image_receiver_(options_, self_, ports_.store, ports_.registry,
                      ReceiverHooks()),
      write_pacer_(options_.log_behind_bytes_max, 2 * options_.image_idle_ns),
      callers_(*state_machine_),
      reads_(options.query_wait_ns, options.mailbox_bytes_max),
      transfers_(options.raft.election_ticks + 1),
      member_changes_(self_, MemberLimits()),
      versions_(self_, options.limits.machine_version_max,
                TicksOf(options.version_ask_ns, options),
                options.version_settle_rounds),
      divergence_(self_, TicksOf(options.digest_retry_ns, options)),
      replayer_(options_, ports_.store, ReplayHooks()),
      held_(options.stream_hold_ns, options.mailbox_bytes_max),
      undurable_(options.undurable_bytes_max, ports.undurable),
      admit_command_(std::make_unique<disk::Command>()),
      replay_end_(core_->last_index()) {
  // A replica that replays merges the cuts it meets into the first one behind
  // them.
  if (state_machine_->applied_log_index() < replay_end_.value()) {
    state_machine_->set_hold_checkpoints(true);
  } else {
    replay_end_ = raft::Index{};
  }
  const auto held = options_.quarantined.find(options_.id);
  if (loaded.stored.image.suspect) {
    StartInDoubt();
  } else if (held != options_.quarantined.end()) {
    StartQuarantined(held->second);
  }
}

// Nobody refers to this any more, so nothing else looks at the state.
Driver::~Driver() {
  if (ports_.loader == nullptr) return;
  ports_.loader->Post([old = std::move(state_machine_)] {});
}

// --- Any thread --------------------------------------------------------------

void Driver::ScheduleTurn() {
  ports_.executor.Post(
      [self = shared_from_this()] { static_cast<Driver&>(*self).Turn(); });
}

void Driver::Add(MailboxItem item) {
  Refusal refusal;
  switch (mailbox_.Add(std::move(item))) {
    case Mailbox::Push::kQueued:
      return;
    case Mailbox::Push::kFirst:
      return ScheduleTurn();
    case Mailbox::Push::kFull:
      refusal = Busy(absl::StrCat("partition ", options_.id.value(),
                                  ": the mailbox is full"));
      break;
    case Mailbox::Push::kClosed:
      refusal = Stopped(Outcome::kNotProposed);
      break;
  }
  {
    base::MutexLock lock(door_mu_);
    refusal.leader = leader_at_door_;
  }
  // Refused at the door: the item is still ours.
  if (auto* propose = std::get_if<ProposeItem>(&item)) {
    if (propose->sink != nullptr) return propose->sink->End(std::move(refusal));
    std::move(propose->completion).Refuse(std::move(refusal));
  } else if (auto* query = std::get_if<QueryItem>(&item)) {
    if (query->sink != nullptr) return query->sink->End(std::move(refusal));
    std::move(query->completion).Refuse(std::move(refusal));
  }
}

void Driver::Post(TaskItem task) { Add(std::move(task)); }

void Driver::PostLater(TaskItem task) {
  ports_.executor.PostLater(
      [self = shared_from_this(), task = std::move(task)]() mutable {
        static_cast<Driver&>(*self).Post(std::move(task));
      });
}

void Driver::Propose(CommandRequest request,
                     Completion<session::Applied> completion) {
  CHECK(request.kind != CommandRequest::Kind::kStream);
  Add(ProposeItem{.request = std::move(request),
                  .completion = std::move(completion)});
}

StreamId Driver::OpenStream(CommandRequest request,
                            std::shared_ptr<StreamSink> sink) {
  CHECK(request.kind == CommandRequest::Kind::kStream);
  const StreamId id{next_stream_.fetch_add(1)};
  Add(ProposeItem{
      .request = std::move(request), .stream = id, .sink = std::move(sink)});
  return id;
}

void Driver::RunQuery(QueryRequest request,
                      Completion<session::QueryAnswer> completion) {
  Add(QueryItem{.request = std::move(request),
                .completion = std::move(completion)});
}

StreamId Driver::OpenQuery(QueryRequest request,
                           std::shared_ptr<StreamSink> sink) {
  const StreamId id{next_stream_.fetch_add(1)};
  Add(QueryItem{
      .request = std::move(request), .stream = id, .sink = std::move(sink)});
  return id;
}

void Driver::StreamWritable(StreamId stream) {
  Post([this, stream] { callers_.Writable(stream); });
}

void Driver::CloseStream(StreamId stream) {
  Post([this, stream] { callers_.Close(stream); });
}

void Driver::Start() {
  Post([this] {
    started_ = true;
    last_now_ns_ = Now();
    TellMembers();
    ReportImage();
    // Alone, nobody else can lead; and in a new group the first replica should:
    // neither waits for the timer.
    const raft::Configuration& configuration = core_->configuration();
    if (!configuration.IsVoter(self_)) return;
    const bool alone = configuration.voters.size() == 1;
    const bool first = core_->term() == raft::Term{0} && !alone &&
                       self_ == configuration.voters.front();
    if (alone || first) core_->Campaign();
  });
}

void Driver::Retire() {
  Post([this] {
    retired_ = true;
    core_->SetPassive(true);
  });
}

void Driver::Stop(StopReason reason) {
  if (reason == StopReason::kRemoved) removed_.store(true);
  mailbox_.Close();
  Post([this] {
    stopped_ = true;
    checkpointer_.Stop();
    StopImages();
    UpdateServing();
    RefuseItems(held_.TakeAll(), Stopped(Outcome::kNotProposed));
    for (Pending& pending : pending_) {
      RefuseItem(std::move(pending.item), Stopped(Outcome::kUnknown));
    }
    pending_.clear();
    pending_bytes_ = 0;
    for (QueryItem& item : reads_.TakeAll()) {
      RefuseItem(std::move(item), Stopped(Outcome::kNotProposed));
    }
    transfers_.EndAll(Stopped(Outcome::kUnknown).status);
    member_changes_.EndAll(Stopped(Outcome::kUnknown).status);
    callers_.RefuseAll(Stopped(Outcome::kUnknown));
    // What they own may remove one of them.
    const auto listeners = std::exchange(listeners_, {});
  });
}

Refusal Driver::Stopped(Outcome outcome) const {
  return removed_.load() ? NotHere(options_.id, outcome)
                         : ShuttingDown(outcome);
}

void Driver::Tick() {
  Post([this] { ticked_ = true; });
}

void Driver::Step(std::vector<raft::Message> messages) {
  Post([this, messages = std::move(messages)]() mutable {
    if (!problem_.empty()) return;
    for (raft::Message& message : messages) {
      if (disk_is_low_ && NeedsSpace(message)) continue;
      core_->Step(std::move(message));
    }
  });
}

// What is not taken, and so not acknowledged, while the disk is low (D6). The
// leader keeps asking; heartbeats and votes pass.
bool Driver::NeedsSpace(const raft::Message& message) {
  const auto* append = std::get_if<raft::AppendEntries>(&message.body);
  return (append != nullptr && !append->entries.empty()) ||
         std::holds_alternative<raft::InstallSnapshot>(message.body);
}

uint64_t Driver::AddLeaderListener(
    absl::AnyInvocable<void(const LeaderInfo&)> listener) {
  const uint64_t id = next_listener_.fetch_add(1);
  Post([this, id, listener = std::move(listener)]() mutable {
    if (stopped_) return;
    listener(leader_info());
    listeners_[id] = std::move(listener);
  });
  return id;
}

void Driver::TransferLeadership(raft::ReplicaId target, TransferDone done) {
  Post([this, target, done = std::move(done)]() mutable {
    if (stopped_ || !problem_.empty()) {
      return std::move(done)(NotServing().status);
    }
    transfers_.Begin(*core_, target, std::move(done));
  });
}

void Driver::RemoveLeaderListener(uint64_t id) {
  Post([this, id] { listeners_.erase(id); });
}

void Driver::GetStatus(absl::AnyInvocable<void(PartitionStatus) &&> done) {
  Post([this, done = std::move(done)]() mutable {
    PartitionStatus status;
    status.id = options_.id;
    status.replica = self_;
    status.soft_state = core_->soft_state();
    status.first_index = core_->first_index();
    status.last_index = core_->last_index();
    status.commit_index = core_->commit_index();
    status.applied_index = raft::Index{state_machine_->applied_log_index()};
    status.durable_index = core_->persisted_index();
    status.image_index = checkpointer_.image().position.index;
    status.machine_version = state_machine_->machine_version();
    status.machine_version_max = versions_.known_max();
    status.machine_version_since = state_machine_->version_since();
    status.index = state_machine_->index();
    status.log_time_ns = state_machine_->time_ns();
    status.state_bytes = state_machine_->size_bytes();
    status.undurable_bytes = undurable_.bytes();
    status.counts = state_machine_->counts();
    status.problem = problem_.empty() ? paused_ : problem_;
    status.alarm = image_damage_.empty() ? divergence_.Alarm() : image_damage_;
    status.verified_index = divergence_.verified_index();
    status.configuration = core_->configuration();
    status.followers = core_->followers();
    status.tick_ns = options_.raft.tick_ns;
    std::move(done)(std::move(status));
  });
}

// --- On the executor ---------------------------------------------------------

void Driver::Turn() {
  mailbox_.TakeAll(turn_items_);
  disk_is_low_ = ports_.disk != nullptr && ports_.disk->is_low();

  // Log time moves before anything of this turn enters the log, so a session
  // opened now lives its whole timeout.
  const uint64_t now = Now();
  // While nothing can be kept alive, nothing expires.
  if (started_ && !ticked_ && !is_held_back()) {
    core_->AdvanceTime(now - last_now_ns_);
  }
  if (started_) last_now_ns_ = now;

  for (MailboxItem& item : turn_items_) {
    if (auto* propose = std::get_if<ProposeItem>(&item)) {
      Handle(std::move(*propose));
    } else if (auto* query = std::get_if<QueryItem>(&item)) {
      Handle(std::move(*query));
    } else {
      // A task may change whether proposals are possible.
      std::get<TaskItem>(item)();
    }
  }
  turn_items_.clear();  // Now, with whatever they own.
  if (ticked_) OnTick();
  if (problem_.empty()) {
    ProposeGathered();
    AskReads();
    ProcessReady();
    RunReads();
    UpdateServing();
    GoOnListing();
  }
  is_piece_ = false;
  // Last, so that callers overlap the sync that ProcessReady queued.
  callers_.Finish();
}

void Driver::Handle(ProposeItem item) {
  if (item.sink != nullptr) callers_.Open(item.stream, item.sink);
  if (!problem_.empty()) return RefuseItem(std::move(item), NotServing());
  gathered_.push_back(std::move(item));
}

void Driver::Handle(QueryItem item) {
  if (item.sink != nullptr && !callers_.IsOpen(item.stream)) {
    callers_.Open(item.stream, item.sink);
  }
  if (Refusal refusal = NotReading(); !refusal.status.ok()) {
    return HoldOrRefuse(std::move(item), std::move(refusal));
  }
  AddRead(std::move(item));
}

void Driver::AddRead(QueryItem item) {
  if (reads_.IsFull()) {
    return HoldOrRefuse(std::move(item),
                        Busy(absl::StrCat("partition ", options_.id.value(),
                                          ": too many queries wait")));
  }
  reads_.Add(std::move(item), Now());
}

// Everything of this turn becomes one append, hence one write. KeepAlives go
// first and by themselves: where the log takes no more, a flood of commands
// must not take their sessions along.
void Driver::ProposeGathered() {
  if (gathered_.empty()) return;
  const Refusal refusal = NotServing();
  std::vector<ProposeItem> keep_alives;
  std::vector<ProposeItem> others;
  for (ProposeItem& item : gathered_) {
    if (!refusal.status.ok()) {
      HoldOrRefuse(std::move(item), refusal);
      continue;
    }
    const bool keep_alive =
        item.request.kind == CommandRequest::Kind::kKeepAlive;
    Refusal not_admitted = Admit(item.request, keep_alive);
    if (!not_admitted.status.ok()) {
      HoldOrRefuse(std::move(item), std::move(not_admitted));
      continue;
    }
    (keep_alive ? keep_alives : others).push_back(std::move(item));
  }
  gathered_.clear();
  ProposeAll(std::move(keep_alives));
  ProposeAll(std::move(others));
}

// What a leader refuses before it costs anything. Each request by itself: one
// that is too large must not fail its neighbours.
Refusal Driver::Admit(const CommandRequest& request, bool keep_alive) {
  if (disk_is_low_) return DiskLow(options_.id, *ports_.disk);
  if (undurable_.is_full()) {
    return DiskBehind(options_.id, undurable_.bytes());
  }
  if (request.bytes.size() > options_.raft.entry_bytes_max) {
    return {.status = absl::ResourceExhaustedError(absl::StrCat(
                "the command has ", request.bytes.size(), " bytes, more than ",
                options_.raft.entry_bytes_max))};
  }
  if (!keep_alive && pending_bytes_ > options_.mailbox_bytes_max) {
    return Busy(absl::StrCat("partition ", options_.id.value(),
                             ": too many commands wait to be applied"));
  }
  if (!keep_alive && !write_pacer_.Admit(request.bytes.size())) {
    return Busy(absl::StrCat("partition ", options_.id.value(),
                             ": a member gets the image, and until it has it "
                             "no more than ",
                             write_pacer_.bytes_per_second(),
                             " bytes a second are taken"));
  }
  CHECK(admit_command_->ParseFromString(request.bytes));
  absl::Status status = state_machine_->Admit(*admit_command_);
  if (status.ok()) return {};
  return {.status = std::move(status), .retry_after_ms = 100};
}

void Driver::ProposeAll(std::vector<ProposeItem> items) {
  if (items.empty()) return;
  // A transfer is under way, or the log takes no more for now. Asked while the
  // items are whole: a stream that is held is tried again (semantics 8.4).
  uint64_t bytes = 0;
  for (const ProposeItem& item : items) bytes += item.request.bytes.size();
  if (absl::Status can = core_->CanPropose(items.size(), bytes); !can.ok()) {
    for (ProposeItem& item : items) {
      HoldOrRefuse(std::move(item), {.status = can, .retry_after_ms = 100});
    }
    return;
  }
  std::vector<raft::Proposal> proposals;
  std::vector<uint64_t> sizes;
  proposals.reserve(items.size());
  sizes.reserve(items.size());
  for (ProposeItem& item : items) {
    sizes.push_back(kPendingOverheadBytes + item.request.bytes.size());
    auto payload =
        std::make_shared<const std::string>(std::move(item.request.bytes));
    const uint32_t crc = base::Crc32c(*payload);
    proposals.push_back({.payload = std::move(payload), .payload_crc = crc});
  }
  absl::StatusOr<raft::Index> first = core_->Propose(std::move(proposals));
  CHECK(first.ok()) << first.status();
  raft::Index index = *first;
  for (size_t i = 0; i < items.size(); ++i, ++index) {
    pending_bytes_ += sizes[i];
    pending_.push_back({.index = index,
                        .term = core_->term(),
                        .bytes = sizes[i],
                        .item = std::move(items[i])});
  }
}

// Proposes a command of the partition's own, unless the last of its kind is
// still on its way. A refusal is no loss: it is due again at the next tick.
void Driver::ProposeInternal(const std::string& bytes, raft::Index& in_flight) {
  if (in_flight.value() > state_machine_->applied_log_index()) return;
  if (is_held_back()) return;
  std::vector<raft::Proposal> proposals;
  proposals.push_back({.payload = std::make_shared<const std::string>(bytes),
                       .payload_crc = base::Crc32c(bytes)});
  absl::StatusOr<raft::Index> index = core_->Propose(std::move(proposals));
  if (index.ok()) in_flight = *index;
}

void Driver::ProcessReady() {
  turn_start_ns_ = Now();
  while (problem_.empty()) {
    while (core_->HasReady()) {
      raft::Ready ready = core_->TakeReady();
      if (ready.configuration.has_value()) TellMembers();
      if (ready.soft_state.has_value()) OnSoftState(*ready.soft_state);
      if (ready.removed) OnRemoved();
      if (!ready.messages.empty()) {
        ports_.transport.Send(options_.id, std::move(ready.messages));
      }
      QueueWrite(ready);
      if (!ready.committed.empty()) member_changes_.Look(*core_);
      undurable_.Committed(ready.committed, core_->persisted_index());
      for (raft::Entry& entry : ready.committed) {
        to_apply_.push_back(std::move(entry));
      }
      for (const raft::FetchRequest& fetch : ready.fetches) Fetch(fetch);
      HandleSnapshots(ready);
      for (const raft::ReadState& read : ready.reads) {
        if (read.index.has_value()) {
          reads_.Confirm(read.context, *read.index);
          continue;
        }
        for (QueryItem& item : reads_.Drop(read.context)) {
          HoldOrRefuse(std::move(item), Busy("no leader confirmed the read"));
        }
      }
    }
    if (ApplyIsHeld() || to_apply_.empty() || !problem_.empty()) return;
    if (!MayApply()) break;
    ApplySome();
    if (Now() - turn_start_ns_ >= options_.turn_ns_max) break;
  }
  if (!to_apply_.empty() || core_->HasReady()) GoOnLater();
}

// What a tick, a message or a request brings is short, and done at once. A log
// that is replayed, or a large backlog, is applied in pieces, or a round of
// turns would be as long as a piece for each partition (P54).
bool Driver::MayApply() const {
  return is_piece_ ||
         (!piece_ahead_ && to_apply_.size() <= options_.turn_entries_max);
}

void Driver::GoOnLater() {
  if (std::exchange(piece_ahead_, true)) return;
  PostLater([this] {
    piece_ahead_ = false;
    is_piece_ = true;
  });
}

void Driver::QueueWrite(raft::Ready& ready) {
  if (!ready.persist.has_value()) {
    if (ready.messages_after_persist.empty()) return;
    if (writes_.empty()) {
      ports_.transport.Send(options_.id,
                            std::move(ready.messages_after_persist));
      return;
    }
    for (raft::Message& message : ready.messages_after_persist) {
      writes_.back().messages.push_back(std::move(message));
    }
    return;
  }
  writes_.push_back({.token = *ready.persist,
                     .messages = std::move(ready.messages_after_persist)});
  storage::LogWrite write;
  write.partition = options_.id;
  write.hard_state = ready.hard_state;
  write.entries = std::move(ready.entries);
  write.done = [self = shared_from_this()](absl::Status status) {
    auto& driver = static_cast<Driver&>(*self);
    driver.Post(
        [&driver, status = std::move(status)] { driver.WriteDone(status); });
  };
  ports_.store.Write(std::move(write));
}

// Writes complete in the order they were queued.
void Driver::WriteDone(absl::Status status) {
  CHECK(!writes_.empty());
  Write write = std::move(writes_.front());
  writes_.pop_front();
  if (!status.ok()) return FailOfDisk(std::move(status));
  if (!problem_.empty()) return;
  core_->Persisted(write.token);
  undurable_.Durable(core_->persisted_index());
  // The vote, or the acknowledgement, may leave now: a crash from here on
  // cannot take back what it promises (P1, P25).
  if (!write.messages.empty()) {
    ports_.transport.Send(options_.id, std::move(write.messages));
  }
}

// Entries a follower needs and memory no longer has; the core never waits.
void Driver::Fetch(const raft::FetchRequest& request) {
  ports_.store.ReadEntries(
      options_.id, request.from, request.bytes_max,
      [self = shared_from_this(),
       request](absl::StatusOr<std::vector<raft::Entry>> entries) mutable {
        auto& driver = static_cast<Driver&>(*self);
        driver.Post([&driver, request, entries = std::move(entries)]() mutable {
          driver.core_->Fetched(request, std::move(entries));
        });
      });
}

void Driver::ApplySome() {
  raft::Index last;
  for (uint64_t count = 0; count < options_.turn_entries_max &&
                           !to_apply_.empty() && problem_.empty();
       ++count) {
    if (count % 16 == 15 && Now() - turn_start_ns_ >= options_.turn_ns_max) {
      break;
    }
    raft::Entry entry = std::move(to_apply_.front());
    to_apply_.pop_front();
    last = entry.index;
    ApplyOne(entry);
  }
  if (!problem_.empty()) return;
  core_->Applied(last);
  callers_.Handle(state_machine_->TakeEffects());
  if (replay_end_ != raft::Index{} && last >= replay_end_) {
    replay_end_ = raft::Index{};
    state_machine_->set_hold_checkpoints(false);
  }
  // What one entry was not allowed to finish goes on at once.
  if (core_->role() == raft::Role::kLeader && !stopped_) ProposeTick();
}

void Driver::ApplyOne(const raft::Entry& entry) {
  // The payload is what entered, bit for bit (D7).
  if (base::Crc32c(entry.bytes()) != entry.payload_crc) {
    return Fail(absl::DataLossError(absl::StrCat(
        "partition ", options_.id.value(), ": entry ", entry.index.value(),
        " changed in memory or on disk: its "
        "checksum does not match")));
  }
  session::LogEntry log_entry{.log_index = entry.index.value(),
                              .term = entry.term.value(),
                              .time_ns = entry.time_ns};
  if (entry.type == raft::EntryType::kConfChange) {
    absl::StatusOr<raft::Configuration> configuration =
        raft::DecodeConfiguration(entry.bytes());
    if (!configuration.ok()) return Fail(configuration.status());
    applied_configuration_ = *std::move(configuration);
  } else {
    log_entry.payload = entry.bytes();
  }
  session::Applied applied = Apply(log_entry);
  if (applied.outcome == session::Applied::Outcome::kCannotApply) {
    return Fail(absl::FailedPreconditionError(
        absl::StrCat("partition ", options_.id.value(), ": cannot apply entry ",
                     entry.index.value(), ": ", applied.message)));
  }
  checkpointer_.Applied(entry, applied_configuration_, last_now_ns_);

  // Whoever waited at a lower index was overwritten by another leader's
  // entries: it did not happen.
  while (!pending_.empty() && pending_.front().index <= entry.index) {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    pending_bytes_ -= pending.bytes;
    if (pending.index == entry.index && pending.term == entry.term) {
      Answer(std::move(pending.item), std::move(applied));
    } else {
      RefuseItem(std::move(pending.item),
                 Busy("another leader took over before it was replicated"));
    }
  }
}

void Driver::Answer(ProposeItem item, session::Applied applied) {
  using AppliedOutcome = session::Applied::Outcome;
  if (item.sink == nullptr) {
    if (applied.outcome == AppliedOutcome::kOpen) {
      return callers_.Wait(item.request.key, std::move(item.completion));
    }
    return callers_.Complete(std::move(item.completion), std::move(applied));
  }
  switch (applied.outcome) {
    case AppliedOutcome::kOpen:
      return callers_.Attach(item.stream, item.request.key);
    case AppliedOutcome::kAnswered:
      return callers_.AnswerAndEnd(item.stream, std::move(applied.output));
    default:
      return callers_.End(item.stream, RefusalOf(applied));
  }
}

template <class Item>
void Driver::HoldOrRefuse(Item item, Refusal refusal) {
  if (item.sink != nullptr && absl::IsUnavailable(refusal.status) &&
      !stopped_ && problem_.empty()) {
    if (!callers_.IsOpen(item.stream)) return;  // Its caller left meanwhile.
    if (held_.Hold(item, Now())) return;
  }
  RefuseItem(std::move(item), std::move(refusal));
}

void Driver::RefuseItem(ProposeItem item, Refusal refusal) {
  if (absl::IsUnavailable(refusal.status)) refusal.leader = LeaderAddress();
  if (item.sink != nullptr) {
    // Registered streams end through Callers, once.
    return callers_.End(item.stream, std::move(refusal));
  }
  callers_.Refuse(std::move(item.completion), std::move(refusal));
}

void Driver::RefuseItem(QueryItem item, Refusal refusal) {
  if (absl::IsUnavailable(refusal.status)) refusal.leader = LeaderAddress();
  if (item.sink != nullptr) {
    return callers_.End(item.stream, std::move(refusal));
  }
  callers_.Refuse(std::move(item.completion), std::move(refusal));
}

void Driver::RefuseItems(HeldStreams::Items items, const Refusal& refusal) {
  for (ProposeItem& item : items.commands) RefuseItem(std::move(item), refusal);
  for (QueryItem& item : items.queries) RefuseItem(std::move(item), refusal);
}

void Driver::OnSoftState(const raft::SoftState& state) {
  if (state.role != raft::Role::kLeader) {
    image_sender_.EndAll();
    // They may still commit under the next leader.
    for (Pending& pending : pending_) {
      RefuseItem(std::move(pending.item),
                 {.status = absl::UnavailableError(
                      "leadership was lost before the command was committed"),
                  .outcome = Outcome::kUnknown});
    }
    pending_.clear();
    pending_bytes_ = 0;
    tick_in_flight_ = raft::Index{};
    checkpoint_in_flight_ = raft::Index{};
    version_in_flight_ = raft::Index{};
    transfers_.LeadershipEnded();
    member_changes_.LeadershipEnded(*core_);
  }
  // Whatever was in the log when leadership began is applied before serving.
  leader_start_ = core_->last_index();
  TellLeaderAddress();
  for (auto& [id, listener] : listeners_) listener(leader_info());
}

// Before any message of the new configuration leaves.
void Driver::TellMembers() {
  ports_.transport.SetMembers(options_.id, self_,
                              core_->configuration().members);
  TellLeaderAddress();
}

// The others go on without this replica. What is left to do is the owner's.
void Driver::OnRemoved() {
  LOG(INFO) << "partition " << options_.id << " term " << core_->term()
            << ": replica " << self_ << " is no member any more";
  if (on_removed_ != nullptr) std::exchange(on_removed_, nullptr)();
}

void Driver::AskReads() {
  if (uint64_t context = reads_.TakeContext(); context != 0) {
    core_->ReadIndex(context);
  }
}

void Driver::RunReads() {
  if (!problem_.empty()) return;
  for (QueryItem& item :
       reads_.TakeReady(raft::Index{state_machine_->applied_log_index()},
                        state_machine_->index())) {
    RunRead(std::move(item));
  }
}

void Driver::RunRead(QueryItem item) {
  if (item.sink == nullptr) {
    return callers_.Complete(std::move(item.completion),
                             state_machine_->RunQuery(item.request.query));
  }
  if (!callers_.IsOpen(item.stream)) return;
  session::StateMachine::OpenedQuery opened =
      state_machine_->OpenQuery(std::move(item.request.query));
  if (opened.unknown_session) {
    return callers_.End(item.stream, UnknownSession());
  }
  if (!opened.exhausted.empty()) {
    return callers_.End(
        item.stream,
        {.status = absl::ResourceExhaustedError(absl::StrCat(
             opened.exhausted, ": too many stream queries are open"))});
  }
  callers_.Attach(item.stream, opened.id);
}

// A slice of a listing in which nothing lives is the last one of its turn: the
// next one is a piece of long work (P54).
void Driver::GoOnListing() {
  if (listing_ahead_ || !state_machine_->has_ready_queries()) return;
  listing_ahead_ = true;
  PostLater([this] {
    listing_ahead_ = false;
    if (problem_.empty()) callers_.Handle(state_machine_->TakeEffects());
  });
}

void Driver::OnTick() {
  ticked_ = false;
  if (!started_ || !problem_.empty()) return;
  const uint64_t now = Now();
  const bool is_held_back = this->is_held_back();
  core_->SetPassive(is_held_back || retired_ || is_paused());
  core_->Tick(is_held_back ? 0 : now - last_now_ns_);
  last_now_ns_ = now;
  TickImages();

  for (QueryItem& item : reads_.TakeExpired(now)) {
    RefuseItem(std::move(item),
               Busy("this replica has not caught up with what the client has "
                    "seen (max_received_index)"));
  }
  ReleaseHeld();
  transfers_.Tick();
  TickVersions();
  TickDoubt();

  if (core_->role() != raft::Role::kLeader || stopped_ || is_paused()) return;
  if (is_held_back) transfers_.GiveUp(*core_);
  TickMembers();
  // Behind what is gathered: a KeepAlive of this turn saves its session.
  ProposeGathered();
  ProposeTick();
  if (checkpointer_.IsDue(now)) {
    ProposeCheckpoint();
  }
}

// Something is due, and nothing else may move the log.
void Driver::ProposeTick() {
  if (state_machine_->next_due_ns() <= core_->log_time_ns()) ProposeTickNow();
}

void Driver::ProposeTickNow() {
  ProposeInternal(TickCommand(), tick_in_flight_);
}

void Driver::ProposeCheckpoint() {
  ProposeInternal(CheckpointCommand(), checkpoint_in_flight_);
}

// Held streams are tried again, or refused when they have waited long enough.
void Driver::ReleaseHeld() {
  if (held_.empty()) return;
  if (const Refusal refusal = NotReading(); !refusal.status.ok()) {
    return RefuseItems(held_.TakeExpired(Now()), refusal);
  }
  HeldStreams::Items held = held_.TakeAll();
  for (ProposeItem& item : held.commands) {
    if (callers_.IsOpen(item.stream)) gathered_.push_back(std::move(item));
  }
  for (QueryItem& item : held.queries) {
    if (callers_.IsOpen(item.stream)) Handle(std::move(item));
  }
}

// Asked several times a turn: words are made only for a refusal.
Refusal Driver::NotServing() const {
  const bool leads =
      core_->role() == raft::Role::kLeader && core_->committed_in_term();
  const bool caught_up =
      state_machine_->applied_log_index() >= leader_start_.value();
  const bool works = problem_.empty() && !stopped_ && !is_paused();
  if (works && leads && caught_up) return {};

  if (!problem_.empty()) {
    return OutOfService(options_.id, problem_, Outcome::kNotProposed);
  }
  if (stopped_) return Stopped(Outcome::kNotProposed);
  if (is_paused()) {
    return OutOfService(options_.id, paused_, Outcome::kNotProposed);
  }
  if (leads) return Replaying(options_.id);
  Refusal refusal =
      NotLeader(options_.id, core_->leader().value() != 0,
                static_cast<uint32_t>(options_.raft.election_ticks *
                                      options_.raft.tick_ns / 1'000'000));
  // Not one that was elected and has yet to commit something.
  refusal.not_leader = core_->role() != raft::Role::kLeader;
  return refusal;
}

// Any replica reads, as of the index that the leader confirms.
Refusal Driver::NotReading() const {
  if (problem_.empty() && !stopped_ && !is_paused() &&
      core_->leader() != raft::ReplicaId{}) {
    return {};
  }
  return NotServing();
}

LeaderInfo Driver::leader_info() const {
  LeaderInfo info;
  info.term = core_->term();
  info.leader = core_->leader();
  info.is_self = info.leader == self_;
  if (const raft::Member* member =
          core_->configuration().FindMember(info.leader)) {
    info.leader_node = member->node;
    info.peer_address = member->peer_address;
    info.api_address = member->api_address;
  }
  return info;
}

std::string Driver::LeaderAddress() const {
  const raft::Member* member =
      core_->configuration().FindMember(core_->leader());
  // Port 0 lets the system choose: then the configuration does not know it.
  if (member == nullptr || absl::EndsWith(member->api_address, ":0")) return "";
  return member->api_address;
}

void Driver::TellLeaderAddress() {
  std::string address = LeaderAddress();
  base::MutexLock lock(door_mu_);
  leader_at_door_ = std::move(address);
}

void Driver::UpdateServing() {
  const bool serving = NotServing().status.ok();
  if (serving && !serving_ && !held_.empty()) {
    // Held streams need not wait for the next tick.
    ReleaseHeld();
    Post([] {});
  }
  serving_.store(serving, std::memory_order_release);
  const bool follows = problem_.empty() && !stopped_ && !is_paused() &&
                       core_->leader() != raft::ReplicaId{0} &&
                       core_->leader() != self_;
  available_.store(serving || follows, std::memory_order_release);
}

void Driver::Fail(Failure failure) {
  if (!problem_.empty()) return;
  problem_ = failure.status.ToString();
  out_of_service_.store(true, std::memory_order_release);
  LOG(ERROR) << "partition " << options_.id << " term " << core_->term()
             << ": stopped: " << problem_;
  StopImages();
  UpdateServing();
  const Refusal refusal =
      OutOfService(options_.id, problem_, Outcome::kUnknown);
  for (Pending& pending : pending_) {
    RefuseItem(std::move(pending.item), refusal);
  }
  pending_.clear();
  pending_bytes_ = 0;
  for (ProposeItem& item : gathered_) RefuseItem(std::move(item), refusal);
  gathered_.clear();
  for (QueryItem& item : reads_.TakeAll()) RefuseItem(std::move(item), refusal);
  RefuseItems(held_.TakeAll(), refusal);
  callers_.RefuseAll(refusal);
  transfers_.EndAll(refusal.status);
  member_changes_.EndAll(refusal.status);
  to_apply_.clear();
  undurable_.Clear();
  // While stopping, the store refuses writes because it is closed.
  if (on_failure_ != nullptr && !stopped_) {
    std::exchange(on_failure_, nullptr)(std::move(failure));
  }
}

}  // namespace partition
