#include "client/election.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/election/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/connection.h"
#include "client/election_watch.h"
#include "client/primitive.h"
#include "client/status.h"

namespace client {
namespace {

namespace api = atomix::multiraft::election::v1;

using Stub = api::LeaderElection::Stub;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

ElectionTerm FromApi(const api::Term& term) {
  return {.number = term.index(),
          .leader = term.leader(),
          .candidates = {term.candidates().begin(), term.candidates().end()}};
}

bool IsInLine(const ElectionTerm& term, const std::string& candidate) {
  return term.leader == candidate ||
         std::find(term.candidates.begin(), term.candidates.end(), candidate) !=
             term.candidates.end();
}

absl::Status NotLeading(const std::string& candidate, const ElectionTerm& now) {
  return absl::AbortedError(absl::StrCat(
      candidate, " does not lead: ",
      now.leader.empty() ? "nobody does" : absl::StrCat(now.leader, " does"),
      ", in term ", now.number));
}

}  // namespace

struct Election::Rep {
  Session* session;  // Never null.
  Primitive<api::LeaderElection> primitive;

  // Every command is about a candidate, and every output is {term}.
  template <class Input, class Method>
  absl::StatusOr<ElectionTerm> Run(Method method, absl::string_view candidate) {
    Input input;
    input.set_candidate(std::string(candidate));
    ASSIGN_OR_RETURN(const auto output,
                     primitive.Run(method, std::move(input)));
    return FromApi(output.term());
  }

  absl::StatusOr<ElectionTerm> Enter(absl::string_view candidate,
                                     std::stop_token stop) {
    // Without a name nobody could be told from no leader.
    if (candidate.empty()) {
      return absl::InvalidArgumentError("a candidate has a name");
    }
    api::EnterInput input;
    input.set_candidate(std::string(candidate));
    ASSIGN_OR_RETURN(const auto output,
                     primitive.Wait(&Stub::Enter, std::move(input),
                                    {.limit = absl::ZeroDuration(),
                                     .stop = std::move(stop)}));
    return FromApi(output.term());
  }

  absl::StatusOr<ElectionTerm> Withdraw(absl::string_view candidate) {
    return Run<api::WithdrawInput>(&Stub::Withdraw, candidate);
  }

  absl::StatusOr<ElectionTerm> Term(std::stop_token stop) {
    ASSIGN_OR_RETURN(
        const auto output,
        primitive.Wait(&Stub::GetTerm, api::GetTermInput(),
                       {.limit = absl::ZeroDuration(), .stop = stop}));
    return FromApi(output.term());
  }

  static std::unique_ptr<ElectionWatch> Watch(std::shared_ptr<Rep> rep) {
    using Change = ElectionWatch::Change;
    auto changes = rep->primitive.Watch<Change>(
        &Stub::Watch, api::WatchInput(),
        [](api::WatchOutput output) { return Change(FromApi(output.term())); },
        [] { return Change(); }, StreamEnd::kNone);
    Session& session = *rep->session;
    return std::make_unique<ElectionWatch>(ElectionWatch::Options{
        .changes = std::move(changes),
        .read = [rep = std::move(rep)](
                    std::stop_token stop) { return rep->Term(stop); },
        .timer = &session.connection().timer(),
        .period_ns = absl::ToInt64Nanoseconds(session.timeout() / 4)});
  }
};

struct Leadership::Rep {
  std::shared_ptr<Election::Rep> election;
  std::string candidate;
  uint64_t term = 0;
};

// --- Leadership -------------------------------------------------------------

Leadership::Leadership(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Leadership::Leadership(Leadership&&) = default;
Leadership& Leadership::operator=(Leadership&& other) {
  if (this == &other) return *this;
  Resign().IgnoreError();
  rep_ = std::move(other.rep_);
  return *this;
}
Leadership::~Leadership() { Resign().IgnoreError(); }

const std::string& Leadership::candidate() const {
  static const std::string& none = *new std::string;
  return rep_ == nullptr ? none : rep_->candidate;
}

uint64_t Leadership::fencing_token() const {
  return rep_ == nullptr ? 0 : rep_->term;
}

absl::Status Leadership::Check() {
  if (rep_ == nullptr) return absl::AbortedError("the leader has resigned");
  ASSIGN_OR_RETURN(const ElectionTerm now, rep_->election->Term({}));
  if (now.number == rep_->term && now.leader == rep_->candidate) {
    return absl::OkStatus();
  }
  return NotLeading(rep_->candidate, now);
}

absl::Status Leadership::AwaitEnd(std::stop_token stop) {
  if (rep_ == nullptr) return absl::AbortedError("the leader has resigned");
  const std::unique_ptr<ElectionWatch> watch =
      Election::Rep::Watch(rep_->election);
  const std::stop_callback cancel(std::move(stop),
                                  [&watch] { watch->Cancel(); });
  while (true) {
    ASSIGN_OR_RETURN(const ElectionTerm now, watch->NextUntil(kNever));
    if (now.number != rep_->term || now.leader != rep_->candidate) {
      return NotLeading(rep_->candidate, now);
    }
  }
}

absl::Status Leadership::Resign() {
  if (rep_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<Rep> rep = std::move(rep_);
  return rep->election->Withdraw(rep->candidate).status();
}

// --- Election ---------------------------------------------------------------

absl::StatusOr<Election> Election::Open(Session& session,
                                        const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto primitive,
                   Primitive<api::LeaderElection>::Open(session, name));
  return Election(std::make_shared<Rep>(Rep{&session, std::move(primitive)}));
}

Election::Election(std::shared_ptr<Rep> rep) : rep_(std::move(rep)) {}
Election::Election(Election&&) = default;
Election& Election::operator=(Election&&) = default;
Election::~Election() = default;

absl::StatusOr<Leadership> Election::Lead(absl::string_view candidate,
                                          const WaitOptions& options) {
  Timer& timer = rep_->session->connection().timer();
  const int64_t deadline_ns = DeadlineNanos(timer.NowNanos(), options.limit);
  // Destroyed without the lead it leaves the line all the same. So it is there
  // before the candidate may be.
  Leadership leadership(std::make_unique<Leadership::Rep>(
      Leadership::Rep{.election = rep_, .candidate = std::string(candidate)}));
  Leadership::Rep& rep = *leadership.rep_;
  absl::StatusOr<ElectionTerm> entered = rep_->Enter(candidate, options.stop);
  if (!entered.ok()) {
    // It did not enter: what an earlier call has entered stays.
    if (!IsOutcomeUnknown(entered.status())) leadership.rep_ = nullptr;
    return entered.status();
  }
  ElectionTerm term = *std::move(entered);

  if (term.leader != candidate && timer.NowNanos() < deadline_ns) {
    const std::unique_ptr<ElectionWatch> watch = Rep::Watch(rep_);
    const std::stop_callback cancel(options.stop, [&] { watch->Cancel(); });
    while (term.leader != candidate && IsInLine(term, rep.candidate)) {
      auto next = watch->NextUntil(deadline_ns);
      if (absl::IsDeadlineExceeded(next.status())) break;
      ASSIGN_OR_RETURN(term, std::move(next));
    }
  }
  rep.term = term.number;
  if (term.leader == candidate) return leadership;
  if (IsInLine(term, rep.candidate)) return NotLeading(rep.candidate, term);
  return absl::AbortedError(
      absl::StrCat(rep.candidate, " was taken out of the line"));
}

absl::StatusOr<ElectionTerm> Election::Enter(absl::string_view candidate) {
  return rep_->Enter(candidate, {});
}

absl::StatusOr<ElectionTerm> Election::Withdraw(absl::string_view candidate) {
  return rep_->Withdraw(candidate);
}

absl::StatusOr<ElectionTerm> Election::Evict(absl::string_view candidate) {
  return rep_->Run<api::EvictInput>(&Stub::Evict, candidate);
}

absl::StatusOr<ElectionTerm> Election::Anoint(absl::string_view candidate) {
  return rep_->Run<api::AnointInput>(&Stub::Anoint, candidate);
}

absl::StatusOr<ElectionTerm> Election::Promote(absl::string_view candidate) {
  return rep_->Run<api::PromoteInput>(&Stub::Promote, candidate);
}

absl::StatusOr<ElectionTerm> Election::Demote(absl::string_view candidate) {
  return rep_->Run<api::DemoteInput>(&Stub::Demote, candidate);
}

absl::StatusOr<ElectionTerm> Election::Term() { return rep_->Term({}); }

std::unique_ptr<Stream<ElectionTerm>> Election::Watch() {
  return Rep::Watch(rep_);
}

absl::Status Election::Close() { return rep_->primitive.Close(); }

}  // namespace client
