#include "partition/driver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/refusals.h"

namespace partition {
namespace {

// A leader that serves, but had better not lead, asks so often.
constexpr uint64_t kSuggestPauseNs = 60'000'000'000;

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
      on_event_(std::move(hooks.on_event)),
      mailbox_(options.mailbox_bytes_max, options.mailbox_keep_alive_bytes_max),
      undurable_(options.undurable_bytes_max, ports.undurable),
      standing_(options.id, ports.disk, undurable_),
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
                 Post([this, index, version = header.machine_version,
                       digest = header.digest] {
                   Report(ReportOf(index, version, digest));
                 });
               },
           .durable =
               [this](const raft::Position& position,
                      const raft::Configuration& configuration,
                      raft::Index first) {
                 core_->Compacted(position, configuration, first);
                 ImageDurable(position.index);
                 Tell(ReplicaEvent::Kind::kImageWritten, position.index);
                 TellLogStart(first);
               },
           .replaced =
               [this](raft::Index index) {
                 Tell(ReplicaEvent::Kind::kImageReplaced, index);
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
      transfers_(options.raft.election_ticks + 1,
                 TicksOf(kSuggestPauseNs, options)),
      member_changes_(self_, MemberLimits()),
      versions_(self_, options.limits.machine_version_max,
                TicksOf(options.version_ask_ns, options),
                options.version_settle_rounds),
      divergence_(self_, TicksOf(options.digest_retry_ns, options)),
      replayer_(options_, ports_.store, ReplayHooks()),
      scrubber_(options.scrub_period_ns, options.raft.tick_ns, loaded.seed),
      held_(options.stream_hold_ns, options.mailbox_bytes_max),
      told_log_start_(loaded.stored.first_index),
      ready_from_(loaded.stored.hard_state.commit_index),
      admit_command_(std::make_unique<multiraft::disk::v1::Command>()),
      replay_end_(core_->last_index()) {
  // A replica that replays merges the cuts it meets into the first one behind
  // them.
  if (state_machine_->applied_log_index() < replay_end_.value()) {
    checkpointer_.set_replaying(true);
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
  Load([old = std::move(state_machine_)] {});
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
      refusal = standing_.Stopped(Outcome::kNotProposed);
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
    TellStart();
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
    standing_.Retire();
    StandingChanged();
  });
}

void Driver::Stop(StopReason reason) {
  if (reason == StopReason::kRemoved) standing_.Remove();
  mailbox_.Close();
  Post([this] {
    standing_.Stop();
    checkpointer_.Stop();
    StopImages();
    StandingChanged();
    EndAll();
    // What they own may remove one of them.
    const auto listeners = std::exchange(listeners_, {});
  });
}

void Driver::Tick() {
  Post([this] { ticked_ = true; });
}

void Driver::Step(std::vector<raft::Message> messages) {
  Post([this, messages = std::move(messages)]() mutable {
    if (standing_.has_failed()) return;
    for (raft::Message& message : messages) {
      if (standing_.disk_is_low() && NeedsSpace(message)) continue;
      if (HasTooMuchToApply() && AddsEntries(message)) continue;
      core_->Step(std::move(message));
    }
  });
}

// What is not taken, and so not acknowledged, while the disk is low (D6). The
// leader keeps asking; heartbeats and votes pass.
bool Driver::NeedsSpace(const raft::Message& message) {
  return AddsEntries(message) ||
         std::holds_alternative<raft::InstallSnapshot>(message.body);
}

bool Driver::AddsEntries(const raft::Message& message) {
  const auto* append = std::get_if<raft::AppendEntries>(&message.body);
  return append != nullptr && !append->entries.empty();
}

uint64_t Driver::AddLeaderListener(
    absl::AnyInvocable<void(const LeaderInfo&)> listener) {
  const uint64_t id = next_listener_.fetch_add(1);
  Post([this, id, listener = std::move(listener)]() mutable {
    if (standing_.is_stopped()) return;
    listener(leader_info());
    listeners_[id] = std::move(listener);
  });
  return id;
}

void Driver::RemoveLeaderListener(uint64_t id) {
  Post([this, id] { listeners_.erase(id); });
}

void Driver::TransferLeadership(raft::ReplicaId target, TransferDone done) {
  Post([this, target, done = std::move(done)]() mutable {
    if (standing_.has_ended()) {
      return std::move(done)(NotServing().status);
    }
    transfers_.Begin(*core_, target, std::move(done));
  });
}

void Driver::ListSessions(session::SessionId after, size_t max,
                          SessionsDone done) {
  Post([this, after, max, done = std::move(done)]() mutable {
    std::move(done)(
        SessionPage{.sessions = state_machine_->ListSessions(after, max),
                    .log_time_ns = state_machine_->time_ns()});
  });
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
    status.problem = standing_.problem();
    status.alarm = Alarm();
    status.verified_index = divergence_.verified_index();
    if (const DigestReport* own = divergence_.newest()) {
      status.digest_index = own->index;
      status.digest = own->digest;
    }
    status.configuration = core_->configuration();
    status.followers = core_->followers();
    status.tick_ns = options_.raft.tick_ns;
    std::move(done)(std::move(status));
  });
}

// --- On the executor ---------------------------------------------------------

void Driver::Turn() {
  mailbox_.TakeAll(turn_items_);
  standing_.LookAtDisk();

  // Log time moves before anything of this turn enters the log, so a session
  // opened now lives its whole timeout.
  const uint64_t now = Now();
  if (started_ && !ticked_ && TimeMoves()) {
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
  if (!standing_.has_failed()) {
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

void Driver::OnTick() {
  ticked_ = false;
  if (!started_ || standing_.has_failed()) return;
  const uint64_t now = Now();
  StandingChanged();
  core_->Tick(TimeMoves() ? now - last_now_ns_ : 0);
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
  TickScrub();

  if (core_->role() != raft::Role::kLeader || !standing_.may_read()) return;
  if (standing_.is_held_back()) transfers_.GiveUp(*core_);
  TickMembers();
  // Behind what is gathered: a KeepAlive of this turn saves its session.
  ProposeGathered();
  ProposeTick();
  if (checkpointer_.IsDue(now)) {
    ProposeCheckpoint();
  }
}

void Driver::OnSoftState(const raft::SoftState& state) {
  if (state.role != raft::Role::kLeader) {
    image_sender_.EndAll();
    // The next leader may commit them.
    RefusePending({.status = absl::UnavailableError(
                       "leadership was lost before the command was committed"),
                   .outcome = Outcome::kUnknown});
    tick_in_flight_ = raft::Index{};
    checkpoint_in_flight_ = raft::Index{};
    version_in_flight_ = raft::Index{};
    transfers_.LeadershipEnded();
    member_changes_.LeadershipEnded(*core_);
  }
  // Whatever was in the log when leadership began is applied before serving.
  leader_start_ = core_->last_index();
  TellLeaderAddress();
  TellLeader();
}

// Before any message of the new configuration leaves.
void Driver::TellMembers() {
  ports_.transport.SetMembers(options_.id, self_,
                              core_->configuration().members);
  TellLeaderAddress();
  TellLeaderPlace();
}

// The others go on without this replica. What is left to do is the owner's.
void Driver::OnRemoved() {
  LOG(INFO) << "partition " << options_.id << " term " << core_->term()
            << ": replica " << self_ << " is no member any more";
  if (on_removed_ != nullptr) std::exchange(on_removed_, nullptr)();
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

void Driver::StandingChanged() {
  core_->SetPassive(!standing_.may_lead());
  UpdateServing();
}

void Driver::UpdateServing() {
  const bool serving = IsServing();
  if (serving && !serving_ && !held_.empty()) {
    // Held streams need not wait for the next tick.
    ReleaseHeld();
    Post([] {});
  }
  serving_.store(serving, std::memory_order_release);
  const bool follows = standing_.may_read() &&
                       core_->leader() != raft::ReplicaId{0} &&
                       core_->leader() != self_;
  available_.store(serving || follows, std::memory_order_release);
  TellIfReady();
}

void Driver::Fail(Failure failure) {
  if (standing_.has_failed()) return;
  standing_.Fail(failure.status.ToString());
  LOG(ERROR) << "partition " << options_.id << " term " << core_->term()
             << ": stopped: " << standing_.problem();
  StopImages();
  StandingChanged();
  EndAll();
  to_apply_.clear();
  undurable_.Clear();
  // While stopping, the store refuses writes because it is closed.
  if (on_failure_ != nullptr && !standing_.is_stopped()) {
    std::exchange(on_failure_, nullptr)(std::move(failure));
  }
}

// It does not go on: nobody waits any more, nor is anything under way.
void Driver::EndAll() {
  RefuseAll();
  const absl::Status ended = standing_.WhyNotReading(Outcome::kUnknown).status;
  transfers_.EndAll(ended);
  member_changes_.EndAll(ended);
}

}  // namespace partition
