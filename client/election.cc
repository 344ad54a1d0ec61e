#include "client/election.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/election/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/connection.h"
#include "client/election_watch.h"
#include "client/primitive.h"
#include "client/spread.h"
#include "client/status.h"

namespace client {
namespace {

namespace api = atomix::multiraft::election::v1;

using One = Primitive<api::LeaderElection>;
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

// The election in one session, whose candidates are its own.
struct InSession {
  One one;

  // Every command is about a candidate, and every output is {term}.
  template <class Input, class Method>
  absl::StatusOr<ElectionTerm> Run(Method method, absl::string_view candidate) {
    Input input;
    input.set_candidate(std::string(candidate));
    ASSIGN_OR_RETURN(const auto output, one.Run(method, std::move(input)));
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
    ASSIGN_OR_RETURN(const auto output, one.Wait(&Stub::Enter, std::move(input),
                                                 {.limit = absl::ZeroDuration(),
                                                  .stop = std::move(stop)}));
    return FromApi(output.term());
  }

  absl::StatusOr<ElectionTerm> Withdraw(absl::string_view candidate) {
    return Run<api::WithdrawInput>(&Stub::Withdraw, candidate);
  }

  absl::StatusOr<ElectionTerm> Term(std::stop_token stop) {
    ASSIGN_OR_RETURN(const auto output,
                     one.Wait(&Stub::GetTerm, api::GetTermInput(),
                              {.limit = absl::ZeroDuration(), .stop = stop}));
    return FromApi(output.term());
  }

  Timer& timer() const { return one.session().connection().timer(); }
};

std::unique_ptr<ElectionWatch> WatchIn(InSession election) {
  using Change = ElectionWatch::Change;
  auto changes = election.one.Watch<Change>(
      &Stub::Watch, api::WatchInput(),
      [](api::WatchOutput output) { return Change(FromApi(output.term())); },
      [] { return Change(); }, StreamEnd::kNone);
  const absl::Duration timeout = election.one.session().timeout();
  Timer* timer = &election.timer();
  return std::make_unique<ElectionWatch>(ElectionWatch::Options{
      .changes = std::move(changes),
      .read = [election = std::move(election)](
                  std::stop_token stop) mutable { return election.Term(stop); },
      .timer = timer,
      .period_ns = absl::ToInt64Nanoseconds(timeout / 4)});
}

}  // namespace

struct Election::Rep {
  std::shared_ptr<Spread<api::LeaderElection>> spread;

  absl::StatusOr<Leadership> Lead(InSession election,
                                  absl::string_view candidate,
                                  int64_t deadline_ns, std::stop_token stop);

  // Does `work(election)` in the session.
  template <class Work>
  auto With(const Work& work) {
    return spread->With(spread->home(), [&](const std::shared_ptr<One>& one) {
      return work(InSession{*one});
    });
  }
  template <class Input, class Method>
  absl::StatusOr<ElectionTerm> Run(Method method, absl::string_view candidate) {
    return With([&](InSession election) {
      return election.Run<Input>(method, candidate);
    });
  }
};

struct Leadership::Rep {
  InSession election;
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
  ASSIGN_OR_RETURN(const ElectionTerm now, rep_->election.Term({}));
  if (now.number == rep_->term && now.leader == rep_->candidate) {
    return absl::OkStatus();
  }
  return NotLeading(rep_->candidate, now);
}

absl::Status Leadership::AwaitEnd(std::stop_token stop) {
  if (rep_ == nullptr) return absl::AbortedError("the leader has resigned");
  const std::unique_ptr<ElectionWatch> watch = WatchIn(rep_->election);
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
  return rep->election.Withdraw(rep->candidate).status();
}

// --- Election ---------------------------------------------------------------

absl::StatusOr<Election> Election::Open(Session& session,
                                        const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread,
                   Spread<api::LeaderElection>::Open(session, name));
  return Election(std::make_shared<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<Election> Election::Open(Client& client,
                                        const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread,
                   Spread<api::LeaderElection>::ByName(client.pool(), name));
  return Election(std::make_shared<Rep>(Rep{std::move(spread)}));
}

Election::Election(std::shared_ptr<Rep> rep) : rep_(std::move(rep)) {}
Election::Election(Election&&) = default;
Election& Election::operator=(Election&&) = default;
Election::~Election() = default;

absl::StatusOr<Leadership> Election::Lead(absl::string_view candidate,
                                          const WaitOptions& options) {
  std::optional<int64_t> deadline_ns;
  return rep_->With([&](InSession election) {
    if (!deadline_ns.has_value()) {
      deadline_ns = DeadlineNanos(election.timer().NowNanos(), options.limit);
    }
    return rep_->Lead(std::move(election), candidate, *deadline_ns,
                      options.stop);
  });
}

absl::StatusOr<Leadership> Election::Rep::Lead(InSession election,
                                               absl::string_view candidate,
                                               int64_t deadline_ns,
                                               std::stop_token stop) {
  Timer& timer = election.timer();
  // Destroyed without the lead it leaves the line all the same. So it is there
  // before the candidate may be.
  Leadership leadership(std::make_unique<Leadership::Rep>(Leadership::Rep{
      .election = std::move(election), .candidate = std::string(candidate)}));
  Leadership::Rep& rep = *leadership.rep_;
  absl::StatusOr<ElectionTerm> entered = rep.election.Enter(candidate, stop);
  if (!entered.ok()) {
    // It did not enter: what an earlier call has entered stays.
    if (!IsOutcomeUnknown(entered.status())) leadership.rep_ = nullptr;
    return entered.status();
  }
  ElectionTerm term = *std::move(entered);

  if (term.leader != candidate && timer.NowNanos() < deadline_ns) {
    const std::unique_ptr<ElectionWatch> watch = WatchIn(rep.election);
    const std::stop_callback cancel(stop, [&] { watch->Cancel(); });
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
  return rep_->With(
      [&](InSession election) { return election.Enter(candidate, {}); });
}

absl::StatusOr<ElectionTerm> Election::Withdraw(absl::string_view candidate) {
  return rep_->With(
      [&](InSession election) { return election.Withdraw(candidate); });
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

absl::StatusOr<ElectionTerm> Election::Term() {
  return rep_->With([](InSession election) { return election.Term({}); });
}

std::unique_ptr<Stream<ElectionTerm>> Election::Watch() {
  return rep_->spread->StreamOf<ElectionTerm>(
      {rep_->spread->home()},
      [](One& one) -> std::unique_ptr<Stream<ElectionTerm>> {
        return WatchIn({one});
      });
}

absl::Status Election::Close() { return rep_->spread->Close(); }

}  // namespace client
